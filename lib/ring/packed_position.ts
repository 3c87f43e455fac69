/**
 * What a packed ring's flags say about positions: it has no index in memory (virtio 1.4, 2.8.1).
 *
 * ```text
 * slot   0   1   2   3   4   5   6   7      A: AVAIL bit, U: USED bit
 *       AU  AU  A   A   A   .   .   .       lap of wrap 1 so far: the driver is at 5, the first slot
 *       used    with the device  previous        whose A differs from slot 0's; 3 are outstanding
 * ```
 *
 * @module
 */
import type { RingPosition } from "./config.ts";
import { DESC_F } from "./spec.ts";

const AVAIL = DESC_F.AVAIL << 16;

/**
 * The driver's next slot and its wrap counter: the first slot whose AVAIL bit differs from slot 0's;
 * with none, a lap has just ended. `words` has four words a slot.
 */
export function driverPosition(words: Uint32Array, size: number): RingPosition {
  const first = words[3] & AVAIL;
  for (let slot = 1; slot < size; slot++) {
    if ((words[slot * 4 + 3] & AVAIL) !== first) return { index: slot, wrap: first !== 0 };
  }
  return { index: 0, wrap: first === 0 };
}

/**
 * How many slots before the driver's position look available: AVAIL and USED differ. A completed
 * list keeps its stale slots after the first, so this is exact only for lists of one slot.
 */
export function outstanding(words: Uint32Array, driver: RingPosition, size: number): number {
  let slot = driver.index;
  for (let run = 0; run < size; run++) {
    slot = slot === 0 ? size - 1 : slot - 1;
    if (availBit(words, slot) === usedBit(words, slot)) return run;
  }
  return size;
}

/** The driver's position where the device's is known: after all slots from there on that are available. */
export function driverAfter(words: Uint32Array, used: RingPosition, size: number): RingPosition {
  let { index, wrap } = used;
  for (let left = size; left > 0; left--) {
    if (availBit(words, index) !== wrap || usedBit(words, index) === wrap) break;
    if (++index < size) continue;
    [index, wrap] = [0, !wrap];
  }
  return { index, wrap };
}

/** The position `slots` (at most the size) before another. */
export function positionBefore(position: RingPosition, slots: number, size: number): RingPosition {
  const index = (position.index - slots + size) % size;
  return { index, wrap: slots <= position.index ? position.wrap : !position.wrap };
}

/** Slots from one position on to a later one; 0 where they are the same. */
export function slotsBetween(from: RingPosition, to: RingPosition, size: number): number {
  return to.index - from.index + (from.wrap === to.wrap ? 0 : size);
}

/** AVAIL bit of a slot. */
export function availBit(words: Uint32Array, slot: number): boolean {
  return ((words[slot * 4 + 3] >>> 16) & DESC_F.AVAIL) !== 0;
}

/** USED bit of a slot. */
export function usedBit(words: Uint32Array, slot: number): boolean {
  return ((words[slot * 4 + 3] >>> 16) & DESC_F.USED) !== 0;
}
