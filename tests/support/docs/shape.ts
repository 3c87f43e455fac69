/**
 * Compares what a transcript promises with what a command printed.
 *
 * A live guest never prints the same numbers twice, so a line compares by its shape: every word,
 * heading and message must be there, in the same order, and these must be of the same kind:
 *
 * - a number, decimal or hexadecimal, whatever its value (`0x1f` is not `31`);
 * - a time of day, a duration with its unit, and a rate with its unit;
 * - whether a domain of Xen has a processor just now;
 * - the filling of a ring's picture, and where its markers stand;
 * - the plural of the word after a number, and how many blanks align a column.
 *
 * A line `…` stands for any lines, `…` at the end of a line for the rest of it. What is recorded, and
 * so is the same each time, is compared exactly, but for the time of day.
 *
 * @module
 */

/** How strictly two texts are compared. */
export interface Comparison {
  /** The same characters, but for the time of day. */
  readonly exact: boolean;
  /** The host may have more of it: expected lines and words stand among others (`find`). */
  readonly among: boolean;
}

const ANY = "…";
const TIME_OF_DAY = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;

/** A line without what is different each time. */
export function shapeOf(line: string): string {
  return line
    .replace(TIME_OF_DAY, "<time>")
    .replace(/\|[.#=~-]{16,}\|/g, "|<ring>|")
    .replace(/\b(running|runnable|blocked)\b/g, "<scheduled>")
    .replace(/0x[0-9a-f]+/g, "<hex>")
    .replace(/(?<![\w.])\d+(\.\d+)?( (ns|us|ms|s|min|h|d)|(ms|s))\b/g, "<duration>")
    .replace(/(?<![\w.])\d+(\.\d+)?[kKMGT]?\/s\b/g, "<rate>")
    .replace(/\d+(\.\d+)?/g, "#")
    .replace(/# ([a-z]{3,}?)s\b/g, "# $1")
    .replace(/\s+/g, " ")
    .trim();
}

/** `available 23 v` and `v available 23` are one: the marker stands where there is room. */
function marker(shape: string): string {
  const drawn = /^([v^] \w+ #( or later)?|\w+ #( or later)? [v^])$/.test(shape);
  return drawn ? shape.split(" ").sort().join(" ") : shape;
}

/** What is wrong with `actual`, in words; null where it is as expected. */
export function difference(
  expected: readonly string[],
  actual: readonly string[],
  how: Comparison,
): string | null {
  const place = match(expected, actual, how);
  if (place === null) return null;
  const got = actual.map((line) => `  | ${line}`).join("\n");
  return `expected ${place}\ngot:\n${got}`;
}

/** The first expected line that does not come, or what comes instead of the end. */
function match(
  expected: readonly string[],
  actual: readonly string[],
  how: Comparison,
): string | null {
  if (expected.length === 0 && actual.length > 0) return "no output";
  let at = 0;
  let skipping = how.among;
  for (const line of expected) {
    if (line.trim() === ANY) {
      skipping = true;
      continue;
    }
    const found = skipping
      ? actual.findIndex((text, n) => n >= at && matches(line, text, how))
      : at < actual.length && matches(line, actual[at], how)
      ? at
      : -1;
    if (found < 0) return `line "${line}"`;
    at = found + 1;
    skipping = how.among;
  }
  return skipping || at === actual.length ? null : `the end, not "${actual[at]}"`;
}

function matches(expected: string, actual: string, { exact, among }: Comparison): boolean {
  const shape = (line: string) =>
    exact ? line.replace(TIME_OF_DAY, "<time>").trimEnd() : marker(shapeOf(line));
  const open = expected.trimEnd().endsWith(ANY);
  const wanted = shape(open ? expected.trimEnd().slice(0, -ANY.length) : expected);
  const got = shape(actual);
  if (among) return isWithin(wanted.split(" "), got.split(" "));
  return open ? got.startsWith(wanted) : got === wanted;
}

/** Whether the words come in this order: a column of another guest's may stand between. */
function isWithin(words: readonly string[], all: readonly string[]): boolean {
  let at = 0;
  for (const word of words) {
    const found = all.indexOf(word, at);
    if (found < 0) return false;
    at = found + 1;
  }
  return true;
}
