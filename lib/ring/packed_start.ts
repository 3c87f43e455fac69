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
  driverPosition,
  outstanding,
  positionBefore,
  usedBit,
} from "./packed_position.ts";
import { DESC_F } from "./spec.ts";

/** Both ends of what is with the device. */
export interface PackedSpan {
  readonly available: RingPosition;
  readonly used: RingPosition;
  /** Whether `used` is known, not guessed. */
  readonly exact: boolean;
}

/**
 * The device's position where it is known beforehand: the consumer's own, or one that was asked for
 * earlier and that the ring still bears out. null where it must be derived.
 */
export function knownStart(words: Uint32Array, config: RingConfig): RingPosition | null {
  if (config.start !== undefined) return config.start;
  const slot = config.used?.index;
  if (slot === undefined || !withDevice(words, slot)) return null;
  const onlyStale = staleBefore(words, slot, config.size);
  return onlyStale ? { index: slot, wrap: availBit(words, slot) } : null;
}

/** Both positions, derived from the flags of a private copy. */
export function packedSpan(words: Uint32Array, config: RingConfig): PackedSpan {
  const { size } = config;
  const available = driverPosition(words, size);
  const run = outstanding(words, available, size);
  if (config.used !== undefined && config.used.index === available.index && run < size) {
    // Said to be idle. What looks available before must then be stale: the rest of one list.
    if (staleBefore(words, available.index, size)) {
      return { available, used: available, exact: true };
    }
  }
  const first = positionBefore(available, run, size);
  const stale = run === size ? 0 : staleTail(words, first, run, size);
  const exact = stale === 0 && singles(words, first, run, size);
  return { available, used: positionBefore(available, run - stale, size), exact };
}

/**
 * Whether the slots before one, as far as they look available, are the rest of a single list: then
 * the device may have its position there. Two lists before it mean that it has moved.
 */
function staleBefore(words: Uint32Array, slot: number, size: number): boolean {
  for (let n = 1; n < size; n++) {
    const at = (slot - n + size) % size;
    if (!withDevice(words, at)) return true;
    const next = ((words[at * 4 + 3] >>> 16) & DESC_F.NEXT) !== 0;
    if (next === (n === 1)) return false;
  }
  return false;
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
  const at = slot * 4;
  const written = (words[at] | words[at + 1] | words[at + 2] | words[at + 3]) !== 0;
  return written && !withDevice(words, slot);
}

/** Whether every slot of the run is a list of its own: then nothing can be stale. */
function singles(words: Uint32Array, first: RingPosition, run: number, size: number): boolean {
  for (let n = 0; n < run; n++) {
    const slot = (first.index + n) % size;
    if (((words[slot * 4 + 3] >>> 16) & DESC_F.NEXT) !== 0) return false;
  }
  return true;
}
