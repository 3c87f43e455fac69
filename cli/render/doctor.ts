/**
 * What `doctor` shows.
 *
 * @module
 */
import type { Check, CheckState } from "../../lib/doctor.ts";
import { dim, green, type Paint, red, yellow } from "./colors.ts";
import type { Table } from "./table.ts";

const PAINT: Record<CheckState, Paint> = { ok: green, limited: yellow, missing: red, absent: dim };

/** A row per check. */
export function doctorTable(checks: readonly Check[]): Table {
  return {
    columns: [
      { head: "AREA" },
      { head: "NAME" },
      { head: "STATE" },
      { head: "DETAIL" },
      { head: "REMEDY" },
    ],
    rows: checks.map(({ area, name, state, detail, remedy }) => [
      area,
      name,
      { text: state, paint: PAINT[state] },
      detail,
      remedy,
    ]),
  };
}
