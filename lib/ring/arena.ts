/**
 * Private copies of indirect tables. A walk copies each table once and decodes the copy: a live
 * guest may change it before a second look.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RegionTable } from "../memory/region_table.ts";

/** Tables up to this many words are copied by a loop: cheaper than making a view. */
const LOOP_WORDS = 256;

/** Grows as tables come in; reused from walk to walk. */
export class Arena {
  /** Descriptors of all tables of this walk, four words each. */
  words = new Uint32Array(0);
  #used = 0;
  readonly #memory: GuestMemory;
  readonly #table: RegionTable;
  // The region tables were last read from, in place: element 0 is at address #start.
  #live: Uint32Array = new Uint32Array(0);
  #region = -1;
  #start = 0;
  #end = 0;
  #offset = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.#table = memory.table;
  }

  /** Forgets all tables; keeps the room. */
  clear(): void {
    this.#used = 0;
    this.#region = -1;
    this.#start = this.#end = 0;
  }

  /**
   * Copies a table of `length` bytes (a multiple of 16, not 0) and returns the index of its first
   * word, or -1 where a part of it can not be read. `address` must be below 2^53.
   */
  fetch(address: number, length: number): number {
    const count = length >>> 2;
    const at = this.#reserve(count);
    if (!this.#inPlace(address, length)) return this.#copy(address, length, at);
    const from = (address - this.#start) / 4;
    const { words } = this;
    if (count > LOOP_WORDS) words.set(this.#live.subarray(from, from + count), at);
    else for (let i = 0; i < count; i++) words[at + i] = this.#live[from + i];
    return at;
  }

  /** Whether the range can be read in place; moves to its region where that is another. */
  #inPlace(address: number, length: number): boolean {
    if (!(address >= this.#start && address + length <= this.#end)) this.#move(address);
    if (!(address >= this.#start && address + length <= this.#end) || address % 4 !== 0) {
      return false;
    }
    const { backing } = this.#table.regions[this.#region];
    return backing.live(this.#offset + (address - this.#start), length) === this.#live.buffer;
  }

  #move(address: number): void {
    this.#start = this.#end = 0;
    this.#region = this.#table.indexOf(address);
    if (this.#region < 0) return;
    const { backing, offset } = this.#table.regions[this.#region];
    const start = this.#table.startOf(this.#region);
    const buffer = backing.live(offset + (address - start), 1);
    if (buffer === null || offset % 4 !== 0 || start % 4 !== 0) return;
    const length = this.#table.endOf(this.#region) - start;
    this.#live = new Uint32Array(buffer, offset, Math.floor(length / 4));
    [this.#start, this.#end, this.#offset] = [start, start + length, offset];
  }

  #copy(address: number, length: number, at: number): number {
    const bytes = new Uint8Array(this.words.buffer, at * 4, length);
    return this.#memory.copy(BigInt(address), bytes) === null ? at : -1;
  }

  #reserve(count: number): number {
    const at = this.#used;
    this.#used += count;
    if (this.#used > this.words.length) {
      const grown = new Uint32Array(Math.max(this.#used, this.words.length * 2, 256));
      grown.set(this.words);
      this.words = grown;
    }
    return at;
  }
}
