/**
 * Which queues are shown, in which order. Pure.
 *
 * @module
 */
import { type Verdict, VERDICTS } from "../../lib/ring/stall.ts";
import type { QueueRates, WatchReport } from "../../lib/watch/follow.ts";
import { deviceTypeText } from "../render/device.ts";

/** The orders, as the key goes through them. */
export const ORDERS = ["worst", "busiest", "in flight", "oldest", "by name"] as const;

/** One of them. */
export type Order = typeof ORDERS[number];

/** Whether a verdict says that a queue hangs. */
export function isStuckVerdict(verdict: Verdict | null): boolean {
  return verdict !== null && verdict !== "moving" && verdict !== "idle";
}

/** How many queues of a report hang. */
export function countStuck({ queues }: WatchReport): number {
  let count = 0;
  for (const { verdict } of queues) if (isStuckVerdict(verdict)) count++;
  return count;
}

/**
 * Places in `report.queues` of the queues that match `filter`, in order. Queues of which nothing is to
 * be said come last, as the guest lists them: rows that change places at every report can not be read.
 */
export function arrange(report: WatchReport, order: Order, filter: string): Uint32Array {
  const { queues } = report;
  const shown = matching(queues, filter);
  if (order === "by name") return shown;
  const [first, second] = MEASURES[order];
  // Most of many queues are well, and need no sorting.
  const noted = shown.filter((place) => first(queues[place]) > 0);
  if (noted.length === 0) return shown;
  const ranks = new Map<number, number>();
  for (const place of noted) ranks.set(place, first(queues[place]));
  const rank = (place: number) => ranks.get(place) as number;
  noted.sort((a, b) => rank(b) - rank(a) || second(queues[b]) - second(queues[a]) || a - b);
  const arranged = new Uint32Array(shown.length);
  arranged.set(noted);
  let next = noted.length;
  for (const place of shown) if (!ranks.has(place)) arranged[next++] = place;
  return arranged;
}

function matching(queues: readonly QueueRates[], filter: string): Uint32Array {
  const all = places(queues.length);
  const wanted = filter.trim().toLowerCase();
  if (wanted === "") return all;
  return all.filter((place) => searched(queues[place]).includes(wanted));
}

let counted = new Uint32Array(0);

/** 0, 1, 2 …: the same array for as long as there are so many, since it is wanted at every report. */
function places(count: number): Uint32Array {
  if (counted.length !== count) counted = Uint32Array.from({ length: count }, (_, place) => place);
  return counted;
}

/** What the filter looks in. */
function searched({ target, device, queue, verdict }: QueueRates): string {
  return `${target} ${deviceTypeText(device)} ${queue.name} ${verdict ?? ""}`.toLowerCase();
}

type Measure = (queue: QueueRates) => number;

const WELL = VERDICTS.indexOf("moving");
const severity: Measure = ({ verdict }) =>
  isStuckVerdict(verdict) ? WELL - VERDICTS.indexOf(verdict as Verdict) : 0;
const oldest: Measure = (queue) => queue.oldest ?? 0;
const inFlight: Measure = ({ indices }) => indices?.inFlight ?? 0;
/** Too fast to be counted is faster than anything that was. */
const busy: Measure = ({ usedRate }) => usedRate ?? Number.MAX_VALUE;

/** What counts first, and what where that is the same. Nothing is 0. */
const MEASURES: Readonly<Record<Exclude<Order, "by name">, readonly [Measure, Measure]>> = {
  "worst": [severity, oldest],
  "busiest": [busy, inFlight],
  "in flight": [inFlight, oldest],
  "oldest": [oldest, inFlight],
};
