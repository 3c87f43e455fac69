/**
 * What a report says of how a ring moves.
 *
 * @module
 */
import type { RingIndices } from "../ring/snapshot.ts";

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
  /** Some of the time was too long to count in: see `sampler.ts`. */
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

/** Null where no time is known. */
export function perSecond(count: number, milliseconds: number): number | null {
  return milliseconds > 0 ? count * 1000 / milliseconds : null;
}

/** Rates to be filled again and again: with thousands of rings new ones each time are a burden. */
export type RatesToFill = { -readonly [Name in keyof RingRates]: RingRates[Name] };

/** Before the first report. */
export function noRates(): RatesToFill {
  return {
    elapsed: 0,
    samples: 0,
    indices: null,
    availableRate: null,
    usedRate: null,
    usedAverage: null,
    inFlightWorst: 0,
    gap: false,
    waiting: 0,
    oldest: null,
  };
}
