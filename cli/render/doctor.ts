/**
 * What `doctor` shows.
 *
 * @module
 */
import type { Check, CheckState } from "../../lib/doctor/check.ts";
import { dim, green, type Paint, red, yellow } from "./colors.ts";
import { escape } from "./escape.ts";
import { wrapTable } from "./fit.ts";
import { wrap } from "./line.ts";
import type { Cell, Table } from "./table.ts";

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
  const remedies = [...new Set(checks.flatMap(({ remedy }) => remedy || []))];
  const rows = checks.map((check) => {
    const number = remedies.indexOf(check.remedy) + 1;
    return [...begin(check), check.detail + (number > 0 ? ` [${number}]` : "")];
  });
  const table = wrapTable({ columns: HEADS.map((head) => ({ head })), rows }, width);
  const notes = remedies.flatMap((remedy, n) => wrap(`[${n + 1}] ${escape(remedy)}`, width));
  return [table, ...notes.length === 0 ? [] : ["", "Remedies:"], ...notes].join("\n");
}

function begin({ area, name, state }: Check): Cell[] {
  return [area, name, { text: state, paint: PAINT[state] }];
}
