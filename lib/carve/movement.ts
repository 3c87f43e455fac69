/**
 * Whether what was taken for a ring moves as a ring does. Any memory in use changes; a ring's
 * positions count on, by no more than its size between two looks, and leave a ring behind.
 *
 * @module
 */
import type { Ring } from "../ring/snapshot.ts";
import { DESC_F } from "../ring/spec.ts";
import type { Look } from "./look.ts";
import { type PackedShape, packedShape } from "./packed_shape.ts";
import type { SplitShape } from "./split_shape.ts";

/** Free-running indices of a split ring. */
interface Stand {
  readonly available: number;
  readonly used: number;
}

/**
 * Whether a split ring counted on since the scan came by, or between two looks one after the other: a
 * fast ring goes round many times while a scan is on its way.
 */
export function movedSplit({ size, available, used }: SplitShape, ring: Ring): boolean {
  const [first, second] = [ring.indices(), ring.indices()];
  if (first === null || second === null) return false;
  const stands = [{ available, used }, ...[first, second].map(standOf)];
  return stands.some((stand, n) => n > 0 && countsOn(stands[n - 1], stand, size));
}

function standOf(indices: NonNullable<ReturnType<Ring["indices"]>>): Stand {
  return { available: indices.available.index, used: indices.used.index };
}

function countsOn(from: Stand, to: Stand, size: number): boolean {
  const available = (to.available - from.available) & 0xffff;
  const used = (to.used - from.used) & 0xffff;
  const fits = (stand: Stand) => ((stand.available - stand.used) & 0xffff) <= size;
  return available + used > 0 && available <= size && used <= size && fits(from) && fits(to);
}

/** Whether slots of a packed ring changed hands since the scan came by, and it still is one. */
export function movedPacked(look: Look, { words, descriptor, size }: PackedShape): boolean {
  const now = packedShape(look, descriptor);
  if (now === null) return false;
  for (let slot = 0; slot < Math.min(size, now.size); slot++) {
    const flags = now.words[slot * 4 + 3] ^ words[slot * 4 + 3];
    if (((flags >>> 16) & (DESC_F.AVAIL | DESC_F.USED)) !== 0) return true;
  }
  return false;
}

/** A packed ring whose size did not show, as it is by now: a lap further on, it may show. */
export function lookedAtAgain(look: Look, shape: PackedShape): PackedShape {
  if (shape.sizeKnown) return shape;
  const now = packedShape(look, shape.descriptor);
  if (now === null || !now.sizeKnown) return shape;
  // What the scan read stays, for what has changed since.
  return { ...now, words: shape.words.slice(0, now.size * 4) };
}
