/**
 * A Xen shared ring: for a person, for awk and as JSON.
 *
 * @module
 */
import type { Device, Queue } from "../../lib/guest/guest.ts";
import type { XenQueue } from "../../lib/guest/xen_queue.ts";
import type { XenRingEntry, XenRingSide, XenRingSnapshot } from "../../lib/ring/xen/snapshot.ts";
import { bold, dim, red } from "./colors.ts";
import { escape } from "./escape.ts";
import { jsonLine, timeText } from "./json.ts";
import { plural } from "./size.ts";
import { type Cell, renderPlain, renderTable, type Table } from "./table.ts";

/** One reading of one ring. */
export interface XenRingReport {
  /** `xen:1/vbd-51712:0`. */
  readonly target: string;
  readonly device: Device;
  readonly queue: Queue;
  readonly xen: XenQueue;
  readonly snapshot: XenRingSnapshot;
}

/** The whole text. `limit` is how many entries are shown; Infinity for all. */
export function xenRingText(report: XenRingReport, limit: number): string {
  const { snapshot } = report;
  const parts = [
    title(report),
    picture(snapshot),
    renderTable(sideTable(snapshot)),
    reading(snapshot),
    snapshot.notes.map((note) => escape(note)).join("\n"),
    snapshot.text === "" ? "" : consoleTail(snapshot.text),
    entryText(snapshot, limit),
    findingText(snapshot),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function title({ target, device, queue, xen, snapshot }: XenRingReport): string {
  const unit = isBytes(snapshot) ? "bytes" : "slots";
  const port = xen.port === null ? "no event channel" : `event channel port ${xen.port}`;
  return `${bold(escape(target))}  ${
    escape(`${device.name}, queue ${queue.index} (${queue.name})`)
  }\n` +
    `${snapshot.kind} ring, ${snapshot.size} ${unit}, ${snapshot.abi}\n` +
    escape(`${xen.place} of domain ${xen.domain}, ${port}, back-end in domain ${xen.backend}`);
}

function isBytes({ kind }: XenRingSnapshot): boolean {
  return kind === "console" || kind === "xenstore";
}

/** Characters of the picture. */
const WIDTH = 64;

/** One bar a ring: how much of it is in flight, starting at the oldest outstanding slot. */
function picture(snapshot: XenRingSnapshot): string {
  if (isBytes(snapshot) || snapshot.size === 0 || snapshot.inFlight > snapshot.size) return "";
  const cells = Math.min(WIDTH, snapshot.size);
  const start = snapshot.sides[1].producer & (snapshot.size - 1);
  const bar = Array.from({ length: cells }, (_, cell) => {
    const first = Math.floor(cell * snapshot.size / cells);
    const distance = (first - start + snapshot.size) & (snapshot.size - 1);
    return distance < snapshot.inFlight ? "#" : ".";
  });
  return `[${bar.join("")}]  # request without a response`;
}

function sideTable({ sides, kickWanted, callWanted, size, kind }: XenRingSnapshot): Table {
  const columns = [
    { head: "" },
    { head: "FROM" },
    { head: "PRODUCED", align: "right" as const },
    { head: "SLOT", align: "right" as const },
    { head: "CONSUMED", align: "right" as const },
    { head: "EVENT", align: "right" as const },
    { head: "NOTIFICATION" },
  ];
  const bytes = kind === "console" || kind === "xenstore";
  const row = (side: XenRingSide): Cell[] => [
    side.name,
    side.from,
    String(side.producer),
    bytes || size === 0 ? "" : String(side.producer & (size - 1)),
    side.consumer === null ? "" : String(side.consumer),
    side.event === null ? "" : String(side.event),
    wanted(side.name === "requests" ? "kick" : "call", side, kickWanted, callWanted),
  ];
  return { columns, rows: sides.map(row) };
}

function wanted(
  name: string,
  side: XenRingSide,
  kick: boolean | null,
  call: boolean | null,
): string {
  const wants = side.name === "requests" ? kick : call;
  return wants === null ? "" : `${name} ${wants ? "wanted" : "not wanted"} for the next`;
}

function reading(snapshot: XenRingSnapshot): string {
  const unit = isBytes(snapshot) ? "not taken yet" : "in flight";
  const race = snapshot.raced ? red("raced: an index moved while it was read") : "no index moved";
  return `${unit}: ${snapshot.inFlight}   read at ${timeText(snapshot.time)}, ${race}`;
}

/** Lines of a console that are shown. */
const LINES = 16;

function consoleTail(text: string): string {
  const lines = text.split(/\r?\n/).filter((line) => line !== "").slice(-LINES);
  return [dim("last output:"), ...lines.map((line) => `  ${escape(line)}`)].join("\n");
}

const ENTRY_COLUMNS = [
  { head: "INDEX", align: "right" },
  { head: "SLOT", align: "right" },
  { head: "STATE" },
  { head: "REQUEST" },
] as const;

function entryText(snapshot: XenRingSnapshot, limit: number): string {
  const { entries, kind } = snapshot;
  if (entries.length === 0) return kind === "console" ? "" : "no entries";
  const shown = entries.slice(-limit);
  const more = entries.length - shown.length;
  const rest = more === 0 ? "" : `${dim(`${plural(more, "older one")}: --limit 0 shows all`)}\n`;
  const rows = shown.flatMap((entry) => entryRows(entry));
  return rest + renderTable({ columns: ENTRY_COLUMNS, rows });
}

function entryRows({ index, slot, state, request, findings }: XenRingEntry): Cell[][] {
  return [
    [String(index), String(slot), state, request.summary],
    ...request.notes.map((note) => ["", "", "", { text: note, paint: red }]),
    ...findings.map(({ code, text }) => ["", "", "", { text: `${code}: ${text}`, paint: red }]),
  ];
}

function findingText({ findings }: XenRingSnapshot): string {
  if (findings.length === 0) return "";
  const columns = [{ head: "FINDING" }, { head: "PLACE" }, { head: "HEADER" }, { head: "" }];
  const rows = findings.map(({ code, place, section, text }): Cell[] => [
    ...[{ text: code, paint: red }, place, section, text],
  ]);
  return `${red(plural(findings.length, "finding"))}\n${renderTable({ columns, rows })}`;
}

/** A row per entry with everything in it. */
export function xenRingPlain({ target, snapshot }: XenRingReport): string {
  const rows = snapshot.entries.map(({ index, slot, state, request, findings }): Cell[] => [
    ...[target, String(index), String(slot), state, request.type, request.summary],
    findings.map(({ code }) => code).join(","),
  ]);
  return renderPlain({ columns: [], rows });
}

/** `guestmem/xen-ring/1` */
export function xenRingJson({ target, device, queue, xen, snapshot }: XenRingReport): string {
  const { kind, abi, size, sides, inFlight, raced, kickWanted, callWanted } = snapshot;
  return jsonLine("guestmem/xen-ring/1", {
    target,
    time: timeText(snapshot.time),
    device: { name: device.name, type: device.type },
    queue: { index: queue.index, name: queue.name },
    place: xen.place,
    port: xen.port,
    ...{ kind, abi, size, sides, inFlight, raced },
    suppression: { kickWanted, callWanted },
    entries: snapshot.entries.map((entry) => ({
      ...entry,
      findings: entry.findings.map(({ code }) => code),
    })),
    text: snapshot.text,
    notes: snapshot.notes,
    findings: snapshot.findings,
  });
}
