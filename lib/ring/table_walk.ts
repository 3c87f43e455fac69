/**
 * The quick look at an indirect table: virtio 1.4, 2.7.5.3 (split) and 2.8.7 (packed). Entries are
 * copied as they are looked at; what raises a doubt is left to `indirect.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import { Arena } from "./arena.ts";
import { FEATURE, type RingConfig } from "./config.ts";
import { descriptorBudget } from "./limits.ts";
import { inPages, type RangeCheck } from "./range_check.ts";
import { DESC_F } from "./spec.ts";

/** Bits of an address's high word that must be clear for arithmetic in a double: below 2^53. */
const EXACT_HIGH = ~0x1fffff;

/** Looks at the tables of one walk. */
export class TableWalk {
  readonly arena: Arena;
  /** Entries of the table looked at last, where it was fine. */
  count = 0;
  /** Bytes of its readable entries. */
  readable = 0;
  /** Bytes of its writable entries. */
  writable = 0;
  readonly #size: number;
  readonly #allowed: boolean;
  readonly #linked: boolean;
  readonly #ranges: RangeCheck;
  #budget = 0;

  constructor(memory: GuestMemory, config: RingConfig, ranges: RangeCheck) {
    this.arena = new Arena(memory);
    this.#size = config.size;
    this.#allowed = (config.features & FEATURE.INDIRECT_DESC) !== 0n;
    this.#linked = config.format === "split";
    this.#ranges = ranges;
  }

  /** Forgets all tables. */
  clear(): void {
    this.arena.clear();
    this.#budget = descriptorBudget(this.#size);
  }

  /**
   * Looks at one table, given as a descriptor's signed words. Returns where its copy starts in
   * `arena.words`, or -1 where anything about it is not plain.
   */
  look(low: number, high: number, length: number): number {
    const entries = length >>> 4;
    if (length <= 0 || (length & 15) !== 0 || (high & EXACT_HIGH) !== 0) return -1;
    if (entries > this.#size || !this.#allowed || (this.#budget -= entries) < 0) return -1;
    const { arena } = this;
    const base = arena.reserve(length);
    const from = arena.locate(high * 4294967296 + (low >>> 0), length, base);
    if (from < 0) return -1;
    const fine = this.#linked
      ? this.#follow(arena.source, from, arena.words, base, entries)
      : this.#consecutive(arena.source, from, arena.words, base, entries);
    return fine ? base : -1;
  }

  /** Split: entry 0, then as `next` leads. */
  #follow(
    source: Int32Array,
    from: number,
    words: Int32Array,
    base: number,
    entries: number,
  ): boolean {
    const ranges = this.#ranges;
    let { firstPage, endPage } = ranges;
    let reads = 0;
    let writes = 0;
    let index = 0;
    for (let steps = 1; steps <= entries; steps++) {
      const at = (from + (index << 2)) | 0;
      const to = (base + (index << 2)) | 0;
      const low = words[to] = source[at];
      const high = words[to + 1] = source[at + 1];
      const length = words[to + 2] = source[at + 2];
      const tail = words[to + 3] = source[at + 3];
      if (!inPages(low, high, length, firstPage, endPage)) {
        if (!ranges.plain(low, high, length)) return false;
        ({ firstPage, endPage } = ranges);
      }
      if ((tail & DESC_F.INDIRECT) !== 0) return false;
      if ((tail & DESC_F.WRITE) !== 0) writes += length;
      else if (writes === 0) reads += length;
      else return false;
      if ((tail & DESC_F.NEXT) === 0) return this.#done(steps, reads, writes);
      index = tail >>> 16;
      if (index >= entries) return false;
    }
    return false;
  }

  /** Packed: all entries in order; NEXT has no meaning. */
  #consecutive(
    source: Int32Array,
    from: number,
    words: Int32Array,
    base: number,
    entries: number,
  ): boolean {
    const ranges = this.#ranges;
    let { firstPage, endPage } = ranges;
    let reads = 0;
    let writes = 0;
    for (let index = 0; index < entries; index++) {
      const at = (from + (index << 2)) | 0;
      const to = (base + (index << 2)) | 0;
      const low = words[to] = source[at];
      const high = words[to + 1] = source[at + 1];
      const length = words[to + 2] = source[at + 2];
      const tail = words[to + 3] = source[at + 3];
      if (!inPages(low, high, length, firstPage, endPage)) {
        if (!ranges.plain(low, high, length)) return false;
        ({ firstPage, endPage } = ranges);
      }
      if ((tail & (DESC_F.INDIRECT << 16)) !== 0) return false;
      if ((tail & (DESC_F.WRITE << 16)) !== 0) writes += length;
      else if (writes === 0) reads += length;
      else return false;
    }
    return this.#done(entries, reads, writes);
  }

  #done(count: number, readable: number, writable: number): boolean {
    this.count = count;
    this.readable = readable;
    this.writable = writable;
    return true;
  }
}
