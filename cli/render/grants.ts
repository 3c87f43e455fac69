/**
 * A Xen domain's grant table.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { GrantEntry, GrantSummary, GrantTable } from "../../lib/xen/grant_table.ts";
import { RESERVED_REFS } from "../../lib/xen/grant_table.ts";
import { dim, red, yellow } from "./colors.ts";
import { jsonLine, timeText } from "./json.ts";
import { plural } from "./size.ts";
import { type Cell, renderPlain, renderTable, type Table } from "./table.ts";

const COLUMNS = [
  { head: "REF", align: "right" },
  { head: "TYPE" },
  { head: "DOMAIN", align: "right" },
  { head: "FRAME", align: "right" },
  { head: "FLAGS" },
  { head: "MAPPED BY" },
  { head: "NOTE" },
] as const;

/** A row per used entry; all of them. */
export function grantRows(entries: readonly GrantEntry[]): Table {
  return { columns: COLUMNS, rows: entries.map(entryRow) };
}

function entryRow(entry: GrantEntry): Cell[] {
  const { ref, type, domain, frame, flags, mappedBy } = entry;
  return [
    String(ref),
    type,
    String(domain),
    frame === null ? "" : hex(frame),
    flags.join(","),
    mappedBy === null ? "" : { text: `domain ${mappedBy}`, paint: yellow },
    { text: noteOf(entry), paint: dim },
  ];
}

function noteOf({ ref, part, through }: GrantEntry): string {
  const notes = [
    RESERVED_REFS[ref] ?? "",
    part === null ? "" : `bytes ${part.offset} to ${part.offset + part.length}`,
    through === null ? "" : `reference ${through.ref} of domain ${through.domain}`,
  ];
  return notes.filter((note) => note !== "").join(", ");
}

/** What a person reads: `limit` entries, then the summary. */
export function grantsText(table: GrantTable, summary: GrantSummary, limit: number): string {
  const shown = table.entries.slice(0, limit);
  const more = table.entries.length - shown.length;
  const rest = more === 0 ? [] : [dim(`${plural(more, "more entry", "more entries")}: --limit 0`)];
  const rows = shown.length === 0 ? [] : [renderTable(grantRows(shown))];
  return [...rows, ...rest, summaryText(table.version, summary)].join("\n");
}

/** `539 of 32768 entries used (1.6 %) …`. */
export function summaryText(version: number, summary: GrantSummary): string {
  const { used, limit, fill, frames, maxFrames, mapped, byDomain } = summary;
  const share = (fill * 100).toFixed(1);
  const grantees = byDomain.slice(0, 8).map(({ domain, used }) => `domain ${domain}: ${used}`);
  const to = grantees.length === 0 ? "" : `; granted to ${grantees.join(", ")}`;
  return `version ${version}: ${used} of ${limit} entries used (${share} %), ` +
    `${frames} of ${maxFrames} frames; ${mapped} mapped${to}`;
}

/** A line of a watched table: when, how full, and an alarm where it is one. */
export function watchLine(version: number, summary: GrantSummary, alarm: boolean): string {
  const warning = alarm ? ` ${red("ALARM: the guest stops when the table is full")}` : "";
  return `${timeText(Date.now())} ${summaryText(version, summary)}${warning}`;
}

/** The same for a script: time, version, used, limit, frames, most frames, mapped, `alarm` or nothing. */
export function watchPlainLine(version: number, summary: GrantSummary, alarm: boolean): string {
  const { used, limit, frames, maxFrames, mapped } = summary;
  const numbers = [version, used, limit, frames, maxFrames, mapped].map(String);
  const row = [timeText(Date.now()), ...numbers, alarm ? "alarm" : ""];
  return renderPlain({ columns: [], rows: [row] });
}

/** `guestmem/grants/1`; `entries` null for a watched table, whose lines hold the summary alone. */
export function grantsJson(
  target: string,
  table: GrantTable,
  summary: GrantSummary,
  alarm: boolean,
  entries: readonly GrantEntry[] | null,
): string {
  return jsonLine("guestmem/grants/1", {
    target,
    time: timeText(Date.now()),
    version: table.version,
    ...summary,
    alarm,
    ...entries === null ? {} : { entries },
  });
}
