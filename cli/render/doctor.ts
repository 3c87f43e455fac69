/**
 * What `doctor` shows.
 *
 * @module
 */
import type { Check, CheckState } from "../../lib/doctor/check.ts";
import { dim, green, type Paint, red, yellow } from "./colors.ts";
import { escape } from "./escape.ts";
import { type Cell, renderTable, type Table } from "./table.ts";
import { wrap } from "./wrap.ts";

const PAINT: Record<CheckState, Paint> = { ok: green, limited: yellow, missing: red, absent: dim };

const HEADS = ["AREA", "NAME", "STATE", "DETAIL"] as const;

/** A row per check. */
export function doctorTable(checks: readonly Check[]): Table {
  return {
    columns: [...HEADS, "REMEDY"].map((head) => ({ head })),
    rows: checks.map((check) => [...begin(check), check.detail, check.remedy]),
  };
}

/**
 * The same for a person, at most `width` wide: details are wrapped, remedies stand below the table,
 * each once, under the number that is beside what it is for.
 */
export function doctorText(checks: readonly Check[], width: number): string {
  const columns = [0, 1, 2].map((column) =>
    Math.max(HEADS[column].length, ...checks.map((check) => textOf(begin(check)[column]).length))
  );
  const room = Math.max(24, width - columns.reduce((sum, column) => sum + column + 2, 0));
  const remedies = [...new Set(checks.flatMap(({ remedy }) => remedy || []))];
  const rows = checks.flatMap((check) => {
    const number = remedies.indexOf(check.remedy) + 1;
    const [first, ...more] = wrap(check.detail + (number > 0 ? ` [${number}]` : ""), room);
    return [[...begin(check), first], ...more.map((line): Cell[] => ["", "", "", line])];
  });
  const table = renderTable({ columns: HEADS.map((head) => ({ head })), rows });
  const notes = remedies.flatMap((remedy, n) => wrap(`[${n + 1}] ${escape(remedy)}`, width));
  return [table, ...notes.length === 0 ? [] : ["", "Remedies:"], ...notes].join("\n");
}

function begin({ area, name, state }: Check): Cell[] {
  return [area, name, { text: state, paint: PAINT[state] }];
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}
