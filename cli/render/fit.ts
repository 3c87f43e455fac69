/**
 * Tables that fit a terminal: what does not fit is left out by whole columns.
 *
 * @module
 */
import wideWidth from "fast-string-width";
import { renderTable, type Table } from "./table.ts";

/**
 * The table without as many of the columns `spare` as it takes to be `width` wide, the first of them
 * first. It is wider where that is not enough.
 */
export function fitTable(table: Table, width: number, spare: readonly string[]): string {
  let left = table;
  let text = renderTable(left);
  for (const head of spare) {
    if (widest(text) <= width) break;
    left = withoutColumn(left, head);
    text = renderTable(left);
  }
  return text;
}

function withoutColumn({ columns, rows }: Table, head: string): Table {
  const at = columns.findIndex((column) => column.head === head);
  if (at < 0) return { columns, rows };
  return { columns: columns.toSpliced(at, 1), rows: rows.map((cells) => cells.toSpliced(at, 1)) };
}

/** Columns of the widest line. */
export function widest(text: string): number {
  return text.split("\n").reduce((widest, line) => Math.max(widest, wideWidth(line)), 0);
}
