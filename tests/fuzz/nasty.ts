/**
 * Text that does things to a terminal, a parser or a reader's eye.
 *
 * @module
 */
import type { Random } from "./random.ts";

const PIECES = [
  "\x1b[2J",
  "\x1b]0;title\x07",
  "\x1b[31m",
  "\x9b31m",
  "\x90q\x9c",
  "\r\n",
  "\t",
  "\x7f",
  "\0",
  "\b\b\b",
  "\u202e",
  "\u2066",
  "\u2069",
  "\u200b",
  "\u200f",
  "\u061c",
  "\u2028",
  "\u2029",
  "\u00ad",
  "\ufeff",
  "\ufff9",
  "\ud800",
  "\udfff",
  "\u{e0041}",
  "\u{1d173}",
  "\u{10ffff}",
  "\u0378",
  "\\x1b",
  "\\",
  '"',
  "'",
  "<",
  "%s",
  "é",
  "漢",
  "👩‍👩‍👧",
  "a",
  " ",
];

/** A short text, at its worst. */
export function nastyText(random: Random): string {
  let text = "";
  for (let n = random.below(6); n >= 0; n--) {
    text += random.oneIn(5) ? String.fromCodePoint(random.below(0x110000)) : random.pick(PIECES);
  }
  return text;
}

/** The same as bytes, as a guest would have them in its memory. */
export function nastyBytes(random: Random): Uint8Array {
  if (random.oneIn(3)) return Uint8Array.from({ length: random.below(40) }, () => random.word());
  return new TextEncoder().encode(nastyText(random));
}

/**
 * What of a text a terminal might act on; null where nothing. Colours as our own renderers set them
 * are left out of it, and so is the end of a line.
 */
export function unsafeIn(text: string): string | null {
  // deno-lint-ignore no-control-regex
  const plain = text.replace(/\x1b\[[0-9]{1,2}m/g, "");
  const match = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.exec(plain);
  if (match === null) return null;
  const code = (match[0].codePointAt(0) as number).toString(16);
  return `U+${code} in ${
    JSON.stringify(plain.slice(Math.max(0, match.index - 20), match.index + 20))
  }`;
}
