/**
 * A `console` block as steps: what was typed after `$ `, and what came of it.
 *
 * @module
 */

/** One command and its output. */
export interface Step {
  readonly command: string;
  /** Output up to the end, or up to `^C` where that was typed. */
  readonly output: readonly string[];
  /** What came after `^C`; null where it was not typed. */
  readonly afterInterrupt: readonly string[] | null;
  /** It ended with `&`: it goes on while the next are typed. */
  readonly background: boolean;
  /** Line of the block, from 1. */
  readonly line: number;
}

const PROMPT = "$ ";
const INTERRUPT = "^C";

/** Throws SyntaxError where a block does not begin with a command. */
export function stepsOf(text: string): Step[] {
  const lines = text.split("\n");
  const starts = lines.flatMap((line, n) => line.startsWith(PROMPT) ? [n] : []);
  if (starts[0] !== 0) throw new SyntaxError(`a transcript begins with "${PROMPT}"`);
  return starts.map((start, n) => step(lines.slice(start, starts[n + 1] ?? lines.length), start));
}

function step(lines: readonly string[], start: number): Step {
  let head = 1;
  while (head < lines.length && lines[head - 1].endsWith("\\")) head++;
  const typed = lines.slice(0, head).join("\n").slice(PROMPT.length).trim();
  const output = withoutBlankEnd(lines.slice(head));
  const interrupt = output.indexOf(INTERRUPT);
  return {
    command: typed.replace(/\s*&$/, ""),
    output: interrupt < 0 ? output : output.slice(0, interrupt),
    afterInterrupt: interrupt < 0 ? null : output.slice(interrupt + 1),
    background: /[^&]&$/.test(typed),
    line: start + 1,
  };
}

/** A blank line before the next command is there for the reader. */
export function withoutBlankEnd(lines: readonly string[]): string[] {
  const last = lines.findLastIndex((line) => line.trim() !== "");
  return lines.slice(0, last + 1);
}
