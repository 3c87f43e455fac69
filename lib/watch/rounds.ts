/**
 * When which ring is read. Rings that stand still are read in rounds, as often as a small part of one
 * processor allows; those that move so fast that an index could lap between two rounds have rounds of
 * their own. Times between readings of a ring are short and long in turn, as `sampler.ts` wants them.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import type { Ring, RingPositions } from "../ring/snapshot.ts";
import { distance } from "./distance.ts";
import { restUntil, takeTurns } from "./rest.ts";
import type { RingSampler } from "./sampler.ts";

/** A ring that is read. */
export interface SampledRing {
  readonly ring: Ring;
  readonly sampler: RingSampler;
}

/** How rounds are timed. */
export interface RoundOptions {
  /** Milliseconds between two reports. */
  readonly interval: number;
  /** Read without a pause instead. */
  readonly fast: boolean;
  readonly signal: AbortSignal;
  readonly sys: Pick<Sys, "nap">;
}

/** Rounds in an interval, where they are cheap enough. */
const ROUNDS = 20;
/** Longest time between two rounds, in milliseconds, and where rings are so many that it costs much. */
const LONGEST = 50;
const LONGEST_MANY = 100;
/** Part of one processor that rounds of all rings may take, and those of the fast ones. */
const SHARE = 0.03;
const FAST_SHARE = 0.1;
/** Reading the clock costs more than reading a ring: one look serves so many. */
const PER_CLOCK = 16;
/** Milliseconds without a pause, where nothing else is wanted. */
const STRETCH = 4;

/** Reads rings until it is time for a report. */
export class Rounds {
  readonly #positions: RingPositions = { available: 0, used: 0, inFlight: 0, exact: true };
  readonly #longest: number;
  readonly #hot: SampledRing[] = [];
  #turn = 0;
  #hotTurn = 0;
  #next = 0;
  #hotNext = Infinity;

  constructor(readonly options: RoundOptions) {
    this.#longest = Math.min(LONGEST, options.interval / ROUNDS);
  }

  /** Reads `rings` until `end` of `performance.now()` or the signal. */
  async until(end: number, rings: readonly SampledRing[]): Promise<void> {
    const { signal, sys, fast } = this.options;
    // Where reports take all the time there is no wait, and yet others must have their turn.
    await takeTurns();
    if (fast) return await this.#withoutPause(end, rings);
    while (!signal.aborted) {
      const now = performance.now();
      if (now >= this.#next) this.#round(rings, now);
      if (now >= this.#hotNext) this.#hotRound(now);
      if (performance.now() >= end) return;
      await restUntil(Math.min(end, this.#next, this.#hotNext), signal, sys);
    }
  }

  #round(rings: readonly SampledRing[], now: number): void {
    this.#read(rings, now);
    const cost = performance.now() - now;
    const long = Math.max(this.#longest, Math.min(LONGEST_MANY, cost / SHARE));
    this.#next = now + Math.max(distance(this.#turn++, long), cost / FAST_SHARE);
    this.#hot.length = 0;
    for (const one of rings) if (one.sampler.pace() < long) this.#hot.push(one);
    if (this.#hot.length === 0) this.#hotNext = Infinity;
    else if (this.#hotNext === Infinity) this.#hotNext = now + this.#pace(0);
  }

  #hotRound(now: number): void {
    this.#read(this.#hot, now);
    this.#hotNext = now + this.#pace(performance.now() - now);
  }

  /** Milliseconds until the next round of the fast rings. */
  #pace(cost: number): number {
    let pace = LONGEST;
    for (const { sampler } of this.#hot) pace = Math.min(pace, sampler.pace());
    return Math.max(distance(this.#hotTurn++, pace), cost / FAST_SHARE);
  }

  #read(rings: readonly SampledRing[], start: number): void {
    const positions = this.#positions;
    let now = start;
    for (let n = 0; n < rings.length; n++) {
      if (n > 0 && n % PER_CLOCK === 0) now = performance.now();
      const { ring, sampler } = rings[n];
      sampler.observe(ring.positions(positions) ? positions : null, now);
    }
  }

  async #withoutPause(end: number, rings: readonly SampledRing[]): Promise<void> {
    const times = Math.max(1, Math.floor(PER_CLOCK / rings.length));
    let now = performance.now();
    while (!this.options.signal.aborted) {
      for (const stretch = now + STRETCH; now < stretch && now < end; now = performance.now()) {
        for (let n = 0; n < times; n++) this.#read(rings, now);
      }
      if (now >= end) return;
      await takeTurns();
    }
  }
}
