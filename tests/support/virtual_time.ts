/**
 * Time that passes only where somebody waits for it: a clock that begins at a given moment, and timers
 * that fire in the order in which they are due, at once. What is timed with it comes out the same on
 * every machine.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Sys } from "../../ffi/sys.ts";

interface Timer {
  readonly due: number;
  readonly fire: () => void;
}

/** The runtime's own, which come back when the virtual time is over. */
type Clock = Pick<typeof globalThis, "setTimeout" | "clearTimeout">;

/** Milliseconds that a look at the clock takes: who waits for a time by looking gets there. */
const LOOK = 0.001;

/**
 * Replaces `Date.now`, `performance.now`, `setTimeout`, `clearTimeout` and the naps of `sys` until
 * disposed. The clock starts at `epoch`, milliseconds since 1970; `performance.now()` starts at 0.
 */
export function virtualTime(epoch: number, sys: Pick<Sys, "nap">): Disposable {
  const real: Clock = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  const [dateNow, performanceNow, nap] = [Date.now, performance.now, sys.nap];
  const timers = new Map<number, Timer>();
  let [now, last] = [0, 0];
  const fireNext = () => {
    const next = [...timers].reduce<[number, Timer] | null>(
      (first, one) => first === null || one[1].due < first[1].due ? one : first,
      null,
    );
    if (next === null) return;
    timers.delete(next[0]);
    now = Math.max(now, next[1].due);
    next[1].fire();
  };
  const setTimeout = (run: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) => {
    timers.set(++last, { due: now + Math.max(0, delay), fire: () => run(...args) });
    setImmediate(fireNext);
    return last;
  };
  const clearTimeout = (id?: number) => void timers.delete(id ?? 0);
  Object.assign(globalThis, { setTimeout, clearTimeout });
  Object.assign(Date, { now: () => epoch + Math.floor(now) });
  Object.assign(performance, { now: () => now += LOOK });
  Object.assign(sys, { nap: (microseconds: number) => void (now += microseconds / 1000) });
  return {
    [Symbol.dispose]() {
      Object.assign(globalThis, real);
      Object.assign(Date, { now: dateNow });
      Object.assign(performance, { now: performanceNow });
      Object.assign(sys, { nap });
    },
  };
}
