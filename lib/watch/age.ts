/**
 * How old the oldest request is that a device still holds, from readings of the indices alone.
 *
 * At each reading a mark is made: so far had the driver come, then. The oldest mark that the used
 * index has not passed tells since when something is with the device:
 *
 * ```text
 *         used           marks, and when they were made
 *  ────────┼───────x──────────x────────x──▶ available
 *                 -40 ms    -30 ms   -10 ms         the oldest is 40 ms old, or older
 * ```
 *
 * It is a lower bound. A device that works in order makes it exact to the time between two readings;
 * one that overtakes may hold a request that is older than what the used index says.
 *
 * @module
 */

/** Ages of one ring's requests. */
export interface AgeTracker {
  /** Forgets everything; `inFlight` requests are with the device at `now`, in milliseconds. */
  start(inFlight: number, now: number): void;
  /** The driver made `available` more available and the device used `used` more, as seen at `now`. */
  step(available: number, used: number, now: number): void;
  /** Milliseconds; 0 where nothing is with the device. */
  oldest(now: number): number;
}

/** Marks that are kept. Where there are more, every second one goes, never the oldest. */
const MARKS = 16;

/** A tracker with nothing in it. */
export function createAgeTracker(): AgeTracker {
  const places = new Float64Array(MARKS);
  const times = new Float64Array(MARKS);
  let count = 0;
  let available = 0;
  let used = 0;

  const mark = (now: number) => {
    if (count === MARKS) count = thin(places, times);
    places[count] = available;
    times[count++] = now;
  };

  const pass = () => {
    let passed = 0;
    while (passed < count && places[passed] <= used) passed++;
    if (passed === 0) return;
    places.copyWithin(0, passed, count);
    times.copyWithin(0, passed, count);
    count -= passed;
  };

  return {
    start(inFlight, now) {
      [available, used, count] = [inFlight, 0, 0];
      if (inFlight > 0) mark(now);
    },
    step(more, done, now) {
      available += more;
      used += done;
      if (done > 0) pass();
      if (more > 0 && available > used) mark(now);
    },
    oldest: (now) => count === 0 ? 0 : Math.max(0, now - times[0]),
  };
}

/** Keeps marks 0, 2, 4 …: each that goes makes what lies before it look younger, never older. */
function thin(places: Float64Array, times: Float64Array): number {
  for (let kept = 1; kept < MARKS / 2; kept++) {
    places[kept] = places[kept * 2];
    times[kept] = times[kept * 2];
  }
  return MARKS / 2;
}
