/**
 * The chains of a ring, narrow: for a terminal that is no wider than it is.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { RingReport } from "../../lib/guest/ring_report.ts";
import type { ChainDescriptor, DescriptorChain } from "../../lib/ring/snapshot.ts";
import { bold, dim, green, red } from "./colors.ts";
import { escape } from "./escape.ts";
import { timeText } from "./json.ts";
import { wrap } from "./line.ts";
import { chains } from "./ring_json.ts";
import { plural } from "./size.ts";
import { type Cell, renderTable } from "./table.ts";

/** What to show. */
export interface ChainListOptions {
  /** Chains at most. */
  readonly limit: number;
  /** Columns of the terminal. */
  readonly columns: number;
  /** Every descriptor, too, and requests in full. */
  readonly descriptors: boolean;
}

/** Descriptors of a chain that are shown; a longer chain is said to be so. */
const DESCRIPTORS = 16;

/** Lines without line end: what is in the ring, findings first. */
export function chainListText(report: RingReport, options: ChainListOptions): string {
  const { snapshot } = report;
  const { chainCount, totals, findings, time, raced } = snapshot;
  const at = `${timeText(time).slice(11)}${raced ? red(", raced: an index moved meanwhile") : ""}`;
  const head = chainCount === 0
    ? `no chains at ${at}`
    : `${plural(chainCount, "chain")}, ${plural(totals.descriptors, "descriptor")}, ` +
      `oldest first, at ${at}`;
  const shown = chains(report, options.limit);
  const list = options.descriptors
    ? shown.flatMap((chain) => wholeChain(report, chain, options.columns))
    : shown.length === 0
    ? []
    : [chainTable(report, shown)];
  const more = chainCount - shown.length;
  return [
    head,
    ...findings.slice(0, DESCRIPTORS).flatMap(({ code, place, text, section }) =>
      wrap(red(`${code} at ${escape(place)}: ${escape(text)} (${section})`), options.columns)
    ),
    ...list,
    ...more > 0 ? [dim(`and ${plural(more, "chain")} more`)] : [],
  ].join("\n");
}

const COLUMNS = [
  { head: "HEAD", align: "right" },
  { head: "STATE" },
  { head: "READS", align: "right" },
  { head: "WRITES", align: "right" },
  { head: "REQUEST" },
] as const;

function chainTable(report: RingReport, shown: readonly DescriptorChain[]): string {
  const rows = shown.flatMap((chain): Cell[][] => {
    const request = report.request(chain);
    const { head, state, readable, writable } = chain;
    const notes = [...request?.notes ?? [], ...chain.findings.map(({ code }) => code)];
    const summary = request?.summary ?? "";
    return [
      [String(head), state, String(readable), String(writable), summary],
      ...notes.map((text) => ["", "", "", "", { text, paint: red }]),
    ];
  });
  return renderTable({ columns: COLUMNS, rows });
}

function wholeChain(report: RingReport, chain: DescriptorChain, columns: number): string[] {
  const { head, slot, state, indirect, readable, writable, descriptors, findings } = chain;
  const request = report.request(chain);
  const title = `head ${head}, slot ${slot}, ${state}${indirect ? " (indirect)" : ""}: ` +
    `${plural(readable, "byte")} to read, ${plural(writable, "byte")} to write`;
  const indent = (text: string) => wrap(text, columns - 2).map((line) => `  ${line}`);
  const more = descriptors.length - DESCRIPTORS;
  return [
    bold(title),
    ...request === null ? [] : indent(escape(request.summary)),
    ...request?.notes.flatMap((note) => indent(red(escape(note)))) ?? [],
    ...findings.flatMap(({ code, place }) => indent(red(`${code} at ${escape(place)}`))),
    ...descriptors.slice(0, DESCRIPTORS).map(descriptorLine),
    ...more > 0 ? [dim(`  and ${plural(more, "descriptor")} more`)] : [],
  ];
}

function descriptorLine({ index, address, length, writable, status }: ChainDescriptor): string {
  const place = `${hex(address).padStart(12)} ${String(length).padStart(8)}`;
  const does = writable ? "writes" : "reads ";
  return `  ${String(index).padStart(5)} ${place} ${does} ${
    (status === "ok" ? green : red)(status)
  }`;
}
