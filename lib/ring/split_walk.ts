/**
 * The quick walk over a split ring's available entries: virtio 1.4, 2.7.13. It looks only for
 * chains with nothing wrong in them and counts those; a chain that raises any doubt is left to
 * `split_chain.ts`, which looks closely and says what is the matter.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import { Arena } from "./arena.ts";
import type { RingConfig } from "./config.ts";
import { FEATURE } from "./config.ts";
import { descriptorBudget, MAX_CHAIN_BYTES } from "./limits.ts";
import { RangeCheck } from "./range_check.ts";
import { DESC_F } from "./spec.ts";

/** Columns of one walk. They are private copies: nothing here changes until the next walk. */
export class SplitWalk {
  /** The descriptor table, four words an entry. */
  readonly table: Uint32Array;
  /** `table` as bytes, to copy into. */
  readonly tableBytes: Uint8Array;
  /** The available ring as 16-bit words: flags, idx, ring[size], used_event. */
  readonly available: Uint16Array;
  readonly availableBytes: Uint8Array;
  /** Per descriptor: 1 + the number of the first chain that holds it, or 0. */
  readonly owner: Uint16Array;
  /** Per chain: index in `arena.words` of its indirect table, or -1. */
  readonly tableAt: Int32Array;
  /** Chains that need a closer look, ascending. */
  readonly doubtful: number[] = [];
  readonly arena: Arena;

  /** Free-running index of chain 0. */
  first = 0;
  /** Chains walked. */
  count = 0;
  /** Sums over the chains that are not doubtful. */
  descriptors = 0;
  readable = 0;
  writable = 0;

  readonly #size: number;
  readonly #indirect: boolean;
  readonly #ranges: RangeCheck;
  #budget = 0;

  constructor(memory: GuestMemory, config: RingConfig) {
    const { size } = config;
    this.#size = size;
    this.#indirect = (config.features & FEATURE.INDIRECT_DESC) !== 0n;
    this.table = new Uint32Array(size * 4);
    this.tableBytes = new Uint8Array(this.table.buffer);
    this.available = new Uint16Array(size + 3);
    this.availableBytes = new Uint8Array(this.available.buffer);
    this.owner = new Uint16Array(size);
    this.tableAt = new Int32Array(size);
    this.arena = new Arena(memory);
    this.#ranges = new RangeCheck(memory.table);
  }

  /** Walks `count` (at most the ring's size) available entries from free-running index `first` on. */
  run(first: number, count: number): void {
    this.first = first;
    this.count = count;
    this.descriptors = this.readable = this.writable = 0;
    this.doubtful.length = 0;
    this.arena.clear();
    this.owner.fill(0);
    this.#budget = descriptorBudget(this.#size);
    for (let chain = 0; chain < count; chain++) {
      this.tableAt[chain] = -1;
      if (!this.#chain(chain)) this.doubtful.push(chain);
    }
  }

  /** Head of a chain: what the available ring says, not checked. */
  head(chain: number): number {
    return this.available[2 + ((this.first + chain) & (this.#size - 1))];
  }

  /** One chain of direct descriptors; true where nothing is wrong with it. */
  #chain(chain: number): boolean {
    const { table, owner } = this;
    const size = this.#size;
    const mark = chain + 1;
    const ranges = this.#ranges;
    let index = this.head(chain);
    let readable = 0;
    let writable = 0;
    let steps = 0;
    for (;;) {
      if (index >= size || owner[index] !== 0) return false;
      owner[index] = mark;
      const at = index << 2;
      const tail = table[at + 3];
      const length = table[at + 2];
      if ((tail & DESC_F.INDIRECT) !== 0) {
        // The common shape: the head alone is indirect. Any other is looked at closely.
        return steps === 0 && (tail & DESC_F.NEXT) === 0 && this.#indirect &&
          this.#tableOf(chain, table[at], table[at + 1], length);
      }
      if (!ranges.plain(table[at], table[at + 1], length)) return false;
      steps++;
      if ((tail & DESC_F.WRITE) !== 0) writable += length;
      else if (writable === 0) readable += length;
      else return false;
      if ((tail & DESC_F.NEXT) === 0) break;
      index = tail >>> 16;
    }
    return this.#add(steps, readable, writable);
  }

  /** One chain that is an indirect table: entry 0, then `next` (2.7.5.3). */
  #tableOf(chain: number, low: number, high: number, length: number): boolean {
    const entries = length >>> 4;
    if (length === 0 || (length & 15) !== 0 || entries > this.#size || high >= 0x200000) {
      return false;
    }
    if ((this.#budget -= entries) < 0) return false;
    const base = this.arena.fetch(high * 4294967296 + low, length);
    if (base < 0) return false;
    this.tableAt[chain] = base;
    const { words } = this.arena;
    const ranges = this.#ranges;
    let readable = 0;
    let writable = 0;
    let index = 0;
    for (let steps = 1; steps <= entries; steps++) {
      const at = base + (index << 2);
      const tail = words[at + 3];
      const bytes = words[at + 2];
      if ((tail & DESC_F.INDIRECT) !== 0 || !ranges.plain(words[at], words[at + 1], bytes)) {
        return false;
      }
      if ((tail & DESC_F.WRITE) !== 0) writable += bytes;
      else if (writable === 0) readable += bytes;
      else return false;
      if ((tail & DESC_F.NEXT) === 0) return this.#add(steps, readable, writable);
      index = tail >>> 16;
      if (index >= entries) return false;
    }
    return false;
  }

  #add(descriptors: number, readable: number, writable: number): boolean {
    if (readable + writable > MAX_CHAIN_BYTES) return false;
    this.descriptors += descriptors;
    this.readable += readable;
    this.writable += writable;
    return true;
  }
}
