/**
 * Makes text from outside safe for a terminal. Guest memory, xenstore, QMP answers and file names
 * are written by someone who may want to move the cursor, set the title or turn text around.
 *
 * @module
 */

/**
 * Control characters (C0, DEL, C1 and with them ESC and CSI), format characters (bidi controls,
 * zero-width ones, tags), surrogates without partner, private and unassigned code points, line and
 * paragraph separators; and the backslash, so that what is escaped can be told from what was typed.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\\]/gu;

/** Most text is this; the long classes above cost milliseconds to compile when first used. */
const SAFE_ASCII = /^[ -[\]-~]*$/;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/**
 * The text with everything a terminal might act on written as `\n`, `\x1b` or `\u{202e}`. Apply it
 * once: a second time escapes the backslashes again.
 */
export function escape(text: string): string {
  if (SAFE_ASCII.test(text)) return text;
  return text.replace(UNSAFE, (character) => SHORT[character] ?? escaped(character));
}

function escaped(character: string): string {
  const code = character.codePointAt(0) as number;
  return code < 0x100
    ? "\\x" + code.toString(16).padStart(2, "0")
    : "\\u{" + code.toString(16) + "}";
}

/** {@linkcode escape}, line by line: for messages of our own that span several lines. */
export function escapeLines(text: string): string {
  return text.split("\n").map(escape).join("\n");
}
