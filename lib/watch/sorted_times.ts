/**
 * Times between readings of a ring, sorted by length, so that a report judges all of one length by the
 * longest among them: class n holds [2^n, 2^(n+1)) sixteenths of a millisecond.
 *
 * @module
 */

const CLASSES = 16;
const PER_MILLISECOND = 16;
/** Numbers that each class holds. */
const [TIME, AVAILABLE, USED, LONGEST, FIELDS] = [0, 1, 2, 3, 4];

/** What is believed of a report's time. */
export interface Counted {
  /** Milliseconds. */
  time: number;
  /** Positions that each side moved in it. */
  available: number;
  used: number;
}

/** Adding to it allocates nothing. */
export class SortedTimes {
  readonly #classes = new Float64Array(CLASSES * FIELDS);

  /** Times that are `elapsed` milliseconds together, `longest` at most, and how far both sides moved. */
  add(elapsed: number, longest: number, available: number, used: number): void {
    const sixteenths = Math.min(longest * PER_MILLISECOND, 1 << 30);
    const size = Math.min(CLASSES - 1, Math.max(0, 31 - Math.clz32(sixteenths)));
    const at = size * FIELDS;
    const classes = this.#classes;
    classes[at + TIME] += elapsed;
    classes[at + AVAILABLE] += available;
    classes[at + USED] += used;
    if (longest > classes[at + LONGEST]) classes[at + LONGEST] = longest;
  }

  /** Adds up, into `sum`, the classes in which `rate` a millisecond carries a position below `limit`. */
  believed(rate: number, limit: number, sum: Counted): void {
    sum.time = sum.available = sum.used = 0;
    const classes = this.#classes;
    for (let at = 0; at < classes.length; at += FIELDS) {
      if (rate * classes[at + LONGEST] >= limit) continue;
      sum.time += classes[at + TIME];
      sum.available += classes[at + AVAILABLE];
      sum.used += classes[at + USED];
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#classes.fill(0);
  }
}
