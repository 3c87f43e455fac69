/**
 * From readings of a ring's indices to rates. Pure: the caller reads the ring and the clock.
 *
 * An index is a counter modulo M: 65536 for split rings, twice the size for packed ones (a slot and
 * a wrap counter). Between two readings only its movement modulo M is seen:
 *
 * ```text
 * readings   |  |            |  |            |  |          short and long times in turn
 * movement    3       9       2      11       3            17 per two: believed where M is 128
 * ```
 *
 * A steady ring can lap between all readings of one distance and seem to stand still; it can not at
 * two distances. So the times between readings alternate; the short ones give a rate, and a time is
 * believed only where that rate could not have carried the index M/2 far, and where it was not seen
 * to move so far. What is not believed is a gap: it counts neither as movement nor as time, and where
 * it is most of a report there is no rate.
 *
 * @module
 */
import type { RingConfig } from "../ring/config.ts";
import type { RingIndices, RingSide } from "../ring/snapshot.ts";
import { createAgeTracker } from "./age.ts";

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

/** Follows one ring. */
export interface RingSampler {
  /** Takes a reading made at `now`, in milliseconds of a steady clock. */
  observe(indices: RingIndices | null, now: number): void;
  /** What happened since the last report, and a new start. */
  report(now: number): RingRates;
  /** Milliseconds between two readings that this ring wants now; Infinity where it stands still. */
  pace(): number;
}

/** Between two readings. */
interface Span {
  /** Milliseconds. */
  readonly elapsed: number;
  /** Movements modulo M. */
  readonly available: number;
  readonly used: number;
}

/** Of one report's time. */
interface Window {
  start: number;
  samples: number;
  worst: number;
  spans: Span[];
  /** Of the spans shorter than the one before: how far the faster side moved, and in how long. */
  short: { moved: number; elapsed: number };
}

/** The last reading. */
interface Last {
  readonly indices: RingIndices;
  readonly time: number;
  /** Milliseconds since the one before. */
  readonly elapsed: number;
}

/** Part of M that a ring should move at most between two readings. */
const STRIDE = 1 / 8;

/** A sampler for rings of this format and size. */
export function createSampler(config: RingConfig): RingSampler {
  const modulus = config.format === "split" ? 1 << 16 : config.size * 2;
  const total = { used: 0, counted: 0 };
  let window = emptyWindow(NaN);
  let last: Last | null = null;
  let current: RingIndices | null = null;
  let usedMoved = NaN;
  const age = createAgeTracker();
  /** Slots per millisecond, by the short times of this report's time or of the one before. */
  let rate = 0;

  const moved = (from: RingSide, to: RingSide) =>
    (position(to, config) - position(from, config) + modulus) % modulus;

  const step = (indices: RingIndices, now: number, before: Last): boolean => {
    const elapsed = now - before.time;
    const available = moved(before.indices.available, indices.available);
    const used = moved(before.indices.used, indices.used);
    if (elapsed <= 0) return used === 0;
    const span = { elapsed, available, used };
    window.spans.push(span);
    if (believed(span)) age.step(available, used, now);
    else age.start(indices.inFlight, now);
    if (elapsed < before.elapsed) {
      window.short.moved += Math.max(available, used);
      window.short.elapsed += elapsed;
    }
    return used === 0 && indices.inFlight > 0 && before.indices.inFlight > 0;
  };

  const refreshRate = () => {
    const { moved, elapsed } = window.short;
    if (elapsed > 0) rate = moved / elapsed;
  };

  const believed = ({ elapsed, available, used }: Span) =>
    Math.max(available, used, rate * elapsed) < modulus / 2;

  const waiting = (now: number) =>
    current !== null && current.inFlight > 0 ? Math.max(0, now - usedMoved) : 0;

  return {
    observe(indices, now) {
      if (Number.isNaN(window.start)) window.start = now;
      current = indices;
      window.samples++;
      const still = indices !== null && last !== null && step(indices, now, last);
      if (!still) usedMoved = now;
      window.worst = Math.max(window.worst, indices?.inFlight ?? 0);
      if (indices !== null && last === null) age.start(indices.inFlight, now);
      const elapsed = last === null ? 0 : now - last.time;
      last = indices === null ? null : { indices, time: now, elapsed };
    },
    report(now) {
      refreshRate();
      const { start, samples, worst, spans } = window;
      const sure = sum(spans.filter(believed));
      const all = sum(spans);
      total.used += sure.used;
      total.counted += sure.elapsed;
      window = emptyWindow(now);
      const known = sure.elapsed > all.elapsed / 2 ? sure.elapsed : 0;
      return {
        elapsed: Number.isNaN(start) ? 0 : now - start,
        samples,
        indices: current,
        availableRate: perSecond(sure.available, known),
        usedRate: perSecond(sure.used, known),
        usedAverage: perSecond(total.used, total.counted),
        inFlightWorst: worst,
        gap: sure.elapsed < all.elapsed,
        waiting: waiting(now),
        oldest: current === null ? null : current.exact ? age.oldest(now) : waiting(now),
      };
    },
    pace() {
      refreshRate();
      return rate === 0 ? Infinity : modulus * STRIDE / rate;
    },
  };
}

function emptyWindow(start: number): Window {
  return { start, samples: 0, worst: 0, spans: [], short: { moved: 0, elapsed: 0 } };
}

function sum(spans: readonly Span[]): Span {
  let [elapsed, available, used] = [0, 0, 0];
  for (const span of spans) {
    elapsed += span.elapsed;
    available += span.available;
    used += span.used;
  }
  return { elapsed, available, used };
}

/** Position modulo M. A packed ring's first lap has its wrap counter set: virtio 1.4, 2.8.1. */
function position(side: RingSide, config: RingConfig): number {
  if (config.format === "split") return side.index;
  return side.wrap === false ? side.index + config.size : side.index;
}

function perSecond(count: number, milliseconds: number): number | null {
  return milliseconds > 0 ? count * 1000 / milliseconds : null;
}
