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

/**
 * Places in `report.queues` of the queues that match `filter`, in order. Queues that are alike stay as
 * the guest lists them: rows that change places at every report can not be read.
 */
export function arrange(report: WatchReport, order: Order, filter: string): Uint32Array {
  const { queues } = report;
  const shown = matching(queues, filter);
  if (order === "by name") return shown;
  const [first, second] = order === "worst" ? [severity, stuckFor] : [MEASURE[order], zero];
  const one = Float64Array.from(queues, first);
  const two = Float64Array.from(queues, second);
  return shown.sort((a, b) => one[b] - one[a] || two[b] - two[a] || a - b);
}

function matching(queues: readonly QueueRates[], filter: string): Uint32Array {
  const all = Uint32Array.from(queues, (_, place) => place);
  const wanted = filter.trim().toLowerCase();
  if (wanted === "") return all;
  return all.filter((place) => searched(queues[place]).includes(wanted));
}

/** What the filter looks in. */
function searched({ target, device, queue, verdict }: QueueRates): string {
  return `${target} ${deviceTypeText(device)} ${queue.name} ${verdict ?? ""}`.toLowerCase();
}

const WELL = VERDICTS.indexOf("moving");

function severity({ verdict }: QueueRates): number {
  return isStuckVerdict(verdict) ? WELL - VERDICTS.indexOf(verdict as Verdict) : 0;
}

function stuckFor(queue: QueueRates): number {
  return isStuckVerdict(queue.verdict) ? MEASURE.oldest(queue) : 0;
}

const MEASURE = {
  "busiest": ({ usedRate }: QueueRates) => usedRate ?? Number.MAX_VALUE,
  "in flight": ({ indices }: QueueRates) => indices?.inFlight ?? -1,
  "oldest": ({ oldest }: QueueRates) => oldest ?? -1,
};

function zero(): number {
  return 0;
}
