/**
 * One of a ring's three areas, shared with the other side and written by us or by it: what the
 * driver's and the device's side of a queue are built on.
 *
 * Ordered accesses are sequentially consistent: whatever is stored before one is visible before it,
 * and a store is visible before a load that follows. That is what both sides of a queue need between
 * an index and the other side's event index (virtio 1.4, 2.7.7.1 and 2.7.10). All of virtio 1 is
 * little-endian, and so are the machines that this runs on.
 *
 * @module
 */
import { GuestMemoryError, type MemoryFault } from "../errors.ts";
import type { WritableBacking } from "../memory/backing.ts";
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import { type Region, regionEnd } from "../memory/region.ts";

/** Words of a shared area, by byte offset. Throws GuestMemoryError where memory has vanished. */
export interface SharedArea {
  /** Ordered load of the u16 at an even offset. */
  load16(offset: number): number;
  /** Ordered store. */
  store16(offset: number, value: number): void;
  /** Copies `target.length` u32 from an offset that is a multiple of 4; in no particular order. */
  loadWords(offset: number, target: Uint32Array): void;
  /** Copies all of `source` to an offset that is a multiple of 4; in no particular order. */
  storeWords(offset: number, source: Uint32Array): void;
  /** Writes zeros everywhere. */
  clear(): void;
}

/** Which area: where it is, and how long. */
export interface AreaPlace {
  readonly space: "guest" | "user";
  readonly address: bigint;
  /** Bytes. */
  readonly length: number;
}

/**
 * The area in place, where it lies in one region that can be written in place; else one that copies
 * each word. Throws GuestMemoryError where it is not all in memory.
 */
export function shareArea(memory: WritableGuestMemory, place: AreaPlace): SharedArea {
  const { space, address, length } = place;
  const { table } = memory;
  const region = space === "guest" ? table.at(address) : table.atUser(address);
  if (region === null) throw missing(memory, place, "outside");
  const guest = space === "guest" ? address : address - (region.user as bigint) + region.guest;
  if (guest + BigInt(length) > regionEnd(region)) return new CopiedArea(memory, place);
  const offset = region.offset + Number(guest - region.guest);
  const buffer = liveBuffer(region);
  const aligned = offset % 2 === 0 && (address % 4n !== 0n || offset % 4 === 0);
  return buffer !== null && aligned
    ? new LiveArea(buffer, offset, length)
    : new CopiedArea(memory, place);
}

function liveBuffer(region: Region): ArrayBufferLike | null {
  if (region.access !== "rw" || !("liveWritable" in region.backing)) return null;
  return (region.backing as WritableBacking).liveWritable();
}

function missing(
  memory: WritableGuestMemory,
  { address, length }: AreaPlace,
  kind: MemoryFault,
): GuestMemoryError {
  return new GuestMemoryError("map", memory.name, address, BigInt(length), kind);
}

/** In place. Views are 16 and 32 bits wide; the second needs alignment, which avail areas may lack. */
class LiveArea implements SharedArea {
  readonly #halves: Uint16Array;
  readonly #words: Uint32Array;

  constructor(buffer: ArrayBufferLike, offset: number, length: number) {
    this.#halves = new Uint16Array(buffer, offset, length >> 1);
    const count = offset % 4 === 0 ? length >> 2 : 0;
    this.#words = new Uint32Array(buffer, offset - (offset % 4), count);
  }

  load16(offset: number): number {
    return Atomics.load(this.#halves, offset >> 1);
  }

  store16(offset: number, value: number): void {
    Atomics.store(this.#halves, offset >> 1, value);
  }

  loadWords(offset: number, target: Uint32Array): void {
    const first = offset >> 2;
    for (let word = 0; word < target.length; word++) target[word] = this.#words[first + word];
  }

  storeWords(offset: number, source: Uint32Array): void {
    const first = offset >> 2;
    for (let word = 0; word < source.length; word++) this.#words[first + word] = source[word];
  }

  clear(): void {
    this.#halves.fill(0);
  }
}

/** By copies: each is a call of its own, and calls are ordered. */
class CopiedArea implements SharedArea {
  readonly #memory: WritableGuestMemory;
  readonly #place: AreaPlace;
  readonly #half = new Uint16Array(1);

  constructor(memory: WritableGuestMemory, place: AreaPlace) {
    this.#memory = memory;
    this.#place = place;
    // Found missing now, not at the first kick.
    const probe = new Uint8Array(place.length);
    this.#copy(0, probe);
  }

  load16(offset: number): number {
    this.#copy(offset, bytesOf(this.#half));
    return this.#half[0];
  }

  store16(offset: number, value: number): void {
    this.#half[0] = value;
    this.#store(offset, bytesOf(this.#half));
  }

  loadWords(offset: number, target: Uint32Array): void {
    this.#copy(offset, bytesOf(target));
  }

  storeWords(offset: number, source: Uint32Array): void {
    this.#store(offset, bytesOf(source));
  }

  clear(): void {
    this.#store(0, new Uint8Array(this.#place.length));
  }

  #copy(offset: number, target: Uint8Array): void {
    for (const { guest, start, end } of this.#pieces(offset, target.length)) {
      const fault = this.#memory.copy(guest, target.subarray(start, end));
      if (fault !== null) this.#fail(fault);
    }
  }

  #store(offset: number, source: Uint8Array): void {
    for (const { guest, start, end } of this.#pieces(offset, source.length)) {
      this.#memory.write(guest, source.subarray(start, end));
    }
  }

  /** User addresses are translated region by region: neighbours there need not be neighbours here. */
  *#pieces(
    offset: number,
    length: number,
  ): Generator<{ guest: bigint; start: number; end: number }> {
    const { space, address } = this.#place;
    const from = address + BigInt(offset);
    if (space === "guest") return yield { guest: from, start: 0, end: length };
    for (let start = 0; start < length;) {
      const user = from + BigInt(start);
      const region = this.#memory.table.atUser(user);
      if (region === null) throw missing(this.#memory, this.#place, "outside");
      const rest = (region.user as bigint) + region.length - user;
      const end = rest < BigInt(length - start) ? start + Number(rest) : length;
      yield { guest: user - (region.user as bigint) + region.guest, start, end };
      start = end;
    }
  }

  #fail(fault: "hole" | "outside" | { errno: string }): never {
    const { address, length } = this.#place;
    const [kind, errno] = typeof fault === "string"
      ? [fault, null] as const
      : ["unreadable", fault.errno] as const;
    const { name } = this.#memory;
    throw new GuestMemoryError("read", name, address, BigInt(length), kind, errno);
  }
}

function bytesOf(words: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
