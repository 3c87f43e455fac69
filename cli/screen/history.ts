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
  /** The queues, in the order of `rates`. */
  readonly targets: readonly string[];
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
  const { targets, places } = last !== undefined && isSame(last.targets, queues)
    ? last
    : tableOf(queues);
  const rates = new Float32Array(queues.length);
  for (let place = 0; place < rates.length; place++) {
    rates[place] = guest.up ? queues[place].usedRate ?? NaN : NaN;
  }
  return [...history.slice(1 - KEPT), { targets, places, rates }];
}

function isSame(targets: readonly string[], queues: WatchReport["queues"]): boolean {
  if (targets.length !== queues.length) return false;
  for (let place = 0; place < targets.length; place++) {
    if (targets[place] !== queues[place].target) return false;
  }
  return true;
}

function tableOf(queues: WatchReport["queues"]): Pick<Sample, "targets" | "places"> {
  const targets = queues.map(({ target }) => target);
  return { targets, places: new Map(targets.map((target, place) => [target, place])) };
}

/** The last `count` rates of a queue, the oldest first; NaN where there is none. */
export function ratesOf(history: History, target: string, count: number): number[] {
  return history.slice(-count).map(({ places, rates }) => {
    const place = places.get(target);
    return place === undefined ? NaN : rates[place];
  });
}
