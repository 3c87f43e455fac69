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

/** A position read off the flags. */
export interface DerivedPosition extends RingPosition {
  /** The driver is in the middle of posting a list: where it stands is then the likely, not the sure. */
  readonly posting: boolean;
}

/**
 * The driver's next slot and its wrap counter: the first slot whose AVAIL bit differs from slot 0's;
 * with none, a lap has just ended. `words` has four words a slot.
 *
 * A list's first flags are stored last (2.8.21). Until then its other slots are ahead of the driver:
 *
 * ```text
 * slot   0   1   2   3   4   5   6   7     n: already of the new list, h: its first slot
 *        x   x   h   n   n   .   .   .     the first to differ is h, as it should be
 *        h   n   n   .   .   .   .   .     the first to differ is behind h, which is slot 0
 *        n   n   x   x   x   x   h   n     the list goes over the end of the ring
 * ```
 */
export function driverPosition(words: Uint32Array, size: number): DerivedPosition {
  const first = words[3] & AVAIL;
  const differs = nextSlot(words, 1, size, first ^ AVAIL);
  if (differs === size) return { index: 0, wrap: first === 0, posting: false };
  const again = nextSlot(words, differs, size, first);
  if (again === size) return { index: differs, wrap: first !== 0, posting: false };
  const after = nextSlot(words, again, size, first ^ AVAIL);
  const alone = after === again + 1 && nextSlot(words, after, size, first) === size;
  const overTheEnd = again > differs + 1 && alone;
  const fromZero = !overTheEnd && differs === 1 && after === size;
  const index = fromZero ? 0 : overTheEnd ? again : differs;
  return { index, wrap: (first === 0) === (fromZero || overTheEnd), posting: true };
}

/** The next slot with that AVAIL bit, or the size. */
function nextSlot(words: Uint32Array, from: number, size: number, avail: number): number {
  let slot = from;
  while (slot < size && (words[slot * 4 + 3] & AVAIL) !== avail) slot++;
  return slot;
}

/**
 * How many slots before the driver's position look available in the lap that they are of. A completed
 * list keeps its stale slots after the first, so this is exact only for lists of one slot.
 */
export function outstanding(words: Uint32Array, driver: RingPosition, size: number): number {
  let { index: slot, wrap } = driver;
  for (let run = 0; run < size; run++) {
    if (slot === 0) [slot, wrap] = [size, !wrap];
    slot--;
    if (availBit(words, slot) !== wrap || usedBit(words, slot) === wrap) return run;
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
