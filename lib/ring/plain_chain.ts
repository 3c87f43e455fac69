/**
 * Descriptors of a chain that the quick walk has found nothing wrong with: they are shown as they were
 * copied, and not looked at again.
 *
 * @module
 */
import type { ChainDescriptor } from "./snapshot.ts";
import { DESC_F } from "./spec.ts";

/** Private copies of descriptors, four words each. */
type Words = Uint32Array | Int32Array;

/** What such a chain consists of. */
export interface PlainChain {
  readonly descriptors: readonly ChainDescriptor[];
  /** Bytes of the readable ones. */
  readonly readable: number;
  /** Bytes of the writable ones. */
  readonly writable: number;
}

/** Split: from descriptor `index` of the table that begins at `words[base]` on, as `next` says. */
export function linkedChain(words: Words, base: number, index: number): PlainChain {
  const descriptors: ChainDescriptor[] = [];
  for (;;) {
    const at = base + index * 4;
    const tail = words[at + 3];
    const next = (tail & DESC_F.NEXT) !== 0 ? tail >>> 16 : null;
    descriptors.push(descriptorAt(words, at, index, tail, next));
    if (next === null) return summed(descriptors);
    index = next;
  }
}

/** Packed: all `count` entries of the table that begins at `words[base]`; NEXT means nothing there. */
export function tableChain(words: Words, base: number, count: number): PlainChain {
  const descriptors: ChainDescriptor[] = [];
  for (let index = 0; index < count; index++) {
    const at = base + index * 4;
    const next = index + 1 < count ? index + 1 : null;
    descriptors.push(descriptorAt(words, at, index, words[at + 3] >>> 16, next));
  }
  return summed(descriptors);
}

/** Packed: the slots of a ring of `size` from `slot` on, while NEXT is set. */
export function listChain(words: Words, size: number, slot: number): PlainChain {
  const descriptors: ChainDescriptor[] = [];
  for (;;) {
    const flags = words[slot * 4 + 3] >>> 16;
    const following = slot + 1 === size ? 0 : slot + 1;
    const next = (flags & DESC_F.NEXT) !== 0 ? following : null;
    descriptors.push(descriptorAt(words, slot * 4, slot, flags, next));
    if (next === null) return summed(descriptors);
    slot = next;
  }
}

/** The quick walk takes only buffers that are memory, at addresses that are exact in a double. */
function descriptorAt(
  words: Words,
  at: number,
  index: number,
  flags: number,
  next: number | null,
): ChainDescriptor {
  const address = BigInt((words[at + 1] >>> 0) * 4294967296 + (words[at] >>> 0));
  const writable = (flags & DESC_F.WRITE) !== 0;
  return { index, address, length: words[at + 2] >>> 0, writable, next, status: "ok" };
}

function summed(descriptors: readonly ChainDescriptor[]): PlainChain {
  let readable = 0;
  let writable = 0;
  for (const one of descriptors) {
    if (one.writable) writable += one.length;
    else readable += one.length;
  }
  return { descriptors, readable, writable };
}
