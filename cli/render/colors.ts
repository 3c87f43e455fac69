/**
 * Colours, typed. `main.ts` switches them on for a terminal without NO_COLOR; elsewhere every paint
 * gives its text back as it was.
 *
 * @module
 */
// @ts-types="./std_colors.d.ts"
export {
  blue,
  bold,
  cyan,
  dim,
  getColorEnabled,
  green,
  inverse,
  magenta,
  red,
  setColorEnabled,
  stripAnsiCode,
  yellow,
} from "@std/fmt/colors";

/** Wraps a text in a colour, or does not. */
export type Paint = (text: string) => string;
