/**
 * Private copies of indirect tables. A walk copies each entry once and decodes the copy: a live
 * guest may change it before a second look.
 *
 * @module
 */
import type { Backing } from "../memory/backing.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RegionTable } from "../memory/region_table.ts";

/** Bytes of a region that are read in place through one view: typed arrays are slow past 2^32. */
const WINDOW = 2 ** 32;

/** Grows as tables come in; reused from walk to walk. */
export class Arena {
  /** Copied entries, four signed words each, at the index that {@linkcode reserve} gave. */
  words: Int32Array = new Int32Array(256);
  /** Where the entries of the table located last stand now: guest memory, or `words` itself. */
  source: Int32Array = this.words;
  /** Entries that {@linkcode Arena.fetch} has copied since `clear`. */
  fetched = 0;
  #used = 0;
  readonly #memory: GuestMemory;
  readonly #table: RegionTable;
  // The region that tables were last read from in place: element 0 of #live is at address #start.
  #live: Int32Array = new Int32Array(0);
  #buffer: ArrayBufferLike | null = null;
  #start = 0;
  #end = 0;
  #offset = 0;
  #backing: Backing | null = null;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.#table = memory.table;
  }

  /** Forgets all tables; keeps the room. */
  clear(): void {
    this.#used = this.fetched = 0;
    this.#start = this.#end = 0;
  }

  /** Room for `length` bytes (a multiple of 16): the index of its first word. */
  reserve(length: number): number {
    const at = this.#used;
    this.#used += length >>> 2;
    if (this.#used > this.words.length) {
      const grown = new Int32Array(Math.max(this.#used, this.words.length * 2));
      grown.set(this.words);
      this.words = grown;
    }
    return at;
  }

  /**
   * Locates a table whose room is at `at`: the index in `source` of its first word, or -1 where it
   * can not be read. In place, nothing is copied: the caller copies what it looks at. `address` must
   * be below 2^53.
   */
  locate(address: number, length: number, at: number): number {
    const start = this.#start;
    if (address < start || address + length > this.#end) {
      return this.#move(address, length)
        ? this.locate(address, length, at)
        : this.#copy(BigInt(address), length, at);
    }
    const live = this.#live;
    const buffer = (this.#backing as Backing).live(this.#offset + (address - start), length);
    if (buffer !== this.#buffer || (address & 3) !== 0) {
      return this.#copy(BigInt(address), length, at);
    }
    this.source = live;
    return (address - start) / 4;
  }

  /**
   * Copies a whole table; the index of its first word in `words`, or -1. The copy is gone with the
   * next table: what is fetched takes no room for longer than it is looked at.
   */
  fetch(address: bigint, length: number): number {
    const at = this.reserve(length);
    this.#used = at;
    this.fetched += length / 16;
    return this.#copy(address, length, at);
  }

  /** Makes the window that holds a whole table the one read in place; false where that can not be. */
  #move(address: number, length: number): boolean {
    this.#start = this.#end = 0;
    const index = this.#table.indexOf(address);
    if (index < 0) return false;
    const { backing, offset } = this.#table.regions[index];
    const first = this.#table.startOf(index);
    const start = first + Math.floor((address - first) / WINDOW) * WINDOW;
    const from = offset + (start - first);
    const buffer = backing.live(from + (address - start), 1);
    if (buffer === null || from % 4 !== 0 || start % 4 !== 0) return false;
    const bytes = Math.min(this.#table.endOf(index) - start, WINDOW + 2 ** 20);
    const words = Math.floor(bytes / 4);
    // Two regions may be the same bytes, and one of them end earlier.
    if (this.#buffer !== buffer || this.#offset !== from || this.#live.length !== words) {
      this.#live = new Int32Array(buffer, from, words);
    }
    [this.#buffer, this.#backing, this.#offset] = [buffer, backing, from];
    [this.#start, this.#end] = [start, start + words * 4];
    return address + length <= this.#end;
  }

  #copy(address: bigint, length: number, at: number): number {
    const bytes = new Uint8Array(this.words.buffer, at * 4, length);
    this.source = this.words;
    return this.#memory.copy(address, bytes) === null ? at : -1;
  }
}
