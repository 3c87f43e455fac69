/**
 * The used rates of the reports past, for a sparkline per queue. Pure.
 *
 * With thousands of queues a list per queue would be copied at every report; here a report is one
 * array, and all reports of the same queues share one table of who stands where.
 *
 * @module
 */
import type { WatchReport } from "../../lib/watch/follow.ts";

/** The rates of one report. */
export interface Sample {
  /** By target, the place in `rates`. */
  readonly places: ReadonlyMap<string, number>;
  /** Used per second; NaN where it is not known. */
  readonly rates: Float32Array;
}

/** Samples, the oldest first. */
export type History = readonly Sample[];

/** Reports that are kept: as many as the widest sparkline has columns. */
export const KEPT = 60;

/** The history with one report more. */
export function remember(history: History, { guest, queues }: WatchReport): History {
  const last = history.at(-1);
  const same = last !== undefined && last.places.size === queues.length &&
    queues.every(({ target }, place) => last.places.get(target) === place);
  const places = same ? last.places : new Map(queues.map(({ target }, place) => [target, place]));
  const rates = Float32Array.from(
    queues,
    ({ usedRate }) => guest.up && usedRate !== null ? usedRate : NaN,
  );
  return [...history.slice(1 - KEPT), { places, rates }];
}

/** The last `count` rates of a queue, the oldest first; NaN where there is none. */
export function ratesOf(history: History, target: string, count: number): number[] {
  return history.slice(-count).map(({ places, rates }) => {
    const place = places.get(target);
    return place === undefined ? NaN : rates[place];
  });
}
