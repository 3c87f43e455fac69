/**
 * Lines of a screen: painted text cut, filled or wrapped to a width in columns of a terminal.
 *
 * @module
 */
import wideWidth from "fast-string-width";
import { wrapAnsi } from "fast-wrap-ansi";

/** Printable ASCII is as wide as it is long; asking the library takes fifty times as long. */
const ASCII = /^[ -~]*$/;
/** A line is as full as it can be, and as it is. */
const CUT = { wordWrap: false, trim: false };
/** Ends every colour. */
const RESET = "\x1b[0m";

/** Columns that a text takes on a terminal; its colours take none. */
export function widthOf(text: string): number {
  return ASCII.test(text) ? text.length : wideWidth(text);
}

/** The text cut to `width`; `ellipsis` (one column) says that something is missing. */
export function cut(text: string, width: number, ellipsis = ""): string {
  if (widthOf(text) <= width) return text;
  const room = width - ellipsis.length;
  if (room < 1) return ellipsis.slice(0, width);
  const [kept] = wrapAnsi(text, room, CUT).split("\n", 1);
  return kept + ellipsis + (text.includes("\x1b") ? RESET : "");
}

/** The text with spaces up to `width`; wider text is cut. */
export function fill(
  text: string,
  width: number,
  align: "left" | "right" = "left",
  ellipsis = "",
): string {
  const short = cut(text, width, ellipsis);
  const room = " ".repeat(Math.max(0, width - widthOf(short)));
  return align === "left" ? short + room : room + short;
}

/** Lines of at most `width`, broken between words where that can be. Infinity breaks nothing. */
export function wrap(text: string, width: number): string[] {
  if (widthOf(text) <= width && !/^ |\n| $/.test(text)) return [text];
  if (width === Infinity) return [text];
  return wrapAnsi(text, Math.max(1, width), { hard: true }).split("\n");
}

/** One text at the left edge and one at the right; the right one goes where both do not fit. */
export function spread(left: string, right: string, width: number): string {
  const room = width - widthOf(left) - widthOf(right);
  return room < 2 ? cut(left, width) : left + " ".repeat(room) + right;
}
