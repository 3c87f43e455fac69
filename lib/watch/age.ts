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

/** Marks that are kept. Where there are more, every second one goes, never the oldest. */
const MARKS = 16;

/** Ages of one ring's requests. Nothing is allocated after the first request. */
export class AgeTracker {
  /** Place and time of each mark, in turn; made when there is something to mark. */
  #marks: Float64Array | null = null;
  #count = 0;
  #available = 0;
  #used = 0;

  /** Forgets everything; `inFlight` requests are with the device at `now`, in milliseconds. */
  start(inFlight: number, now: number): void {
    this.#available = inFlight;
    this.#used = 0;
    this.#count = 0;
    if (inFlight > 0) this.#mark(now);
  }

  /** The driver made `available` more available and the device used `used` more, as seen at `now`. */
  step(available: number, used: number, now: number): void {
    this.#available += available;
    this.#used += used;
    if (used > 0) this.#pass();
    if (available > 0 && this.#available > this.#used) this.#mark(now);
  }

  /** Milliseconds; 0 where nothing is with the device. */
  oldest(now: number): number {
    return this.#marks === null || this.#count === 0 ? 0 : Math.max(0, now - this.#marks[1]);
  }

  #mark(now: number): void {
    const marks = this.#marks ??= new Float64Array(MARKS * 2);
    if (this.#count === MARKS) this.#count = thin(marks);
    marks[this.#count * 2] = this.#available;
    marks[this.#count * 2 + 1] = now;
    this.#count++;
  }

  #pass(): void {
    const marks = this.#marks;
    if (marks === null) return;
    let passed = 0;
    while (passed < this.#count && marks[passed * 2] <= this.#used) passed++;
    if (passed === 0) return;
    marks.copyWithin(0, passed * 2, this.#count * 2);
    this.#count -= passed;
  }
}

/** Keeps marks 0, 2, 4 …: each that goes makes what lies before it look younger, never older. */
function thin(marks: Float64Array): number {
  for (let kept = 1; kept < MARKS / 2; kept++) {
    marks[kept * 2] = marks[kept * 4];
    marks[kept * 2 + 1] = marks[kept * 4 + 1];
  }
  return MARKS / 2;
}
