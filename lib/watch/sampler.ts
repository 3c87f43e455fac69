/**
 * From readings of a ring's positions to rates. Pure: the caller reads the ring and the clock.
 *
 * A position is a counter modulo M: 65536 for split rings, twice the size for packed ones (a slot and
 * a wrap counter). Between two readings only its movement modulo M is seen:
 *
 * ```text
 * readings   |  |            |    |            | |           short and long times in turn
 * movement    3       9       5      11       2              the short ones: 3 in 3, 5 in 5, 2 in 2
 * ```
 *
 * A steady ring can lap between all readings of one distance and seem to stand still; it can not at
 * distances that all differ (`distance.ts`). The short ones give a rate, and a time is believed only
 * where that rate carries a position less than M/2 in it, and where it was not seen to move so far.
 * Where it often was, nothing is believed: a ring that laps is seen all over its range. What is not
 * believed is a gap: it counts neither as movement nor as time, and where it is most of a report there
 * is no rate.
 *
 * What no sampling can tell: a burst that takes a position round by whole laps between two readings,
 * of a ring that all other readings show as slow.
 *
 * @module
 */
import type { RingConfig } from "../ring/config.ts";
import { positionModulus } from "../ring/positions.ts";
import type { RingIndices, RingPositions } from "../ring/snapshot.ts";
import { AgeTracker } from "./age.ts";

/** What happened to a ring between two reports. */
export interface RingRates {
  /** Milliseconds that the report covers. */
  readonly elapsed: number;
  /** Readings in it. */
  readonly samples: number;
  /** The last reading; null where the ring could not be read. */
  readonly indices: RingIndices | null;
  /** Buffers (split) or slots (packed) made available per second; null where most of the time is a gap. */
  readonly availableRate: number | null;
  /** The same, used. */
  readonly usedRate: number | null;
  /** {@linkcode usedRate} since the first reading, without the gaps; null where nothing is known. */
  readonly usedAverage: number | null;
  /** Most that were with the device at a reading. */
  readonly inFlightWorst: number;
  /** Some of the time was too long to count in: see the module's text. */
  readonly gap: boolean;
  /** Milliseconds since the device last used a buffer, while at least one was with it; else 0. */
  readonly waiting: number;
  /**
   * Milliseconds that the oldest request has been with the device, at least; 0 where there is none,
   * null where the ring could not be read. A lower bound: exact to the time between two readings
   * where the device works in order. Where a packed ring's device position is a guess (`exact` is
   * false) it is {@linkcode waiting}. After a gap the count starts anew.
   */
  readonly oldest: number | null;
}

/** Part of M that a ring should move at most between two readings. */
const STRIDE = 1 / 8;
/** Part of M that it may move, by its rate and as it is seen, to be believed. */
const BELIEVED = 1 / 2;
/** Part of the readings that may be seen to have moved too far; with more of them none is believed. */
const DOUBT = 1 / 8;
/** How much rate and doubt of the report before count: what lapped then is not believed at once. */
const MEMORY = 1 / 2;

/**
 * Times between readings are sorted by length, so that a report judges all of one kind by the longest
 * among them: class n holds [2^n, 2^(n+1)) sixteenths of a millisecond.
 */
const CLASSES = 16;
const PER_MILLISECOND = 16;
/** Numbers that each class holds. */
const [TIME, AVAILABLE, USED, LONGEST, FIELDS] = [0, 1, 2, 3, 4];

/** Follows one ring. Taking a reading allocates nothing. */
export class RingSampler {
  readonly #modulus: number;
  readonly #age = new AgeTracker();
  /** {@linkcode FIELDS} numbers per class. */
  readonly #spans = new Float64Array(CLASSES * FIELDS);

  // The last reading.
  #known = false;
  #available = 0;
  #used = 0;
  #inFlight = 0;
  #exact = true;
  #time = NaN;
  /** Milliseconds since the one before. */
  #elapsed = 0;
  /** When the used position was last seen to move, or nothing was with the device. */
  #usedMoved = NaN;

  // Of this report's time.
  #start = NaN;
  #samples = 0;
  #worst = 0;
  /** All of the time between readings, believed or not. */
  #all = 0;
  /** Times between readings, and those in which a position was seen to move too far. */
  #count = 0;
  #far = 0;
  /** Of the times shorter than the one before: how far the faster side moved, and in how long. */
  #shortMoved = 0;
  #shortElapsed = 0;

  /** Positions per millisecond, by the short times of the report before; and its part of `#far`. */
  #rateBefore = 0;
  #doubtBefore = 0;
  #totalUsed = 0;
  #totalTime = 0;

  constructor(config: RingConfig) {
    this.#modulus = positionModulus(config);
  }

  /** Takes a reading made at `now`, in milliseconds of a steady clock; null where there was none. */
  observe(positions: RingPositions | null, now: number): void {
    if (this.#samples++ === 0 && Number.isNaN(this.#start)) this.#start = now;
    if (positions === null) {
      this.#known = false;
      this.#usedMoved = now;
      this.#inFlight = 0;
      return;
    }
    const { available, used, inFlight } = positions;
    if (this.#known) this.#step(available, used, inFlight, Math.max(0, now - this.#time));
    else this.#begin(inFlight, now);
    if (inFlight > this.#worst) this.#worst = inFlight;
    this.#available = available;
    this.#used = used;
    this.#inFlight = inFlight;
    this.#exact = positions.exact;
    this.#time = now;
  }

  /** What happened since the last report, and a new start. `indices` are those of the last reading. */
  report(now: number, indices: RingIndices | null): RingRates {
    const rate = this.#rate();
    const doubtful = this.#doubt() > DOUBT;
    const limit = doubtful ? -1 : this.#modulus * BELIEVED;
    let [time, available, used] = [0, 0, 0];
    const spans = this.#spans;
    for (let at = 0; at < spans.length; at += FIELDS) {
      if (
        spans[at + TIME] === 0 && spans[at + LONGEST] === 0 || rate * spans[at + LONGEST] >= limit
      ) {
        continue;
      }
      time += spans[at + TIME];
      available += spans[at + AVAILABLE];
      used += spans[at + USED];
    }
    this.#totalUsed += used;
    this.#totalTime += time;
    const known = time > this.#all / 2 ? time : 0;
    const rates = {
      elapsed: Number.isNaN(this.#start) ? 0 : now - this.#start,
      samples: this.#samples,
      indices,
      availableRate: perSecond(available, known),
      usedRate: perSecond(used, known),
      usedAverage: perSecond(this.#totalUsed, this.#totalTime),
      inFlightWorst: this.#worst,
      gap: this.#far > 0 || doubtful || time < this.#all * (1 - 1e-9),
      waiting: this.#waiting(now),
      oldest: !this.#known ? null : this.#exact ? this.#age.oldest(now) : this.#waiting(now),
    };
    this.#restart(now);
    return rates;
  }

  /** Milliseconds between two readings that this ring wants now; Infinity where it stands still. */
  pace(): number {
    const rate = this.#rate();
    return rate === 0 ? Infinity : this.#modulus * STRIDE / rate;
  }

  #begin(inFlight: number, now: number): void {
    this.#known = true;
    this.#elapsed = 0;
    this.#usedMoved = now;
    this.#age.start(inFlight, now);
  }

  #step(available: number, used: number, inFlight: number, elapsed: number): void {
    const modulus = this.#modulus;
    const now = this.#time + elapsed;
    const made = available - this.#available;
    const done = used - this.#used;
    const madeCount = made < 0 ? made + modulus : made;
    const doneCount = done < 0 ? done + modulus : done;
    const fastest = Math.max(madeCount, doneCount);
    this.#all += elapsed;
    this.#count++;
    if (elapsed > 0 && elapsed < this.#elapsed) {
      this.#shortMoved += fastest;
      this.#shortElapsed += elapsed;
    }
    // Readings at one look at the clock have no time between them.
    if (elapsed > 0) this.#elapsed = elapsed;
    if (doneCount > 0 || inFlight === 0 || this.#inFlight === 0) this.#usedMoved = now;
    if (fastest >= modulus * BELIEVED) this.#far++;
    else this.#sort(elapsed, madeCount, doneCount);
    const counts = fastest < modulus * BELIEVED && this.#rate() * elapsed < modulus * BELIEVED;
    if (counts) this.#age.step(madeCount, doneCount, now);
    else this.#age.start(inFlight, now);
  }

  #sort(elapsed: number, available: number, used: number): void {
    const sixteenths = Math.min(elapsed * PER_MILLISECOND, 1 << 30);
    const at = Math.min(CLASSES - 1, Math.max(0, 31 - Math.clz32(sixteenths))) * FIELDS;
    const spans = this.#spans;
    spans[at + TIME] += elapsed;
    spans[at + AVAILABLE] += available;
    spans[at + USED] += used;
    if (elapsed > spans[at + LONGEST]) spans[at + LONGEST] = elapsed;
  }

  #rate(): number {
    const before = this.#rateBefore * MEMORY;
    return this.#shortElapsed > 0
      ? Math.max(before, this.#shortMoved / this.#shortElapsed)
      : before;
  }

  #doubt(): number {
    const before = this.#doubtBefore * MEMORY;
    return this.#count > 0 ? Math.max(before, this.#far / this.#count) : before;
  }

  #waiting(now: number): number {
    return this.#known && this.#inFlight > 0 ? Math.max(0, now - this.#usedMoved) : 0;
  }

  #restart(now: number): void {
    if (this.#shortElapsed > 0) this.#rateBefore = this.#shortMoved / this.#shortElapsed;
    this.#doubtBefore = this.#doubt();
    this.#spans.fill(0);
    this.#start = now;
    this.#samples = this.#worst = 0;
    this.#all = this.#count = this.#far = 0;
    this.#shortMoved = this.#shortElapsed = 0;
  }
}

function perSecond(count: number, milliseconds: number): number | null {
  return milliseconds > 0 ? count * 1000 / milliseconds : null;
}
