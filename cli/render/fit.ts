/**
 * Tables that fit a terminal: what does not fit is left out by whole columns, or wrapped in the last.
 *
 * @module
 */
import { escape } from "./escape.ts";
import { widthOf, wrap } from "./line.ts";
import { type Cell, renderTable, type Table } from "./table.ts";

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

/** The least room that a wrapped column gets, heading and all. */
const LEAST = 24;

/** The table with the texts of its last column wrapped where it is wider than `width`. */
export function wrapTable(table: Table, width: number): string {
  const whole = renderTable(table);
  if (widest(whole) <= width) return whole;
  const last = table.columns.length - 1;
  const columns = table.columns.slice(0, last);
  const beside = widest(
    renderTable({ columns, rows: table.rows.map((row) => row.slice(0, last)) }),
  );
  const room = Math.max(LEAST, width - beside - 2);
  const rows = table.rows.flatMap((row) => {
    const [first, ...more] = wrapCell(row[last] ?? "", room);
    const blank = columns.map((): Cell => "");
    return [[...row.slice(0, last), first], ...more.map((cell) => [...blank, cell])];
  });
  return renderTable({ columns: table.columns, rows });
}

function wrapCell(cell: Cell, room: number): Cell[] {
  const text = escape(typeof cell === "string" ? cell : cell.text);
  return wrap(text, room).map((line) => typeof cell === "string" ? line : { ...cell, text: line });
}

/** Columns of the widest line. */
export function widest(text: string): number {
  return text.split("\n").reduce((widest, line) => Math.max(widest, widthOf(line)), 0);
}
