/**
 * Where a walk over a packed ring starts.
 *
 * ```text
 * slot   3   4   5   6   7      A completed list of three: the device rewrote slot 3 only, slots 4
 *       AU  A   A   A   .       and 5 are stale although they look available. Slot 6 is the first
 *       id7 →   id7 id2         list that is really with the device.
 * ```
 *
 * @module
 */
import type { RingConfig, RingPosition } from "./config.ts";
import { availBit, derivePositions, usedBit } from "./packed_position.ts";
import { DESC_F } from "./spec.ts";

/** Both ends of what is with the device. */
export interface PackedSpan {
  readonly available: RingPosition;
  readonly used: RingPosition;
  /** Whether `used` is known, not guessed. */
  readonly exact: boolean;
}

/** The span of a ring, from what is known beforehand and what the flags of a private copy say. */
export function packedSpan(words: Uint32Array, config: RingConfig): PackedSpan {
  const { size } = config;
  const { available, used } = derivePositions(words, size);
  const run = distance(used, available, size);
  const hint = config.used ?? config.start;
  const hinted = hint === undefined ? run + 1 : behind(hint.index, available, run, size);
  if (hinted <= run) return { available, used: at(available, hinted, size), exact: true };
  const stale = run === size ? 0 : staleTail(words, used, run, size);
  const exact = stale === 0 && singles(words, used, run, size);
  return { available, used: at(available, run - stale, size), exact };
}

/** Slots from `from` on to `to`. */
function distance(from: RingPosition, to: RingPosition, size: number): number {
  return from.wrap === to.wrap ? to.index - from.index : to.index - from.index + size;
}

/** How many slots a slot lies behind a position; a slot at the position itself is there, or a full lap behind. */
function behind(slot: number, position: RingPosition, run: number, size: number): number {
  const slots = (position.index - slot + size) % size;
  return slots === 0 && run === size ? size : slots;
}

/** The position `slots` before another. */
function at(position: RingPosition, slots: number, size: number): RingPosition {
  const index = (position.index - slots + size) % size;
  return { index, wrap: slots <= position.index ? position.wrap : !position.wrap };
}

/**
 * How many slots at the start of the run are left over from the list that was used last. The buffer
 * id of a list stands in its last descriptor, and the device repeats it in the used one before.
 */
function staleTail(words: Uint32Array, used: RingPosition, run: number, size: number): number {
  const before = (used.index - 1 + size) % size;
  if (run === 0 || !wasUsed(words, before)) return 0;
  for (let taken = 0; taken < run; taken++) {
    const slot = (used.index + taken) % size;
    const tail = words[slot * 4 + 3];
    if (((tail >>> 16) & DESC_F.INDIRECT) !== 0) return 0;
    if (((tail >>> 16) & DESC_F.NEXT) !== 0) continue;
    const sameId = (tail & 0xffff) === (words[before * 4 + 3] & 0xffff);
    return sameId && !oneByOne(words, before, taken, size) ? taken + 1 : 0;
  }
  return 0;
}

/** A driver that has one buffer of one slot in flight at a time repeats the id without a stale tail. */
function oneByOne(words: Uint32Array, used: number, taken: number, size: number): boolean {
  const earlier = (used - 1 + size) % size;
  return taken === 0 && wasUsed(words, earlier);
}

/** A slot of zeros was never written, although its flags look used. */
function wasUsed(words: Uint32Array, slot: number): boolean {
  const at = slot * 4;
  const written = (words[at] | words[at + 1] | words[at + 2] | words[at + 3]) !== 0;
  return written && availBit(words, slot) === usedBit(words, slot);
}

/** Whether every slot of the run is a list of its own: then nothing can be stale. */
function singles(words: Uint32Array, used: RingPosition, run: number, size: number): boolean {
  for (let n = 0; n < run; n++) {
    const slot = (used.index + n) % size;
    if (((words[slot * 4 + 3] >>> 16) & DESC_F.NEXT) !== 0) return false;
  }
  return true;
}
