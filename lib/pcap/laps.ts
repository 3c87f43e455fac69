/**
 * Whether a ring may have come round unseen between two looks at it: the rule by which `watch` marks
 * gaps (`../watch/sampler.ts`), for one stretch at a time and not for a report.
 *
 * ```text
 * looks      ||        ||          ||        short stretches, in which a poll works, and pauses
 * movement   2    5    3     ?     2         the short ones give the rate; M comes round
 * ```
 *
 * A stretch is believed where the position was seen to move less than M/2, where the rate carries it
 * less than M/2, and where few stretches of late moved so far: a ring that laps is seen all over.
 *
 * @module
 */
import { positionModulus } from "../ring/positions.ts";
import type { Ring, RingPositions } from "../ring/snapshot.ts";

/** Part of M that a position may move in a stretch, by its rate and as it is seen. */
const BELIEVED = 1 / 2;
/** Part of the stretches that may be seen to have moved too far; with more of them none is believed. */
const DOUBT = 1 / 8;
/** What counts of the stretches before, at each one: some sixty are remembered. */
const MEMORY = 63 / 64;

/** Follows one position that is a counter modulo M. */
export class Laps {
  #before: { readonly position: number; readonly time: number } | null = null;
  #elapsed = Infinity;
  #moved = 0;
  #short = 0;
  #far = 0;
  #count = 0;

  constructor(readonly modulus: number) {}

  /** Takes a look made at `time` in milliseconds; whether a lap may have passed since the one before. */
  look(position: number, time: number): boolean {
    const before = this.#before;
    this.#before = { position, time };
    if (before === null) return false;
    const elapsed = Math.max(0, time - before.time);
    const moved = (position - before.position + this.modulus) % this.modulus;
    const limit = this.modulus * BELIEVED;
    this.#remember(moved, elapsed, moved >= limit);
    const rate = this.#short > 0 ? this.#moved / this.#short : 0;
    return moved >= limit || rate * elapsed >= limit || this.#far > this.#count * DOUBT;
  }

  #remember(moved: number, elapsed: number, far: boolean): void {
    const short = elapsed > 0 && elapsed < this.#elapsed;
    if (elapsed > 0) this.#elapsed = elapsed;
    this.#moved = this.#moved * MEMORY + (short ? moved : 0);
    this.#short = this.#short * MEMORY + (short ? elapsed : 0);
    this.#far = this.#far * MEMORY + (far ? 1 : 0);
    this.#count = this.#count * MEMORY + 1;
  }
}

/** Looks at the side of a ring that packets come from: whether a lap may have passed since last time. */
export function lapWatch(
  ring: Ring,
  { role, clock = () => performance.now() }: {
    readonly role: "rx" | "tx";
    readonly clock?: () => number;
  },
): () => boolean {
  const laps = new Laps(positionModulus(ring.config));
  const at: RingPositions = { available: 0, used: 0, inFlight: 0, exact: true };
  return () => ring.positions(at) && laps.look(role === "tx" ? at.available : at.used, clock());
}
