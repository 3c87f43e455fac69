/**
 * What `watch` shows of one interval.
 *
 * @module
 */
import type { GuestState, QueueRates, WatchReport } from "../../lib/watch/follow.ts";
import { dim, green, type Paint, red, yellow } from "./colors.ts";
import { deviceTypeText } from "./device.ts";
import { fitTable } from "./fit.ts";
import { timeText } from "./json.ts";
import { durationText, rateText } from "./size.ts";
import { type Cell, renderPlain, type Table } from "./table.ts";

const COLUMNS = [
  { head: "TARGET" },
  { head: "DEVICE" },
  { head: "RING" },
  { head: "AVAIL", align: "right" },
  { head: "USED", align: "right" },
  { head: "IN FLIGHT", align: "right" },
  { head: "WORST", align: "right" },
  { head: "AVAIL/S", align: "right" },
  { head: "USED/S", align: "right" },
  { head: "AVERAGE", align: "right" },
  { head: "WAITING", align: "right" },
  { head: "WANTED" },
  { head: "OLDEST", align: "right" },
  { head: "VERDICT" },
] as const;

/** Waiting longer than this is worth a colour, in milliseconds. */
const LONG = 1000;

/** Columns that a narrow terminal does without, first to go first. */
const SPARE = [
  "DEVICE",
  "AVERAGE",
  "WAITING",
  "RING",
  "WORST",
  "AVAIL/S",
  "WANTED",
  "AVAIL",
  "USED",
];

/**
 * A table of all queues, at most `limit` of them and `width` columns wide; without line end. What
 * does not fit is left out by whole columns, what says that a queue hangs last of all.
 */
export function watchText(report: WatchReport, limit: number, width = Infinity): string {
  const rows = report.queues.slice(0, limit).map((one) => row(one, report.guest));
  const more = report.queues.length - rows.length;
  const notes = [
    ...more > 0 ? [`${more} more queues`] : [],
    ...report.unreadable > 0 ? [`${report.unreadable} queues without a ring`] : [],
    ...report.queues.some(({ gap }) => gap) ? ["?: moved too fast to be counted"] : [],
  ];
  const foot = notes.length === 0 ? "" : `\n${dim(notes.join("; "))}`;
  return `${fitTable({ columns: COLUMNS, rows }, width, SPARE)}${foot}`;
}

/** What the columns of {@linkcode watchPlain} are, for a person who pipes them. */
export function watchHeading(): string {
  return `columns, a tab between two: TIME, ${COLUMNS.map(({ head }) => head).join(", ")}`;
}

/** A line per queue between tabs: the time, then what the table has. */
export function watchPlain(report: WatchReport): string {
  const time = timeText(report.time);
  const rows = report.queues.map((one) => [time, ...row(one, report.guest)]);
  const table: Table = { columns: COLUMNS, rows };
  return renderPlain(table);
}

function row(rates: QueueRates, guest: GuestState): Cell[] {
  const { device, queue, indices, suppression, waiting, oldest } = rates;
  const index = (value: number | undefined) => value === undefined ? "unreadable" : String(value);
  return [
    rates.target,
    deviceTypeText(device),
    queue.ring === null ? "" : `${queue.ring.format} ${queue.ring.size}`,
    index(indices?.available.index),
    index(indices?.used.index),
    index(indices?.inFlight),
    index(indices === null ? undefined : rates.inFlightWorst),
    rateText(rates.availableRate),
    { text: rateText(rates.usedRate), paint: ratePaint(rates) },
    rateText(rates.usedAverage),
    waiting < 1 ? "" : { text: durationText(waiting), paint: waiting > LONG ? red : yellow },
    [suppression.kickWanted ? "kick" : "", suppression.callWanted ? "call" : ""]
      .filter((word) => word !== "").join(" "),
    oldest === null || oldest < 1 ? "" : durationText(oldest),
    verdictCell(rates, guest),
  ];
}

/** `gone` for a queue of a guest that is not there any more: its indices are the last that were read. */
function verdictCell({ verdict }: QueueRates, { up }: GuestState): Cell {
  if (!up) return { text: "gone", paint: red };
  const well = verdict === null || verdict === "idle" || verdict === "moving";
  return { text: verdict ?? "", paint: well ? dim : red };
}

function ratePaint({ usedRate }: QueueRates): Paint {
  return usedRate === null ? yellow : usedRate > 0 ? green : dim;
}
