/**
 * Where a walk over a packed ring starts: at the device's position, which the ring does not say.
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
import {
  availBit,
  driverAfter,
  driverPosition,
  outstanding,
  positionBefore,
  slotsBetween,
  usedBit,
} from "./packed_position.ts";
import { DESC_F } from "./spec.ts";

/** Both ends of what is with the device. */
export interface PackedSpan {
  readonly available: RingPosition;
  readonly used: RingPosition;
  /**
   * Whether `used` is known, not guessed: it was told, nothing is outstanding, or nothing was ever
   * used. Else it may be off by as much as the list that was used last, whose length no one tells.
   */
  readonly exact: boolean;
}

/** Both positions, as told or derived from the flags of a private copy. */
export function packedSpan(words: Uint32Array, config: RingConfig): PackedSpan {
  const { size, start } = config;
  if (start !== undefined) return spanFrom(words, config, driverAfter(words, start, size));
  const { posting, ...available } = driverPosition(words, size);
  const run = outstanding(words, available, size);
  const used = told(words, config, available, run);
  const span = used === null
    ? derivedSpan(words, available, run, size)
    : { available, used, exact: true };
  return posting ? { ...span, exact: false } : span;
}

/**
 * The span of a ring that is walked from `config.start`, where it is given, to `available`. What the
 * device has fetched and not used stands before the start, as far as `config.used` says.
 */
export function spanFrom(
  words: Uint32Array,
  { size, start, used }: RingConfig,
  available: RingPosition,
): PackedSpan {
  const from = start as RingPosition;
  const known = { available, used: from, exact: true };
  if (used === undefined) return known;
  const back = (from.index - used.index + size) % size;
  if (back + slotsBetween(from, available, size) > size) return known;
  return back <= outstanding(words, from, size)
    ? { ...known, used: positionBefore(from, back, size) }
    : known;
}

/**
 * The device's position as it was told earlier, or null where it was not or the ring does not bear
 * it out: it must be among the slots that look available, and what is before it there can only be
 * the rest of one list. Two lists before it mean that the device has moved.
 */
function told(
  words: Uint32Array,
  { size, used }: RingConfig,
  available: RingPosition,
  run: number,
): RingPosition | null {
  if (used === undefined) return null;
  const back = (available.index - used.index + size) % size;
  const slots = back === 0 && run === size ? size : back;
  if (slots > run || !restOfOneList(words, used.index, run - slots, size)) return null;
  return positionBefore(available, slots, size);
}

/** Whether `count` slots before one are the end of a single list: NEXT in all but the last. */
function restOfOneList(words: Uint32Array, slot: number, count: number, size: number): boolean {
  for (let n = 1; n <= count; n++) {
    const flags = words[((slot - n + size) % size) * 4 + 3] >>> 16;
    if (((flags & DESC_F.NEXT) !== 0) === (n === 1)) return false;
  }
  return true;
}

function derivedSpan(
  words: Uint32Array,
  available: RingPosition,
  run: number,
  size: number,
): PackedSpan {
  const first = positionBefore(available, run, size);
  const stale = run === size ? 0 : staleTail(words, first, run, size);
  const used = positionBefore(available, run - stale, size);
  const unused = run < size && used.index === 0 && !written(words, size - 1);
  return { available, used, exact: run === 0 || unused };
}

function withDevice(words: Uint32Array, slot: number): boolean {
  return availBit(words, slot) !== usedBit(words, slot);
}

/**
 * How many slots at the start of the run are left over from the list that was used last. The buffer
 * id of a list stands in its last descriptor, and the device repeats it in the used one before.
 */
function staleTail(words: Uint32Array, first: RingPosition, run: number, size: number): number {
  const before = (first.index - 1 + size) % size;
  if (run === 0 || !wasUsed(words, before)) return 0;
  for (let taken = 0; taken < run; taken++) {
    const tail = words[((first.index + taken) % size) * 4 + 3];
    if (((tail >>> 16) & DESC_F.INDIRECT) !== 0) return 0;
    if (((tail >>> 16) & DESC_F.NEXT) !== 0) continue;
    const sameId = (tail & 0xffff) === (words[before * 4 + 3] & 0xffff);
    return sameId && !oneByOne(words, before, taken, size) ? taken + 1 : 0;
  }
  return 0;
}

/** A driver that has one buffer of one slot in flight at a time repeats the id without a stale tail. */
function oneByOne(words: Uint32Array, used: number, taken: number, size: number): boolean {
  return taken === 0 && wasUsed(words, (used - 1 + size) % size);
}

/** A slot of zeros was never written, although its flags look used. */
function wasUsed(words: Uint32Array, slot: number): boolean {
  return written(words, slot) && !withDevice(words, slot);
}

function written(words: Uint32Array, slot: number): boolean {
  const at = slot * 4;
  return (words[at] | words[at + 1] | words[at + 2] | words[at + 3]) !== 0;
}
