/**
 * Columns for a person, tab-separated lines for awk.
 *
 * How wide a text stands on a terminal is the hard part of a table, and a library's (fast-string-
 * width). Whole table libraries cost 20 to 60 ms at each start, as much as all the rest.
 *
 * @module
 */
import { bold, type Paint } from "./colors.ts";
import { escape } from "./escape.ts";
import { widthOf } from "./line.ts";

/** A column: its heading and where its text stands. */
export interface Column {
  readonly head: string;
  readonly align?: "left" | "right";
}

/** Text of one cell, escaped on output, and the colour to give it. */
export type Cell = string | { readonly text: string; readonly paint: Paint };

/** Columns and the rows beneath them. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Spaces between columns. */
const GAP = "  ";

/** What a person reads: aligned, headed; columns that are empty in every row are left out. */
export function renderTable({ columns, rows }: Table): string {
  const body = rows.map((row) => columns.map((_, i) => escape(textOf(row[i]))));
  const kept = columns.flatMap((_, i) => body.some((row) => row[i] !== "") ? [i] : []);
  if (kept.length === 0) return "";
  const widths = kept.map((i) =>
    body.reduce((widest, row) => Math.max(widest, widthOf(row[i])), widthOf(columns[i].head))
  );
  const line = (texts: readonly string[], paint: (text: string, column: number) => string) =>
    kept.map((i, n) => {
      const room = " ".repeat(widths[n] - widthOf(texts[i]));
      const text = texts[i] === "" ? "" : paint(texts[i], i);
      return columns[i].align === "right" ? room + text : text + room;
    }).join(GAP).trimEnd();
  const head = line(columns.map(({ head }) => head), bold);
  return [head, ...rows.map((row, n) => line(body[n], (text, i) => paintOf(row[i])(text)))]
    .join("\n");
}

/** What a script reads: a line per row, cells between tabs, no heading, no colour. */
export function renderPlain({ rows }: Table): string {
  return rows.map((row) => row.map((cell) => escape(textOf(cell))).join("\t")).join("\n");
}

/** A cell as a terminal shows it: escaped, and in its colour. */
export function cellText(cell: Cell | undefined): string {
  const text = escape(textOf(cell));
  return text === "" ? "" : paintOf(cell)(text);
}

function textOf(cell: Cell | undefined): string {
  return cell === undefined ? "" : typeof cell === "string" ? cell : cell.text;
}

const PLAIN: Paint = (text) => text;

function paintOf(cell: Cell | undefined): Paint {
  return cell === undefined || typeof cell === "string" ? PLAIN : cell.paint;
}
