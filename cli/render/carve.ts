/**
 * What `find --carve` shows.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { Carving } from "../../lib/carve/carve.ts";
import type { NamedRing } from "../../lib/carve/names.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { fitTable, widest } from "./fit.ts";
import { jsonLine, timeText } from "./json.ts";
import { wrap } from "./line.ts";
import { type Cell, cellText, renderPlain, renderTable, type Table } from "./table.ts";

/** Everything that there is to show. */
export interface CarveReport {
  /** The target without device and queue. */
  readonly target: string;
  readonly carving: Carving;
  /** Those of its rings that are shown, best first. */
  readonly rings: readonly NamedRing[];
  /** What the target itself knows of its rings. */
  readonly attachment: Pick<Attachment, "devices">;
  readonly milliseconds: number;
}

const COLUMNS = [
  { head: "SCORE", align: "right" },
  { head: "SURE" },
  { head: "RING" },
  { head: "DEVICE" },
  { head: "QUEUE" },
  { head: "DESCRIPTORS", align: "right" },
  { head: "IN FLIGHT", align: "right" },
  { head: "KNOWN AS" },
  { head: "NOTE" },
  { head: "REQUEST" },
] as const;

/** Characters of a request in the table. */
const REQUEST_WIDTH = 48;

/** Columns that a narrow terminal does without, first to go first. */
const SPARE = ["KNOWN AS", "IN FLIGHT", "DESCRIPTORS"];
/** Columns whose texts are long: they go below their ring's row where they do not fit beside it. */
const BELOW = 2;

/** A row per ring, best first, at most `width` wide where that can be. */
export function carveText(report: CarveReport, width = Infinity): string {
  const { columns, rows } = table(report, REQUEST_WIDTH);
  const wide = renderTable({ columns, rows });
  if (widest(wide) <= width) return wide;
  const short = {
    columns: columns.slice(0, -BELOW),
    rows: rows.map((row) => row.slice(0, -BELOW)),
  };
  const [head, ...lines] = fitTable(short, width, SPARE).split("\n");
  const below = rows.map((row) => row.slice(-BELOW).map(cellText).filter((text) => text !== ""));
  const indented = (text: string) => wrap(text, width - INDENT.length).map((line) => INDENT + line);
  return [head, ...lines.flatMap((line, n) => [line, ...below[n].flatMap(indented)])].join("\n");
}

const INDENT = "      ";

/** The same for scripts: nothing cut. */
export function carvePlain(report: CarveReport): string {
  return renderPlain(table(report, Infinity));
}

function table(report: CarveReport, width: number): Table {
  return { columns: COLUMNS, rows: report.rings.map((ring) => row(report, ring, width)) };
}

function row(report: CarveReport, ring: NamedRing, width: number): Cell[] {
  const { config, sizeKnown, certainty, device, queue, queueName, snapshot } = ring;
  return [
    ring.score.toFixed(2),
    certainty,
    `${config.format} ${config.size}${sizeKnown ? "" : "?"}`,
    device,
    `${queue} (${queueName})`,
    hex(config.descriptor),
    String(snapshot.inFlight),
    knownAs(report, ring) ?? "",
    ring.notes.join("; "),
    // Cut before the table escapes it: an escape is not to be cut in two.
    shortened(ring.request?.summary ?? "", width),
  ];
}

function shortened(text: string, width: number): string {
  return text.length <= width ? text : text.slice(0, width - 1) + "…";
}

/** What the target's own list calls a ring: `blk0:0`. */
function knownAs({ attachment }: CarveReport, { config }: NamedRing): string | null {
  for (const { name, queues } of attachment.devices) {
    const queue = queues.find(({ ring }) =>
      ring?.addressSpace === "guest" && ring.descriptor === config.descriptor
    );
    if (queue !== undefined) return `${name}:${queue.index}`;
  }
  return null;
}

/** `guestmem/carve/1` */
export function carveJson(report: CarveReport, time: number): string {
  const { target, carving, rings, milliseconds } = report;
  return jsonLine("guestmem/carve/1", {
    target,
    time: timeText(time),
    scanned: Number(carving.scanned),
    unreadable: Number(carving.unreadable),
    skipped: carving.skipped,
    milliseconds: Math.round(milliseconds),
    rings: rings.map((ring) => ringEntry(report, ring)),
  });
}

function ringEntry(report: CarveReport, ring: NamedRing): Record<string, unknown> {
  const { config, snapshot, evidence } = ring;
  return {
    score: rounded(ring.score),
    certainty: ring.certainty,
    format: config.format,
    size: config.size,
    sizeKnown: ring.sizeKnown,
    usedKnown: ring.usedKnown,
    eventsKnown: ring.eventsKnown,
    descriptorArea: config.descriptor,
    driverArea: config.driver,
    deviceArea: config.device,
    features: config.features,
    device: { name: ring.device, type: ring.type },
    queue: { index: ring.queue, name: ring.queueName },
    knownAs: knownAs(report, ring),
    available: snapshot.available.index,
    used: snapshot.used.index,
    inFlight: snapshot.inFlight,
    request: ring.request,
    evidence: evidence.map(({ text, bits }) => ({ text, bits: rounded(bits) })),
    notes: ring.notes,
  };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
