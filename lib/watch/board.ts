/**
 * All rings under watch, side by side. Most of many rings stand still: those rest, and a round costs
 * each of them a look at two words of guest memory; what it means for them is in the `RoundLog`. A ring
 * that moved is awake, and is observed at each round until a whole report has seen it stand still.
 *
 * ```text
 *        a report in which it stood, `settle`
 *   awake ──────────────────────────────────▶ resting
 *         ◀──────────────────────────────────
 *          it is not where it was, `wake`
 * ```
 *
 * @module
 */
import type { IndexWords, Ring, RingPositions } from "../ring/snapshot.ts";
import { RoundLog } from "./round_log.ts";
import type { RingSampler } from "./sampler.ts";

/** A ring that is read. */
export interface SampledRing {
  readonly ring: Ring;
  readonly sampler: RingSampler;
}

/** Reading the clock costs more than reading a ring: one look serves so many. */
const PER_CLOCK = 16;
/** Milliseconds for which a place in guest memory is taken to be there: see `Ring.indexWords`. */
const LOCATED = 1000;

/** Reads rings. They are named by their places in `rings`. */
export class RingBoard<R extends SampledRing = SampledRing> {
  readonly #log = new RoundLog();
  readonly #positions: RingPositions = { available: 0, used: 0, inFlight: 0, exact: true };
  readonly #found: IndexWords = { words: new Uint16Array(0), available: 0, used: 0 };
  /** Of each ring whether it rests, and where it does. A position has 16 bits in all formats. */
  readonly #rests: Uint8Array;
  readonly #available: Uint16Array;
  readonly #used: Uint16Array;
  /** Where those stand in guest memory; without words, the ring itself is asked. */
  readonly #words: (Uint16Array | null)[];
  readonly #availableAt: Float64Array;
  readonly #usedAt: Float64Array;
  #located = -Infinity;
  #awake: number[];

  constructor(readonly rings: readonly R[]) {
    const count = rings.length;
    this.#rests = new Uint8Array(count);
    this.#available = new Uint16Array(count);
    this.#used = new Uint16Array(count);
    this.#words = new Array(count).fill(null);
    this.#availableAt = new Float64Array(count);
    this.#usedAt = new Float64Array(count);
    this.#awake = Array.from(rings.keys());
  }

  /** Places of the rings that do not rest. */
  get awake(): readonly number[] {
    return this.#awake;
  }

  /** Reads all rings once, at `now` of `performance.now()`. */
  round(now: number): void {
    if (now - this.#located >= LOCATED) this.#locateAll(now);
    this.wakeMoved();
    this.observe(this.#awake, now);
    this.#log.round(now);
  }

  /** Reads some of those that are awake, beside the rounds. */
  observe(places: readonly number[], start: number): void {
    const positions = this.#positions;
    let now = start;
    for (let n = 0; n < places.length; n++) {
      if (n > 0 && n % PER_CLOCK === 0) now = performance.now();
      const { ring, sampler } = this.rings[places[n]];
      sampler.observe(ring.positions(positions) ? positions : null, now);
    }
  }

  /** Wakes the rings that are not where they were. */
  wakeMoved(): void {
    const rests = this.#rests;
    for (let place = 0; place < rests.length; place++) {
      if (rests[place] === 1 && !this.#stands(place)) this.wake(place);
    }
  }

  /** Lets a ring rest no more. What it slept through is made up for. */
  wake(place: number): void {
    if (this.#rests[place] === 0) return;
    this.#rests[place] = 0;
    this.rings[place].sampler.resume();
    this.#awake.push(place);
  }

  /** Ends a report that was made at `now`, with a reading of all rings. Gives the places that rest since. */
  settle(now: number): number[] {
    this.#log.round(now);
    this.#log.report();
    const settled = this.#awake.filter((place) => this.#rest(place));
    if (settled.length > 0) this.#awake = this.#awake.filter((place) => this.#rests[place] === 0);
    return settled;
  }

  /** No more than a hint, so neither order nor races matter: what seems to have moved is read again. */
  #stands(place: number): boolean {
    const words = this.#words[place];
    if (words !== null) {
      return words[this.#usedAt[place]] === this.#used[place] &&
        words[this.#availableAt[place]] === this.#available[place];
    }
    const now = this.#positions;
    return this.rings[place].ring.positions(now) && now.used === this.#used[place] &&
      now.available === this.#available[place];
  }

  #rest(place: number): boolean {
    const { sampler } = this.rings[place];
    if (!sampler.rest(this.#log)) return false;
    if (this.#words[place] === null) this.#locate(place);
    this.#available[place] = sampler.available;
    this.#used[place] = sampler.used;
    this.#rests[place] = 1;
    return true;
  }

  #locateAll(now: number): void {
    this.#located = now;
    for (let place = 0; place < this.#rests.length; place++) {
      if (this.#rests[place] === 1) this.#locate(place);
      else this.#words[place] = null;
    }
  }

  #locate(place: number): void {
    const into = this.#found;
    const found = this.rings[place].ring.indexWords?.(into) ?? false;
    this.#words[place] = found ? into.words : null;
    this.#availableAt[place] = into.available;
    this.#usedAt[place] = into.used;
  }
}
