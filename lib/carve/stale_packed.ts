/**
 * Buffers that a packed ring gave back: virtio 1.4, 2.8. The device overwrites id, length and flags of
 * a list's first slot, the address stays. So it is not known any more whether it was a readable or a
 * writable buffer or a table; each reading is tried in which there is something to write just where
 * the device says that it wrote.
 *
 * ```text
 * slot      5             6             7             8
 *       addr  len 4097  addr len N|W  addr len W    addr len 1
 *       used            stale         stale         used
 *       reading 1: 5 alone;  2: 5, 6 and 7 as a list;  3: 5 as a table of descriptors
 * ```
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { ChainDescriptor, DescriptorChain } from "../ring/snapshot.ts";
import { DESC_F } from "../ring/spec.ts";
import { addressAt, type Look } from "./look.ts";
import { RECENT, type Sample, sampleOf } from "./sample.ts";

/** What a buffer whose length is lost is taken to hold: enough for any header. */
const UNKNOWN_LENGTH = 256;
/** Lengths of the first buffer of a list, which are lost, too: headers of blk and net. */
const HEADS = [16, 12, 10] as const;
/** Entries of a table that are followed. */
const TABLE_ENTRIES = 8;
/** Slots of a list that are followed. */
const LIST_SLOTS = 8;

/** Readings of one buffer; at most one of them is right. */
export type Readings = readonly Sample[];

/** The last buffers before the device's position, each with its readings; newest last. */
export function stalePacked(
  look: Look,
  words: Uint32Array,
  size: number,
  usedSlot: number,
): Readings[] {
  const all: Readings[] = [];
  const seen = new Set<string>();
  for (let back = 1; back <= Math.min(size, RECENT); back++) {
    const slot = (usedSlot - back + size) % size;
    const address = addressAt(words, slot * 4);
    const key = `${address} ${words[slot * 4 + 2]}`;
    if (!isUsed(words, slot) || seen.has(key)) continue;
    seen.add(key);
    all.unshift(readings(look, words, size, slot));
  }
  return all;
}

function isUsed(words: Uint32Array, slot: number): boolean {
  const flags = words[slot * 4 + 3] >>> 16;
  const written = (words[slot * 4] | words[slot * 4 + 1]) !== 0;
  return written && ((flags & DESC_F.AVAIL) !== 0) === ((flags & DESC_F.USED) !== 0);
}

function readings(look: Look, words: Uint32Array, size: number, slot: number): Sample[] {
  const address = BigInt(words[slot * 4 + 1]) << 32n | BigInt(words[slot * 4]);
  const written = words[slot * 4 + 2];
  const length = Math.max(1, roomAt(look.memory, address));
  const alone = (writable: boolean) =>
    buffer(slot, address, writable && written > 0 ? written : length, writable);
  const direct = [
    [alone(written > 0)],
    ...HEADS.map((head) => list(words, size, slot, { ...alone(false), length: head })),
  ].map((descriptors) => chain(slot, descriptors, written));
  return [...direct, { ...chain(slot, table(look, address), written), indirect: true }]
    .filter(({ descriptors, writable }) => descriptors.length > 0 && writable > 0 === written > 0)
    .map((one) => sampleOf(look.memory, one));
}

function roomAt(memory: GuestMemory, address: bigint): number {
  return memory.status(address, BigInt(UNKNOWN_LENGTH)) === "ok" ? UNKNOWN_LENGTH : 1;
}

function buffer(
  index: number,
  address: bigint,
  length: number,
  writable: boolean,
): ChainDescriptor {
  return { index, address, length, writable, next: null, status: "ok" };
}

/** The used slot with the stale ones behind it, as far as they say NEXT. */
function list(
  words: Uint32Array,
  size: number,
  first: number,
  head: ChainDescriptor,
): ChainDescriptor[] {
  const descriptors = [head];
  for (let n = 1; n < LIST_SLOTS; n++) {
    const slot = (first + n) % size;
    const at = slot * 4;
    const flags = words[at + 3] >>> 16;
    const waits = ((flags & DESC_F.AVAIL) !== 0) !== ((flags & DESC_F.USED) !== 0);
    if (!waits || (flags & DESC_F.INDIRECT) !== 0) break;
    const address = BigInt(words[at + 1]) << 32n | BigInt(words[at]);
    descriptors.push(buffer(slot, address, words[at + 2], (flags & DESC_F.WRITE) !== 0));
    if ((flags & DESC_F.NEXT) === 0) break;
  }
  return descriptors.length > 1 ? descriptors : [];
}

/**
 * What stands at the address, taken for a table. Its memory may have been given to another, who has
 * written over parts of it: so an entry behind the first may name any address.
 */
function table(look: Look, address: bigint): ChainDescriptor[] {
  const bytes = look.bytes(Number(address), TABLE_ENTRIES * 16);
  if (bytes === null) return [];
  const words = new Uint32Array(bytes.buffer);
  const descriptors: ChainDescriptor[] = [];
  for (let index = 0; index < TABLE_ENTRIES; index++) {
    const at = index * 4;
    const [length, flags] = [words[at + 2], words[at + 3] >>> 16];
    const there = look.isMemory(addressAt(words, at));
    const good = length > 0 && length < 0x80000000 &&
      (flags & ~(DESC_F.WRITE | DESC_F.NEXT)) === 0 && (there || index > 0);
    if (!good) break;
    const place = BigInt(words[at + 1]) << 32n | BigInt(words[at]);
    const one = buffer(index, place, length, (flags & DESC_F.WRITE) !== 0);
    descriptors.push(there ? one : { ...one, status: "outside" });
  }
  return descriptors;
}

function chain(
  slot: number,
  descriptors: readonly ChainDescriptor[],
  written: number,
): DescriptorChain {
  const sum = (writable: boolean) =>
    descriptors.reduce((all, one) => one.writable === writable ? all + one.length : all, 0);
  return {
    head: slot,
    slot,
    id: slot,
    readable: sum(false),
    writable: sum(true),
    indirect: false,
    state: "used",
    written,
    descriptors,
    findings: [],
  };
}
