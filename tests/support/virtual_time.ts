/**
 * Time that passes only where somebody waits for it: a clock that begins at a given moment, and timers
 * that fire in the order in which they are due, at once. What is timed with it comes out the same on
 * every machine.
 *
 * @module
 */
import { setImmediate } from "node:timers";

interface Timer {
  readonly due: number;
  readonly fire: () => void;
}

/** The runtime's own, which come back when the virtual time is over. */
type Clock = Pick<typeof globalThis, "setTimeout" | "clearTimeout">;

/**
 * Replaces `Date.now`, `performance.now`, `setTimeout` and `clearTimeout` until disposed. The clock
 * starts at `epoch`, milliseconds since 1970; `performance.now()` starts at 0.
 */
export function virtualTime(epoch: number): Disposable {
  const real: Clock = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  const [dateNow, performanceNow] = [Date.now, performance.now];
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
  Object.assign(Date, { now: () => epoch + now });
  Object.assign(performance, { now: () => now });
  return {
    [Symbol.dispose]() {
      Object.assign(globalThis, real);
      Object.assign(Date, { now: dateNow });
      Object.assign(performance, { now: performanceNow });
    },
  };
}
