/** Paints text. */
type Paint = (text: string) => string;
export const bold: Paint;
export const dim: Paint;
export const red: Paint;
export const green: Paint;
export const yellow: Paint;
export const blue: Paint;
export const cyan: Paint;
export const magenta: Paint;
export const inverse: Paint;
/** Switches every paint on or off. */
export function setColorEnabled(enabled: boolean): void;
export function getColorEnabled(): boolean;
/** The text without escape sequences. */
export function stripAnsiCode(text: string): string;
