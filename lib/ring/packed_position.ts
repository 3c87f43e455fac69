/**
 * Where a packed ring's two sides stand, derived from its descriptors' flags: a packed ring has no
 * index in memory (virtio 1.4, 2.8.1).
 *
 * ```text
 * slot   0   1   2   3   4   5   6   7      A: AVAIL bit, U: USED bit
 *       AU  AU  A   A   A   .   .   .       lap of wrap 1 so far: p = 5 (first whose A differs from
 *       used    with the device  previous        slot 0's), in flight = slots with A != U
 * ```
 *
 * @module
 */
import type { RingPosition } from "./config.ts";
import { DESC_F } from "./spec.ts";

/** Both positions. */
export interface PackedPositions {
  /** The driver's next slot, and its wrap counter. Exact. */
  readonly available: RingPosition;
  /**
   * The first slot of what is with the device. A completed list keeps its stale slots after the
   * first, so this is exact only where every buffer takes one slot.
   */
  readonly used: RingPosition;
}

/** Reads both positions off a private copy of a descriptor ring, four words an entry. */
export function derivePositions(words: Uint32Array, size: number): PackedPositions {
  const available = driverPosition(words, size);
  let run = 0;
  while (run < size && withDevice(words, before(available, run, size))) run++;
  const start = (available.index - run + size) % size;
  const sameLap = run <= available.index;
  return { available, used: { index: start, wrap: sameLap ? available.wrap : !available.wrap } };
}

/** How many slots before `position` a run of `run` slots has reached, as the next slot to look at. */
function before(position: RingPosition, run: number, size: number): number {
  return (position.index - 1 - run + 2 * size) % size;
}

/** The first slot whose AVAIL bit differs from slot 0's; with none, a lap has just ended. */
function driverPosition(words: Uint32Array, size: number): RingPosition {
  const first = availBit(words, 0);
  for (let slot = 1; slot < size; slot++) {
    if (availBit(words, slot) !== first) return { index: slot, wrap: first };
  }
  return { index: 0, wrap: !first };
}

/** AVAIL and USED differ: made available and not (or not visibly) used. */
function withDevice(words: Uint32Array, slot: number): boolean {
  return availBit(words, slot) !== usedBit(words, slot);
}

/** AVAIL bit of a slot. */
export function availBit(words: Uint32Array, slot: number): boolean {
  return ((words[slot * 4 + 3] >>> 16) & DESC_F.AVAIL) !== 0;
}

/** USED bit of a slot. */
export function usedBit(words: Uint32Array, slot: number): boolean {
  return ((words[slot * 4 + 3] >>> 16) & DESC_F.USED) !== 0;
}

/** Slots from `from` up to `to`, both with their wrap counters; 0 where they are the same. */
export function slotsBetween(from: RingPosition, to: RingPosition, size: number): number {
  const laps = from.wrap === to.wrap ? 0 : size;
  return to.index - from.index + laps;
}
