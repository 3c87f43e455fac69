/**
 * A list of mapped grants or frames.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { MappedEntry } from "../../lib/xen/map_list.ts";
import { green, red } from "./colors.ts";
import type { Cell, Table } from "./table.ts";

/** Whether numbers are references or frames. */
export type ListKind = "grant" | "frame";

/** Entries in a row with the same outcome. */
interface EntryRun {
  readonly first: MappedEntry;
  readonly last: MappedEntry;
  readonly count: number;
}

/** A list longer than this is shown by runs, without what stands in each page. */
const PREVIEWED = 64;

/** A row per entry of a short list, a row per run of a long one. */
export function mapListTable(entries: readonly MappedEntry[], kind: ListKind): Table {
  const columns = [
    { head: kind === "grant" ? "REF" : "FRAME", align: "right" as const },
    { head: "COUNT", align: "right" as const },
    { head: "STATE" },
    { head: "BYTES" },
  ];
  const runs = entries.length <= PREVIEWED
    ? entries.map((entry) => ({ first: entry, last: entry, count: 1 }))
    : runsOf(entries);
  return { columns, rows: runs.map((run) => rowOf(run, kind)) };
}

function rowOf({ first, last, count }: EntryRun, kind: ListKind): Cell[] {
  const name = (number: number) => kind === "grant" ? String(number) : hex(number);
  const state = first.fault === null
    ? { text: "mapped", paint: green }
    : { text: first.fault, paint: red };
  const numbers = count === 1 ? name(first.number) : `${name(first.number)}-${name(last.number)}`;
  return [numbers, count === 1 ? "" : String(count), state, count === 1 ? printable(first) : ""];
}

function runsOf(entries: readonly MappedEntry[]): EntryRun[] {
  const runs: EntryRun[] = [];
  for (const entry of entries) {
    const open = runs[runs.length - 1];
    const joins = open !== undefined && open.first.fault === entry.fault &&
      open.last.number + 1 === entry.number;
    if (joins) runs[runs.length - 1] = { ...open, last: entry, count: open.count + 1 };
    else runs.push({ first: entry, last: entry, count: 1 });
  }
  return runs;
}

/** ASCII of the first bytes, dots for the rest; trailing dots cut. */
export function printable({ preview }: Pick<MappedEntry, "preview">): string {
  const text = String.fromCharCode(...preview.map((byte) => byte >= 32 && byte < 127 ? byte : 46));
  return text.replace(/\.+$/, "");
}

/** Every entry as JSON has it. */
export function mapListJson(entries: readonly MappedEntry[]): Record<string, unknown>[] {
  return entries.map(({ number, fault, preview }) => ({
    number,
    mapped: fault === null,
    fault,
    bytes: Array.from(preview, (byte) => byte.toString(16).padStart(2, "0")).join(""),
  }));
}
