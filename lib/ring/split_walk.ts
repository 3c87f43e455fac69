/**
 * The quick walk over a split ring's available entries: virtio 1.4, 2.7.13. It looks only for
 * chains with nothing wrong in them and counts those; a chain that raises any doubt is left to
 * `split_chain.ts`, which looks closely and says what is the matter.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { Arena } from "./arena.ts";
import type { RingConfig } from "./config.ts";
import { MAX_CHAIN_BYTES } from "./limits.ts";
import { inPages, RangeCheck } from "./range_check.ts";
import { DESC_F } from "./spec.ts";
import { TableWalk } from "./table_walk.ts";

/** Columns of one walk. They are private copies: nothing here changes until the next walk. */
export class SplitWalk {
  /** The descriptor table, four words an entry. */
  readonly table: Uint32Array;
  /** The same as bytes, to copy into. */
  readonly tableBytes: Uint8Array;
  /** The available ring as 16-bit words: flags, idx, ring[size], used_event. */
  readonly available: Uint16Array;
  readonly availableBytes: Uint8Array;
  /** Per descriptor: 1 + the number of the first chain that holds it, doubtful or not; or 0. */
  readonly owner: Uint16Array;
  /** Per chain: index in `arena.words` of its indirect table, or -1. */
  readonly tableAt: Int32Array;
  /** Chains that need a closer look, ascending. */
  readonly doubtful: number[] = [];

  /** Free-running index of chain 0. */
  first = 0;
  /** Chains walked. */
  count = 0;
  /** Sums over the chains that are not doubtful. */
  descriptors = 0;
  readable = 0;
  writable = 0;

  readonly #size: number;
  readonly #ranges: RangeCheck;
  readonly #tables: TableWalk;
  // Signed words are cheaper to compute with.
  readonly #signed: Int32Array;

  constructor(memory: GuestMemory, config: RingConfig) {
    const { size } = config;
    this.#size = size;
    this.table = new Uint32Array(size * 4);
    this.#signed = new Int32Array(this.table.buffer);
    this.tableBytes = new Uint8Array(this.table.buffer);
    this.available = new Uint16Array(size + 3);
    this.availableBytes = new Uint8Array(this.available.buffer);
    this.owner = new Uint16Array(size);
    this.tableAt = new Int32Array(size);
    this.#ranges = new RangeCheck(memory.table);
    this.#tables = new TableWalk(memory, config, this.#ranges);
  }

  /** Copies of the indirect tables. */
  get arena(): Arena {
    return this.#tables.arena;
  }

  /** Walks `count` (at most the ring's size) available entries from free-running index `first` on. */
  run(first: number, count: number): void {
    this.first = first;
    this.count = count;
    this.doubtful.length = 0;
    this.#tables.clear();
    this.owner.fill(0);
    this.tableAt.fill(-1, 0, count);
    this.#chains(first, count);
  }

  /** Head of a chain: what the available ring says, not checked. */
  head(chain: number): number {
    return this.available[2 + ((this.first + chain) & (this.#size - 1))];
  }

  /**
   * All chains in one loop over local variables: this is where a walk spends its time, and a call
   * for each descriptor would double it.
   */
  #chains(first: number, count: number): void {
    const { owner, available, tableAt } = this;
    const table = this.#signed;
    const tables = this.#tables;
    const ranges = this.#ranges;
    const size = this.#size;
    let { firstPage, endPage } = ranges;
    let descriptors = 0;
    let readable = 0;
    let writable = 0;
    for (let chain = 0; chain < count; chain++) {
      let index = available[2 + ((first + chain) & (size - 1))];
      let fine = false;
      let steps = 0;
      let reads = 0;
      let writes = 0;
      while (index < size && owner[index] === 0) {
        owner[index] = chain + 1;
        const at = index << 2;
        const low = table[at];
        const high = table[at + 1];
        const length = table[at + 2];
        const tail = table[at + 3];
        if ((tail & DESC_F.INDIRECT) !== 0) {
          // The common shape: the head alone is indirect. Any other is looked at closely.
          if (steps > 0 || (tail & DESC_F.NEXT) !== 0) break;
          fine = (tableAt[chain] = tables.look(low, high, length)) >= 0;
          steps = tables.count;
          reads = tables.readable;
          writes = tables.writable;
          break;
        }
        if (!inPages(low, high, length, firstPage, endPage)) {
          if (!ranges.plain(low, high, length)) break;
          ({ firstPage, endPage } = ranges);
        }
        steps++;
        if ((tail & DESC_F.WRITE) !== 0) writes += length;
        else if (writes === 0) reads += length;
        else break;
        if ((tail & DESC_F.NEXT) === 0) {
          fine = true;
          break;
        }
        index = tail >>> 16;
      }
      if (!fine || reads + writes > MAX_CHAIN_BYTES) {
        this.doubtful.push(chain);
        this.#claim(chain, index);
      } else {
        descriptors += steps;
        readable += reads;
        writable += writes;
      }
    }
    this.descriptors = descriptors;
    this.readable = readable;
    this.writable = writable;
  }

  /** Marks what follows a descriptor in a chain that was given up: it is not free for others. */
  #claim(chain: number, from: number): void {
    const { owner, table } = this;
    for (let index = from; index < this.#size;) {
      const tail = table[index * 4 + 3];
      if ((tail & DESC_F.INDIRECT) !== 0 || (tail & DESC_F.NEXT) === 0) return;
      index = tail >>> 16;
      if (index >= this.#size || owner[index] !== 0) return;
      owner[index] = chain + 1;
    }
  }
}
