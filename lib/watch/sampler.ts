/**
 * From readings of a ring's indices to rates. Pure: the caller reads the ring and the clock.
 *
 * An index is a counter modulo M: 65536 for split rings, twice the size for packed ones (a slot and
 * a wrap counter). Between two readings only its movement modulo M is seen, so a movement is
 * believed only where M/2 could not have passed: neither did it move that far, nor does the fastest
 * rate seen lately times the time between the two. Otherwise that time is a gap, and no rate is
 * made up for it. Two readings close together (a probe) tell the rate before any gap can hide it.
 *
 * @module
 */
import type { RingConfig } from "../ring/config.ts";
import type { RingIndices, RingSide } from "../ring/snapshot.ts";

/** What happened to a ring between two reports. */
export interface RingRates {
  /** Milliseconds that the report covers. */
  readonly elapsed: number;
  /** Readings in it. */
  readonly samples: number;
  /** The last reading; null where the ring could not be read. */
  readonly indices: RingIndices | null;
  /** Buffers (split) or slots (packed) made available per second; null after a gap. */
  readonly availableRate: number | null;
  /** The same, used. */
  readonly usedRate: number | null;
  /** {@linkcode usedRate} since the first reading, without the gaps; null where nothing is known. */
  readonly usedAverage: number | null;
  /** Most that were with the device at a reading. */
  readonly inFlightWorst: number;
  /** Sampling was too slow to count: see the module's text. */
  readonly gap: boolean;
  /** Milliseconds since the device last used a buffer, while at least one was with it; else 0. */
  readonly waiting: number;
}

/** Follows one ring. */
export interface RingSampler {
  /** Takes a reading made at `now`, in milliseconds of a steady clock. */
  observe(indices: RingIndices | null, now: number): void;
  /** What happened since the last report, and a new start. */
  report(now: number): RingRates;
}

interface Side {
  /** Position at the last reading, modulo M. */
  position: number;
  /** Moved in this report's time. */
  moved: number;
  /** Fastest rate of this report's time and of the one before, per millisecond. */
  peak: number;
  lastPeak: number;
}

/** Shortest time between two readings that gives a rate worth believing, in milliseconds. */
const SHORTEST = 0.02;

/** A sampler for rings of this format and size. */
export function createSampler(config: RingConfig): RingSampler {
  const modulus = config.format === "split" ? 1 << 16 : config.size * 2;
  const available = side();
  const used = side();
  let last: { indices: RingIndices; time: number } | null = null;
  let current: RingIndices | null = null;
  let window = { start: NaN, samples: 0, worst: 0, gap: false, counted: 0 };
  const total = { used: 0, counted: 0 };
  let usedMoved = NaN;

  /** Counts what moved since the last reading; false where that can not be known. */
  const count = (indices: RingIndices, elapsed: number): boolean => {
    const moves = [
      movement(available, position(indices.available, config), elapsed, modulus),
      movement(used, position(indices.used, config), elapsed, modulus),
    ];
    if (moves.includes(null)) return false;
    available.moved += moves[0] as number;
    used.moved += moves[1] as number;
    window.counted += elapsed;
    return true;
  };

  const advance = (indices: RingIndices, now: number) => {
    const before = used.moved;
    let still = false;
    if (last === null) {
      available.position = position(indices.available, config);
      used.position = position(indices.used, config);
    } else if (count(indices, now - last.time)) {
      still = indices.inFlight > 0 && last.indices.inFlight > 0 && used.moved === before;
    } else window.gap = true;
    if (!still) usedMoved = now;
    last = { indices, time: now };
  };

  return {
    observe(indices, now) {
      if (Number.isNaN(window.start)) window.start = now;
      current = indices;
      window.samples++;
      if (indices === null) {
        last = null;
        return;
      }
      advance(indices, now);
      window.worst = Math.max(window.worst, indices.inFlight);
    },
    report(now) {
      total.used += used.moved;
      total.counted += window.counted;
      const rates: RingRates = {
        elapsed: Number.isNaN(window.start) ? 0 : now - window.start,
        samples: window.samples,
        indices: current,
        availableRate: window.gap ? null : perSecond(available.moved, window.counted),
        usedRate: window.gap ? null : perSecond(used.moved, window.counted),
        usedAverage: perSecond(total.used, total.counted),
        inFlightWorst: window.worst,
        gap: window.gap,
        waiting: current !== null && current.inFlight > 0 ? Math.max(0, now - usedMoved) : 0,
      };
      window = { start: now, samples: 0, worst: 0, gap: false, counted: 0 };
      [available, used].forEach(turn);
      return rates;
    },
  };
}

function side(): Side {
  return { position: 0, moved: 0, peak: 0, lastPeak: 0 };
}

/** A new report begins: its rates are its own, the peak of the one before is remembered. */
function turn(side: Side): void {
  side.moved = 0;
  side.lastPeak = side.peak;
  side.peak = 0;
}

/** Position modulo M. A packed ring's first lap has its wrap counter set: virtio 1.4, 2.8.1. */
function position(side: RingSide, config: RingConfig): number {
  if (config.format === "split") return side.index;
  return side.wrap === false ? side.index + config.size : side.index;
}

/** How far a side moved; null where it may have been farther than is seen. */
function movement(side: Side, to: number, elapsed: number, modulus: number): number | null {
  const moved = (to - side.position + modulus) % modulus;
  side.position = to;
  if (elapsed >= SHORTEST) side.peak = Math.max(side.peak, moved / elapsed);
  const fastest = Math.max(side.peak, side.lastPeak);
  return moved >= modulus / 2 || fastest * elapsed >= modulus / 2 ? null : moved;
}

function perSecond(count: number, milliseconds: number): number | null {
  return milliseconds > 0 ? count * 1000 / milliseconds : null;
}
