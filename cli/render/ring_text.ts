/**
 * A ring for a person: the picture, then the numbers, then the chains.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { Finding } from "../../lib/finding.ts";
import type { RingReport } from "../../lib/guest/ring_report.ts";
import { isUnreadable } from "../../lib/ring/unreadable.ts";
import type { ChainDescriptor, DescriptorChain, RingSnapshot } from "../../lib/ring/snapshot.ts";
import { bold, dim, green, type Paint, red } from "./colors.ts";
import { queueTitle } from "./device.ts";
import { escape } from "./escape.ts";
import { timeText } from "./json.ts";
import { fitTable, widest } from "./fit.ts";
import { wrap } from "./line.ts";
import { chains } from "./ring_json.ts";
import { ringPicture } from "./ring_picture.ts";
import { plural } from "./size.ts";
import { type Cell, cellText, renderTable, type Table } from "./table.ts";

/** How much of a ring is shown. */
export interface RingTextOptions {
  /** Chains; Infinity for all. */
  readonly limit: number;
  /** Columns of the terminal; Infinity where there is none. */
  readonly width: number;
}

/** The whole text, without line end. */
export function ringText(report: RingReport, options: RingTextOptions): string {
  const { snapshot } = report;
  const seen = isUnreadable(snapshot) ? [] : [
    ringPicture(snapshot),
    fitTable(sideTable(snapshot), options.width, ["FLAGS", "SLOT"]),
    reading(snapshot, options.width),
    chainText(report, options),
  ];
  const parts = [title(report), ...seen, findingText(snapshot.findings)];
  return parts.filter((part) => part !== "").join("\n\n");
}

function title({ target, device, queue, snapshot: { config } }: RingReport): string {
  const { format, size, features, addressSpace } = config;
  const where = addressSpace === "user" ? ", areas at user addresses" : "";
  const areas = `descriptor ${hex(config.descriptor)}, driver ${hex(config.driver)}, ` +
    `device ${hex(config.device)}${where}`;
  return `${bold(escape(target))}  ${escape(queueTitle(device, queue))}\n` +
    `${format} ring, ${size} entries, features ${hex(features)}\n${areas}`;
}

function sideTable({ config, available, used, suppression }: RingSnapshot): Table {
  const packed = config.format === "packed";
  const wrap = (set: boolean | null) => set === null ? "" : set ? "1" : "0";
  const event = (value: number | null) => value === null ? "" : String(value);
  const columns = [
    { head: "" },
    { head: packed ? "SLOT" : "INDEX", align: "right" as const },
    { head: packed ? "WRAP" : "SLOT", align: "right" as const },
    { head: "FLAGS", align: "right" as const },
    { head: "EVENT", align: "right" as const },
    { head: "EVENT WRAP", align: "right" as const },
    { head: "NOTIFICATION" },
  ];
  const row = (name: string, side: typeof used, wants: string): Cell[] => [
    name,
    String(side.index),
    packed ? wrap(side.wrap) : String(side.index % Math.max(1, config.size)),
    hex(side.flags),
    event(side.event),
    wrap(side.eventWrap),
    wants,
  ];
  const says = (name: string, wanted: boolean) =>
    `${name} ${wanted ? "wanted" : "not wanted"} (${suppression.by})`;
  return {
    columns,
    rows: [
      row("available", available, says("call", suppression.callWanted)),
      row("used", used, says("kick", suppression.kickWanted)),
    ],
  };
}

function reading(
  { config, inFlight, exact, raced, time }: RingSnapshot,
  width: number,
): string {
  const unit = config.format === "packed" && !exact ? "at most " : "";
  const race = raced ? red("raced: an index moved while it was read") : "no index moved meanwhile";
  const parts = [`in flight: ${unit}${inFlight}`, `read at ${timeText(time)}, ${race}`];
  const line = parts.join("   ");
  return widest(line) <= width ? line : parts.flatMap((part) => wrap(part, width)).join("\n");
}

const CHAIN_COLUMNS = [
  { head: "HEAD", align: "right" },
  { head: "SLOT", align: "right" },
  { head: "STATE" },
  { head: "DESC", align: "right" },
  { head: "ADDRESS", align: "right" },
  { head: "LENGTH", align: "right" },
  { head: "DEVICE" },
  { head: "MEMORY" },
  { head: "NEXT", align: "right" },
  { head: "REQUEST" },
] as const;

/** Columns that go first where there is no room. */
const SPARE = ["NEXT", "MEMORY", "SLOT"];
/** Before a request that has a line of its own. */
const INDENT = "      ";

function chainText(report: RingReport, { limit, width }: RingTextOptions): string {
  const { chainCount, totals } = report.snapshot;
  if (chainCount === 0) return "no chains";
  const { descriptors, readable, writable } = totals;
  const head =
    `${plural(chainCount, "chain")}, oldest first: ${plural(descriptors, "descriptor")}, ` +
    `${plural(readable, "byte")} to read, ${plural(writable, "byte")} to write`;
  const shown = chains(report, limit);
  const more = chainCount - shown.length;
  const rest = more === 0 ? "" : `\n${dim(`${plural(more, "more chain")}: --limit 0 shows all`)}`;
  return `${wrap(head, width).join("\n")}\n${chainTable(report, shown, width)}${rest}`;
}

/**
 * Where requests beside their chains are too wide, each has a line of its own below, which then says
 * of a chain that it is indirect, too.
 */
function chainTable(
  report: RingReport,
  shown: readonly DescriptorChain[],
  width: number,
): string {
  const rowsOf = (narrow: boolean) => shown.flatMap((chain) => chainRows(report, chain, narrow));
  const wide = renderTable({ columns: CHAIN_COLUMNS, rows: rowsOf(false) });
  if (widest(wide) <= width) return wide;
  const rows = rowsOf(true);
  const last = CHAIN_COLUMNS.length - 1;
  const columns = CHAIN_COLUMNS.slice(0, last);
  const cells = rows.map((row) => row.slice(0, last));
  const [head, ...lines] = fitTable({ columns, rows: cells }, width, SPARE).split("\n");
  const below = rows.map((row) => cellText(row[last]));
  const all = lines.flatMap((line, n) => [
    ...[line].filter((one) => one !== ""),
    ...below[n] === "" ? [] : wrap(below[n], width - INDENT.length).map((text) => INDENT + text),
  ]);
  return [head, ...all].join("\n");
}

/** Descriptors of a chain that are shown; a longer chain is said to be so. */
const DESCRIPTORS = 16;

function chainRows(report: RingReport, chain: DescriptorChain, narrow: boolean): Cell[][] {
  const request = report.request(chain);
  const { indirect } = chain;
  const beside = indirect && !narrow ? " (indirect)" : "";
  const before = indirect && narrow ? ["indirect"] : [];
  const summary = [...before, ...request === null ? [] : [request.summary]].join(": ");
  const notes = request?.notes ?? [];
  const empty = ["", "", "", "", "", ""];
  const more = chain.descriptors.length - DESCRIPTORS;
  const head = [String(chain.head), String(chain.slot), chain.state + beside, ...empty];
  return [
    [...head, summary],
    ...notes.map((note) => ["", "", "", ...empty, { text: note, paint: red }]),
    ...chain.findings.map(({ code, place }) => [
      ...["", "", "", ...empty],
      { text: `${code}: ${place}`, paint: red },
    ]),
    ...chain.descriptors.slice(0, DESCRIPTORS).map((descriptor) => [
      ...["", "", ""],
      ...descriptorCells(descriptor),
      "",
    ]),
    ...more <= 0 ? [] : [["", "", "", "…", `${more} more`]],
  ];
}

function descriptorCells(descriptor: ChainDescriptor): Cell[] {
  const { index, address, length, writable, status, next } = descriptor;
  const paint: Paint = status === "ok" ? green : red;
  return [
    String(index),
    hex(address),
    String(length),
    writable ? "writes" : "reads",
    { text: status, paint },
    next === null ? "" : String(next),
  ];
}

/**
 * A row per finding of the ring itself, then one per descriptor with everything in it: for `--plain`.
 * Findings of a chain stand in the rows of its descriptors, or in one of its own where it has none.
 */
export function ringPlainTable(report: RingReport): Table {
  const walked = chains(report);
  const ofChains = new Set(walked.flatMap(({ findings }) => findings).map(keyOf));
  const own = report.snapshot.findings.filter((one) => !ofChains.has(keyOf(one)));
  const rows = [
    ...own.map((finding) => findingRow(report, finding)),
    ...walked.flatMap((chain) => plainRows(report, chain)),
  ];
  return { columns: [], rows };
}

function keyOf({ code, place, text }: Finding): string {
  return `${code} ${place} ${text}`;
}

/** Of a descriptor that is not there, or is another chain's by now. */
const NO_DESCRIPTOR: readonly Cell[] = ["", "", "", "", "", ""];

/** What is said stands where a request would. */
function findingRow({ target }: RingReport, { code, place, text }: Finding): Cell[] {
  return [target, "", "", "", ...NO_DESCRIPTOR, `${place}: ${text}`, code];
}

function plainRows(report: RingReport, chain: DescriptorChain): Cell[][] {
  const head = [report.target, String(chain.head), String(chain.slot), chain.state];
  const summary = report.request(chain)?.summary ?? "";
  const codes = chain.findings.map(({ code }) => code).join(",");
  const descriptors = chain.descriptors.map(descriptorCells);
  const worthARow = codes !== "" || chain.state === "reused";
  const rows = descriptors.length === 0 && worthARow ? [NO_DESCRIPTOR] : descriptors;
  return rows.map((cells): Cell[] => [...head, ...cells, summary, codes]);
}

/** The findings as a table with a heading; empty where there are none. */
export function findingText(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const columns = [{ head: "FINDING" }, { head: "PLACE" }, { head: "VIRTIO" }, { head: "" }];
  const rows = findings.map(({ code, place, section, text }): Cell[] => [
    { text: code, paint: red },
    place,
    section,
    text,
  ]);
  return `${red(plural(findings.length, "finding"))}\n${renderTable({ columns, rows })}`;
}
