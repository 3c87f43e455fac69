/**
 * Waits that end when they should. A timer wakes a millisecond or two late: good enough for a report
 * each second, not for one each millisecond.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Sys } from "../../ffi/sys.ts";

/** What is left to wait after the timer, in milliseconds; shorter waits need no timer. */
const TAIL = 2.5;
/** Waits from here on may be late by as much as a timer is. */
const COARSE = 20;
/** Longest nap: nothing else of this thread runs in it. */
const NAP = 1;
/** Shorter than this is no time to sleep. */
const SHORTEST = 0.06;

/** Waits until `time` of `performance.now()`, or until the signal. Others have their turn meanwhile. */
export async function restUntil(
  time: number,
  signal: AbortSignal,
  sys: Pick<Sys, "nap">,
): Promise<void> {
  const first = time - performance.now();
  if (first > TAIL) await timer(first >= COARSE ? first : first - TAIL, signal);
  for (;;) {
    await takeTurns();
    const left = time - performance.now();
    if (left <= 0 || signal.aborted) return;
    if (left > SHORTEST) sys.nap(Math.min(NAP, left - SHORTEST) * 1000);
  }
}

/** Lets everything that waits for this thread go first. */
export function takeTurns(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function timer(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(id);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const id = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
  });
}
