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
import { noRates, perSecond, type RatesToFill, type RingRates } from "./ring_rates.ts";
import type { RoundLog } from "./round_log.ts";
import { type Counted, SortedTimes } from "./sorted_times.ts";

/** Part of M that a ring should move at most between two readings. */
const STRIDE = 1 / 8;
/** Part of M that it may move, by its rate and as it is seen, to be believed. */
const BELIEVED = 1 / 2;
/** Part of the readings that may be seen to have moved too far; with more of them none is believed. */
const DOUBT = 1 / 8;
/** How much rate and doubt of the report before count: what lapped then is not believed at once. */
const MEMORY = 1 / 2;

/**
 * Everything that is kept of a ring, as numbers side by side: ten thousand rings are read in a
 * millisecond or two only where each takes a few cache lines.
 */
const enum At {
  /** The last reading: positions, what is in flight, when, and how long after the one before. */
  available,
  used,
  inFlight,
  time,
  elapsed,
  /** When the used position was last seen to move, or nothing was with the device. */
  usedMoved,
  /** Of this report's time: its start, readings, most in flight. */
  start,
  samples,
  worst,
  /** All of the time between readings, believed or not; how many there were, how many went too far. */
  all,
  count,
  far,
  /** Of the times shorter than the one before: how far the faster side moved, and in how long. */
  shortMoved,
  shortElapsed,
  /** Of the times without any movement that are not sorted yet: their sum, and the longest. */
  still,
  stillLongest,
  /** Of the report before: positions per millisecond by the short times, and its part of `far`. */
  rateBefore,
  doubtBefore,
  /** Since the first reading, without the gaps. */
  totalUsed,
  totalTime,
  size,
}

/** Follows one ring. Taking a reading allocates nothing. */
export class RingSampler {
  readonly #modulus: number;
  readonly #age = new AgeTracker();
  readonly #at = new Float64Array(At.size);
  /** Made at the first movement, since most of many rings stand still. */
  #times: SortedTimes | null = null;
  #known = false;
  #exact = true;
  /** Something moved in this report's time: else there is nothing sorted. */
  #moved = false;
  /** In the report before nothing did, and that is sure. */
  #stood = false;
  /** Where the ring rests: the rounds in which it stood, and how many reports there were before. */
  #resting: RoundLog | null = null;
  #restedFrom = 0;

  constructor(config: RingConfig) {
    this.#modulus = positionModulus(config);
    this.#at[At.start] = NaN;
  }

  /** Takes a reading made at `now`, in milliseconds of a steady clock; null where there was none. */
  observe(positions: RingPositions | null, now: number): void {
    const at = this.#at;
    if (at[At.samples]++ === 0 && Number.isNaN(at[At.start])) at[At.start] = now;
    if (positions === null) return this.#lose(now);
    const { available, used, inFlight } = positions;
    if (!this.#known) {
      this.#begin(inFlight, now);
    } else {
      const elapsed = Math.max(0, now - at[At.time]);
      this.#pass(elapsed);
      if (available === at[At.available] && used === at[At.used]) this.#stand(elapsed);
      else this.#step(available, used, inFlight, elapsed);
      const idle = inFlight === 0 || at[At.inFlight] === 0;
      if (idle || used !== at[At.used]) at[At.usedMoved] = now;
    }
    if (inFlight > at[At.worst]) at[At.worst] = inFlight;
    at[At.available] = available;
    at[At.used] = used;
    at[At.inFlight] = inFlight;
    at[At.time] = now;
    this.#exact = positions.exact;
  }

  /** What happened since the last report, and a new start. `indices` are those of the last reading. */
  report(
    now: number,
    indices: RingIndices | null,
    into: RatesToFill = noRates(),
  ): RingRates {
    const at = this.#at;
    const doubtful = this.#doubt() > DOUBT;
    const { time, available, used } = this.#believed(doubtful ? -1 : this.#modulus * BELIEVED);
    const all = at[At.all];
    at[At.totalUsed] += used;
    at[At.totalTime] += time;
    const known = time > all / 2 ? time : 0;
    into.elapsed = Number.isNaN(at[At.start]) ? 0 : now - at[At.start];
    into.samples = at[At.samples];
    into.indices = indices;
    into.availableRate = perSecond(available, known);
    into.usedRate = perSecond(used, known);
    into.usedAverage = perSecond(at[At.totalUsed], at[At.totalTime]);
    into.inFlightWorst = at[At.worst];
    into.gap = at[At.far] > 0 || doubtful || time < all * (1 - 1e-9);
    into.waiting = this.waiting(now);
    into.oldest = this.oldest(now);
    this.#stood = !this.#moved && known > 0;
    this.#restart(now);
    return into;
  }

  /**
   * Lets the ring rest from the log's last report on, if nothing moved in that report and nothing is in
   * doubt: as long as it is at each round where it was, it need not be observed. False where it can not
   * rest. `resume` must come before it is observed or reported on again.
   */
  rest(log: RoundLog): boolean {
    const at = this.#at;
    const quiet = this.#known && this.#stood && at[At.rateBefore] === 0;
    if (quiet) [this.#resting, this.#restedFrom] = [log, log.reports];
    return quiet;
  }

  /**
   * As if it had been observed at each round since it rests, and reported on in each report. What doubt
   * there was of it when it came to rest was too small to count.
   */
  resume(): void {
    const log = this.#resting;
    if (log === null) return;
    const at = this.#at;
    const reports = log.reports - this.#restedFrom;
    at[At.totalTime] += this.#restedTime(log);
    at[At.all] = at[At.still] = log.time - (reports > 0 ? log.start : at[At.time]);
    at[At.start] = log.start;
    at[At.samples] = at[At.count] = log.count;
    at[At.worst] = log.count > 0 ? at[At.inFlight] : 0;
    at[At.shortElapsed] = log.short;
    at[At.stillLongest] = log.longest;
    at[At.elapsed] = log.elapsed;
    at[At.time] = log.time;
    this.#resting = null;
  }

  /** The positions that were observed last. */
  get available(): number {
    return this.#at[At.available];
  }

  get used(): number {
    return this.#at[At.used];
  }

  /** What the last report says of all rings that rest; null where this one does not. */
  get resting(): RoundLog["said"] | null {
    return this.#resting === null ? null : this.#resting.said;
  }

  /** {@linkcode RingRates.usedAverage} of a ring that rests, as of the last report. */
  get usedAverage(): number | null {
    const log = this.#resting;
    const rested = log === null ? 0 : this.#restedTime(log);
    return perSecond(this.#at[At.totalUsed], this.#at[At.totalTime] + rested);
  }

  /** {@linkcode RingRates.waiting} */
  waiting(now: number): number {
    const at = this.#at;
    return this.#known && at[At.inFlight] > 0 ? Math.max(0, now - at[At.usedMoved]) : 0;
  }

  /** {@linkcode RingRates.oldest} */
  oldest(now: number): number | null {
    return !this.#known ? null : this.#exact ? this.#age.oldest(now) : this.waiting(now);
  }

  /** Milliseconds between two readings that this ring wants now; Infinity where it stands still. */
  pace(): number {
    const rate = this.#rate();
    return rate === 0 ? Infinity : this.#modulus * STRIDE / rate;
  }

  /** The ring could not be read. */
  #lose(now: number): void {
    this.#known = false;
    this.#at[At.usedMoved] = now;
    this.#at[At.inFlight] = 0;
  }

  #begin(inFlight: number, now: number): void {
    this.#known = true;
    this.#at[At.elapsed] = 0;
    this.#at[At.usedMoved] = now;
    this.#age.start(inFlight, now);
  }

  /** Time passed between two readings. Those at one look at the clock have none between them. */
  #pass(elapsed: number): void {
    const at = this.#at;
    at[At.all] += elapsed;
    at[At.count]++;
    if (elapsed === 0) return;
    if (elapsed < at[At.elapsed]) at[At.shortElapsed] += elapsed;
  }

  /** Nothing moved, as far as can be seen. */
  #stand(elapsed: number): void {
    const at = this.#at;
    at[At.still] += elapsed;
    if (elapsed > at[At.stillLongest]) at[At.stillLongest] = elapsed;
    if (elapsed > 0) at[At.elapsed] = elapsed;
  }

  #step(available: number, used: number, inFlight: number, elapsed: number): void {
    const at = this.#at;
    const modulus = this.#modulus;
    const now = at[At.time] + elapsed;
    this.#moved = true;
    const made = available - at[At.available];
    const done = used - at[At.used];
    const madeCount = made < 0 ? made + modulus : made;
    const doneCount = done < 0 ? done + modulus : done;
    const fastest = Math.max(madeCount, doneCount);
    if (elapsed > 0) {
      if (elapsed < at[At.elapsed]) at[At.shortMoved] += fastest;
      at[At.elapsed] = elapsed;
    }
    if (fastest >= modulus * BELIEVED) at[At.far]++;
    else this.#sort(elapsed, elapsed, madeCount, doneCount);
    const counts = fastest < modulus * BELIEVED && this.#rate() * elapsed < modulus * BELIEVED;
    if (counts) this.#age.step(madeCount, doneCount, now);
    else this.#age.start(inFlight, now);
  }

  #sort(elapsed: number, longest: number, available: number, used: number): void {
    const times = this.#times ??= new SortedTimes();
    times.add(elapsed, longest, available, used);
  }

  /** Time, and movement in it, of the classes in which the rate carries a position less than `limit`. */
  #believed(limit: number): Counted {
    const at = this.#at;
    const rate = this.#rate();
    COUNTED.time = rate * at[At.stillLongest] < limit ? at[At.still] : 0;
    COUNTED.available = COUNTED.used = 0;
    if (!this.#moved) return COUNTED;
    this.#sort(at[At.still], at[At.stillLongest], 0, 0);
    this.#times?.believed(rate, limit, COUNTED);
    return COUNTED;
  }

  #rate(): number {
    const at = this.#at;
    const before = at[At.rateBefore] * MEMORY;
    const short = at[At.shortElapsed];
    return short > 0 ? Math.max(before, at[At.shortMoved] / short) : before;
  }

  #doubt(): number {
    const at = this.#at;
    const before = at[At.doubtBefore] * MEMORY;
    return at[At.count] > 0 ? Math.max(before, at[At.far] / at[At.count]) : before;
  }

  /** Milliseconds of whole reports in which it has rested. */
  #restedTime(log: RoundLog): number {
    return log.reports > this.#restedFrom ? log.start - this.#at[At.time] : 0;
  }

  #restart(now: number): void {
    const at = this.#at;
    if (at[At.shortElapsed] > 0) at[At.rateBefore] = at[At.shortMoved] / at[At.shortElapsed];
    at[At.doubtBefore] = this.#doubt();
    if (this.#moved) this.#times?.clear();
    this.#moved = false;
    at.fill(0, At.samples, At.rateBefore);
    at[At.start] = now;
  }
}

/** One for all: it is read at once. */
const COUNTED: Counted = { time: 0, available: 0, used: 0 };
