/**
 * The list of the full-screen view: a row per queue. Only rows that are on the screen are rendered.
 *
 * @module
 */
import type { QueueRates } from "../../lib/watch/follow.ts";
import { ratesOf } from "../screen/history.ts";
import { layoutOf } from "../screen/layout.ts";
import { cursorRow, type Scene, type State } from "../screen/state.ts";
import { bold, dim, green, inverse, type Paint, red, yellow } from "./colors.ts";
import { escape } from "./escape.ts";
import { fill, widthOf } from "./line.ts";
import { isDrawable, ringStand, ringStrip } from "./ring_picture.ts";
import { durationText, rateText } from "./size.ts";
import { sparkline } from "./sparkline.ts";
import { shortVerdict, VERDICT_PAINT } from "./verdict.ts";
import { recentOf, shownConfig } from "./watched_ring.ts";

/** A column: how wide it is at least, and what stands in it. */
interface ListColumn {
  readonly head: string;
  readonly width: number;
  readonly align?: "right";
  /** Painted, at most `width` wide. */
  cell(row: Row, width: number): string;
}

/** What a row is made of. */
interface Row {
  readonly queue: QueueRates;
  readonly scene: Scene;
  readonly unicode: boolean;
  /** The terminal is wide. */
  readonly wide: boolean;
}

/** From here on there is room for the names of queues and for whole verdicts. */
const WIDE = 110;
/** Columns of the mark of the row under the cursor. */
const MARK = 2;
/** As wide as pictures and sparklines grow. */
const MOST = { RING: 32, HISTORY: 30 } as const;
/** Part of the width that names of queues get at most. */
const LABEL_SHARE = 0.3;
/** Older than this is worth a colour, in milliseconds. */
const OLD = 1000;

/** In the order of their worth: those that do not fit are left out, the last first. */
const WORTH = [
  ...["VERDICT", "QUEUE", "RING", "NOW", "USED/S", "OLDEST", "HISTORY", "MAX", "AVERAGE"],
  ...["NOTIFY", "AVAIL", "USED"],
];

/** Heading and rows; as many lines as the layout gives the list, and one. */
export function listLines(state: State): string[] {
  const { scene, rows, size, top } = state;
  const { list } = layoutOf(size);
  if (scene === null) return [];
  const shown = Array.from(rows.subarray(top, top + list), (place) => scene.report.queues[place]);
  const wide = size.columns >= WIDE;
  const columns = fitting(size.columns - MARK, wide, shown);
  const cursor = cursorRow(state) - top;
  const head = columns.map(({ head, width, align }) => fill(head, width, align)).join(" ");
  return [
    " ".repeat(MARK) + bold(head.trimEnd()),
    ...shown.map((queue, n) => {
      const row: Row = { queue, scene, unicode: state.unicode, wide };
      return rowLine(row, columns, n === cursor);
    }),
  ];
}

/** Without colours the mark alone shows where the cursor is. */
function rowLine(row: Row, columns: readonly ListColumn[], selected: boolean): string {
  const ellipsis = row.unicode ? "…" : "~";
  const line = columns.map((column) => {
    const { width, align } = column;
    return fill(column.cell(row, width), width, align, ellipsis);
  }).join(" ");
  return selected ? inverse(`> ${line}`) : `  ${line}`;
}

/** The columns that fit, as wide as they may be. */
function fitting(width: number, wide: boolean, shown: readonly QueueRates[]): ListColumn[] {
  const label = shown.reduce((most, queue) => Math.max(most, widthOf(labelOf(queue, wide))), 5);
  const wanted = columnsFor(wide, Math.min(label, Math.floor(width * LABEL_SHARE)));
  const kept = new Set<string>();
  let left = width + 1;
  for (const head of WORTH) {
    const column = wanted.find((one) => one.head === head) as ListColumn;
    if (column.width + 1 > left && kept.size >= 2) break;
    kept.add(head);
    left -= column.width + 1;
  }
  return grown(wanted.filter(({ head }) => kept.has(head)), left);
}

/** Gives what is left to the picture and the sparkline. */
function grown(columns: readonly ListColumn[], left: number): ListColumn[] {
  return columns.map((column, n) => {
    const { head, width } = column;
    if (head !== "RING" && head !== "HISTORY") return column;
    const after = columns.slice(n + 1).some((one) => one.head === "HISTORY");
    const share = Math.min(after ? Math.ceil(left / 2) : left, MOST[head] - width);
    left -= Math.max(0, share);
    return { ...column, width: width + Math.max(0, share) };
  });
}

function columnsFor(wide: boolean, label: number): ListColumn[] {
  return [
    { head: "VERDICT", width: wide ? 20 : 13, cell: verdictCell },
    { head: "QUEUE", width: label, cell: ({ queue, wide }) => labelOf(queue, wide) },
    { head: "RING", width: 10, cell: ringCell },
    number("AVAIL", 5, ({ indices }) => indices?.available.index),
    number("USED", 5, ({ indices }) => indices?.used.index),
    number("NOW", 5, ({ indices }) => indices?.inFlight),
    number("MAX", 5, ({ inFlightWorst }) => inFlightWorst),
    { head: "USED/S", width: 6, align: "right", cell: usedCell },
    { head: "AVERAGE", width: 7, align: "right", cell: ({ queue }) => rateText(queue.usedAverage) },
    { head: "HISTORY", width: 8, cell: historyCell },
    { head: "OLDEST", width: 7, align: "right", cell: oldestCell },
    { head: "NOTIFY", width: 9, cell: notifyCell },
  ];
}

function number(
  head: string,
  width: number,
  value: (queue: QueueRates) => number | undefined,
): ListColumn {
  const cell = ({ queue }: Row) => String(value(queue) ?? "?");
  return { head, width, align: "right", cell };
}

/** `blk0:0 request0`; the name of the queue only where there is room. */
function labelOf({ device, queue }: QueueRates, wide: boolean): string {
  const place = `${device.name}:${queue.index}`;
  return escape(wide ? `${place} ${queue.name}` : place);
}

function verdictCell({ queue: { verdict }, scene, wide }: Row): string {
  if (!scene.report.guest.up) return red("gone");
  if (verdict === null) return "";
  return VERDICT_PAINT[verdict](wide ? verdict : shortVerdict(verdict));
}

function ringCell({ queue }: Row, width: number): string {
  const { indices, config } = queue;
  if (indices === null) return red(fill("unreadable", width));
  if (!isDrawable(config)) return "";
  return ringStrip(ringStand(shownConfig(queue), indices, recentOf(queue)), width);
}

function usedCell({ queue: { usedRate } }: Row): string {
  const paint: Paint = usedRate === null ? yellow : usedRate > 0 ? green : dim;
  return paint(rateText(usedRate));
}

function historyCell({ queue, scene, unicode }: Row, width: number): string {
  return sparkline(ratesOf(scene.history, queue.target, width), width, unicode);
}

function oldestCell({ queue: { oldest } }: Row): string {
  if (oldest === null || oldest < 1) return "";
  return (oldest > OLD ? yellow : dim)(durationText(oldest));
}

function notifyCell({ queue: { suppression } }: Row): string {
  const { kickWanted, callWanted } = suppression;
  return `${kickWanted ? "kick" : "    "} ${callWanted ? "call" : ""}`;
}
