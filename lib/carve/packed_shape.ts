/**
 * Packed rings by their shape: virtio 1.4, 2.8. Only the descriptor ring can be seen: it starts at a
 * page and is nothing but descriptors. A slot's AVAIL bit is that of the driver's lap, so it changes
 * at most once over the ring:
 *
 * ```text
 * slot   0    1    2    3    4   …  Q-1          first lap: what follows is zeros, up to Q or
 *       AU   AU   A    A    0   …  0              beyond: the size can only be guessed
 *
 * slot   0    1    2    3    4   …  Q-1 | other   later laps: all written, up to Q exactly
 *       .    U    U    AU   AU  …  AU   | memory
 * ```
 *
 * @module
 */
import { DESC_F, MAX_QUEUE_SIZE } from "../ring/spec.ts";
import { bitsOf, counted, type Evidence } from "./evidence.ts";
import { addressAt, type Look } from "./look.ts";

const FLAGS = DESC_F.NEXT | DESC_F.WRITE | DESC_F.INDIRECT | DESC_F.AVAIL | DESC_F.USED;
const PHASE = DESC_F.AVAIL | DESC_F.USED;
/** The size that most devices have, where a ring in its first lap does not tell. */
const USUAL_SIZE = 256;
/** So many buffers with consecutive ids, a power of two of them, are all that the ring holds. */
const FULL = 16;
/** Slots of zeros behind the written ones that a block just allocated has. */
const CLEAN = 32;

/** A page taken for a packed ring. */
export interface PackedShape {
  readonly size: number;
  /** Whether the size shows; else it is the smallest usual one that holds what was written. */
  readonly sizeKnown: boolean;
  readonly descriptor: number;
  /** The descriptor ring as it was read, four words a slot, `size` slots. */
  readonly words: Uint32Array;
  readonly evidence: readonly Evidence[];
  readonly bits: number;
}

/** Slots from the start of the ring on that were written, and what follows. */
interface Extent {
  readonly words: Uint32Array;
  /** Slots that look like descriptors of one ring. */
  readonly written: number;
  /** Slots of zeros behind them. */
  readonly zeros: number;
  /** First slot whose AVAIL bit is not that of slot 0; `written` where all have the same. */
  readonly turn: number;
  readonly maxId: number;
}

/** The page at `address` as a packed ring, or null. */
export function packedShape(look: Look, address: number): PackedShape | null {
  const extent = extentOf(look, address);
  if (extent === null || extent.written === 0) return null;
  const { words, written } = extent;
  const marked = count(written, (slot) => (flagsOf(words, slot) & PHASE) !== 0);
  if (marked === 0 && !lapCompleted(extent)) return null;
  const { size, known } = sizeOf(extent);
  if (size < 2 || extent.maxId >= size) return null;
  const ids = idsOf(words, Math.min(written, size));
  if (marked === 0 && ids.size === 1 && !ids.has(0)) return null;
  const evidence = [
    ...counted(Math.min(written, size), marked > 0 ? 1.5 : 0.75, 15, "descriptors in memory"),
    ...counted(marked, 0.75, 9, "slots marked available or used"),
    ...counted(ids.size - (ids.has(0) ? 1 : 0), 1.5, 9, "buffer ids within the ring"),
    ...(extent.zeros >= CLEAN
      ? [{ text: `nothing but zeros behind slot ${written - 1}`, bits: 6 }]
      : []),
  ];
  const ring = words.slice(0, size * 4);
  const bits = bitsOf(evidence);
  return { size, sizeKnown: known, descriptor: address, words: ring, evidence, bits };
}

/**
 * All flags clear is a lap just completed, or no ring at all. Small rings are in that state so often
 * that they are worth the doubt.
 */
function lapCompleted({ written, zeros }: Extent): boolean {
  return written >= 8 && written <= 64 && powerBelow(written) === written && zeros >= CLEAN;
}

/** Reads slots until one is neither a descriptor nor zero; never past the largest ring. */
function extentOf(look: Look, address: number): Extent | null {
  let words: Uint32Array = new Uint32Array(0);
  let [written, zeros, turn, maxId] = [0, 0, -1, 0];
  for (let slot = 0; slot < MAX_QUEUE_SIZE; slot++) {
    if (slot * 4 >= words.length) {
      const bytes = look.bytes(address, Math.max(4096, words.length * 8));
      if (bytes === null) break;
      words = new Uint32Array(bytes.buffer);
    }
    if (isZero(words, slot)) {
      zeros++;
      continue;
    }
    if (zeros > 0 || !isDescriptor(look, words, slot)) break;
    if (changes(words, slot)) {
      // A second turn is the next ring's, or none.
      if (turn >= 0) break;
      turn = slot;
    }
    maxId = Math.max(maxId, idOf(words, slot));
    written++;
  }
  return words.length === 0
    ? null
    : { words: atLeast(words, written), written, zeros, turn: turn < 0 ? written : turn, maxId };
}

/** Room for the usual size, where memory ends before it. */
function atLeast(words: Uint32Array, written: number): Uint32Array {
  const wanted = Math.max(USUAL_SIZE, powerAbove(written)) * 4;
  if (words.length >= wanted) return words;
  const longer = new Uint32Array(wanted);
  longer.set(words);
  return longer;
}

function isZero(words: Uint32Array, slot: number): boolean {
  const at = slot * 4;
  return (words[at] | words[at + 1] | words[at + 2] | words[at + 3]) === 0;
}

function isDescriptor(look: Look, words: Uint32Array, slot: number): boolean {
  const flags = flagsOf(words, slot);
  return (flags & ~FLAGS) === 0 && idOf(words, slot) < MAX_QUEUE_SIZE &&
    words[slot * 4 + 2] < 0x80000000 && look.isMemory(addressAt(words, slot * 4));
}

function changes(words: Uint32Array, slot: number): boolean {
  return slot > 0 && ((flagsOf(words, slot) ^ flagsOf(words, slot - 1)) & DESC_F.AVAIL) !== 0;
}

function flagsOf(words: Uint32Array, slot: number): number {
  return words[slot * 4 + 3] >>> 16;
}

function idOf(words: Uint32Array, slot: number): number {
  return words[slot * 4 + 3] & 0xffff;
}

/** The size, and whether it shows. */
function sizeOf({ words, written, zeros, turn, maxId }: Extent): { size: number; known: boolean } {
  const firstLap = turn === written && (flagsOf(words, 0) & DESC_F.AVAIL) !== 0;
  if (!firstLap) {
    // Written to the end; what follows may look like it, so a power of two is taken.
    const size = powerBelow(written);
    return size > turn && size > maxId ? { size, known: true } : { size: written, known: false };
  }
  const full = powerBelow(written) === written && written >= FULL && maxId === written - 1;
  if (full) return { size: written, known: zeros === 0 };
  const least = powerAbove(Math.max(written, maxId + 1));
  const room = written + zeros;
  const size = least <= USUAL_SIZE && room >= USUAL_SIZE ? USUAL_SIZE : least;
  return { size: size <= room ? size : Math.max(written, maxId + 1), known: false };
}

/**
 * Buffer ids in the first slots. The same in all of them is no ring's, unless it is 0: that of a driver
 * which waits for each buffer.
 */
function idsOf(words: Uint32Array, slots: number): Set<number> {
  return new Set(Array.from({ length: slots }, (_, slot) => idOf(words, slot)));
}

function powerBelow(count: number): number {
  return 2 ** Math.floor(Math.log2(count));
}

function powerAbove(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

function count(slots: number, test: (slot: number) => boolean): number {
  let sum = 0;
  for (let slot = 0; slot < slots; slot++) if (test(slot)) sum++;
  return sum;
}
