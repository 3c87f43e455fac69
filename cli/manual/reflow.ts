/**
 * Manuals are written as paragraphs, whose lines begin at the margin, and transcripts, which are
 * indented. Here they are laid out for a width.
 *
 * @module
 */

import { wrap } from "../render/wrap.ts";

/** Lines longer than this are hard to read, however wide the terminal is. */
const WIDEST = 100;

/** Below this nothing can be laid out any more. */
const NARROWEST = 40;

/** The width of a manual on a terminal of `columns`. */
export function manualWidth(columns: number): number {
  return Math.max(NARROWEST, Math.min(columns, WIDEST));
}

/** A run of lines of a manual. */
export interface Block {
  /** `text`: a paragraph, joined to one line; `verbatim`: indented lines as they are. */
  readonly kind: "text" | "verbatim";
  readonly lines: readonly string[];
  /** Whether an empty line stands before it. */
  readonly apart: boolean;
}

/** Splits a manual into its paragraphs and transcripts. */
export function blocksOf(text: string): Block[] {
  const blocks: { kind: Block["kind"]; lines: string[]; apart: boolean }[] = [];
  let apart = false;
  for (const line of text.split("\n")) {
    if (line === "") {
      apart = true;
      continue;
    }
    const kind = line.startsWith(" ") ? "verbatim" : "text";
    const last = blocks.at(-1);
    if (last?.kind === "verbatim" && kind === "verbatim" && apart) last.lines.push("");
    if (last?.kind === kind && (!apart || kind === "verbatim")) last.lines.push(line);
    else blocks.push({ kind, lines: [line], apart });
    apart = false;
  }
  return blocks.map(({ kind, lines, apart }) => ({
    kind,
    lines: kind === "text" ? [lines.join(" ")] : lines,
    apart,
  }));
}

/** The manual with its paragraphs wrapped at `width` characters. */
export function reflow(text: string, width: number): string {
  return blocksOf(text).flatMap(({ kind, lines, apart }) => [
    ...apart ? [""] : [],
    ...kind === "text" ? wrap(lines[0], width) : lines,
  ]).join("\n");
}
