/**
 * The quick walk over a packed ring's available descriptors: virtio 1.4, 2.8. Like `split_walk.ts`
 * it counts chains that nothing is wrong with and leaves the others to `packed_chain.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import { Arena } from "./arena.ts";
import type { RingConfig, RingPosition } from "./config.ts";
import { FEATURE } from "./config.ts";
import { descriptorBudget, MAX_CHAIN_BYTES } from "./limits.ts";
import { RangeCheck } from "./range_check.ts";
import { DESC_F } from "./spec.ts";

const PHASE = (DESC_F.AVAIL | DESC_F.USED) << 16;

/** Columns of one walk: private copies, nothing here changes until the next walk. */
export class PackedWalk {
  /** The descriptor ring, four words a slot. */
  readonly table: Uint32Array;
  readonly tableBytes: Uint8Array;
  /** An earlier copy: a list whose first descriptor was available in it is complete in `table`. */
  readonly early: Uint32Array;
  readonly earlyBytes: Uint8Array;
  /** Per chain: slot of its first descriptor. */
  readonly slots: Uint16Array;
  /** Per chain: index in `arena.words` of its indirect table, or -1. */
  readonly tableAt: Int32Array;
  /** Per buffer id: 1 + the number of the first chain that has it, or 0. */
  readonly owner: Uint16Array;
  /** Chains that need a closer look, ascending. */
  readonly doubtful: number[] = [];
  readonly arena: Arena;

  /** Where chain 0 starts. */
  first: RingPosition = { index: 0, wrap: true };
  /** Where the walk ended: the driver's next slot as far as the walk could follow. */
  end: RingPosition = { index: 0, wrap: true };
  count = 0;
  /** Sums over the chains that are not doubtful. */
  descriptors = 0;
  readable = 0;
  writable = 0;

  readonly #size: number;
  readonly #indirect: boolean;
  readonly #ranges: RangeCheck;
  #budget = 0;
  #slot = 0;
  #wrap = 1;

  constructor(memory: GuestMemory, config: RingConfig) {
    const { size } = config;
    this.#size = size;
    this.#indirect = (config.features & FEATURE.INDIRECT_DESC) !== 0n;
    this.table = new Uint32Array(size * 4);
    this.tableBytes = new Uint8Array(this.table.buffer);
    this.early = new Uint32Array(size * 4);
    this.earlyBytes = new Uint8Array(this.early.buffer);
    this.slots = new Uint16Array(size);
    this.tableAt = new Int32Array(size);
    this.owner = new Uint16Array(size);
    this.arena = new Arena(memory);
    this.#ranges = new RangeCheck(memory.table);
  }

  /** Walks from a position on to the first slot that is not available; at most one lap. */
  run(first: RingPosition): void {
    this.first = first;
    this.count =
      this.descriptors =
      this.readable =
      this.writable =
        0;
    this.doubtful.length = 0;
    this.arena.clear();
    this.owner.fill(0);
    this.#budget = descriptorBudget(this.#size);
    this.#slot = first.index;
    this.#wrap = first.wrap ? 1 : 0;
    let left = this.#size;
    while (left > 0 && this.#available(this.early, this.#slot)) {
      left -= this.#chain(left);
    }
    this.end = { index: this.#slot, wrap: this.#wrap === 1 };
  }

  /** Takes one list, whatever it is like. Returns how many slots it took. */
  #chain(left: number): number {
    const chain = this.count++;
    this.slots[chain] = this.#slot;
    this.tableAt[chain] = -1;
    const { table } = this;
    const ranges = this.#ranges;
    let fine = true;
    let readable = 0;
    let writable = 0;
    let taken = 0;
    let last = 0;
    for (;;) {
      const at = this.#slot << 2;
      const tail = table[at + 3];
      const flags = tail >>> 16;
      const length = table[at + 2];
      if (taken > 0 && !this.#available(table, this.#slot)) {
        fine = false;
        break;
      }
      taken++;
      last = tail & 0xffff;
      if (++this.#slot === this.#size) {
        this.#slot = 0;
        this.#wrap ^= 1;
      }
      if ((flags & DESC_F.INDIRECT) !== 0) {
        fine = fine && taken === 1 && (flags & DESC_F.NEXT) === 0 && this.#indirect;
        if (fine) {
          const good = this.#claim(chain, last) &&
            this.#tableOf(chain, table[at], table[at + 1], length);
          return good ? taken : this.#doubt(chain, taken);
        }
      } else if (fine) {
        fine = ranges.plain(table[at], table[at + 1], length);
        if ((flags & DESC_F.WRITE) !== 0) writable += length;
        else if (writable === 0) readable += length;
        else fine = false;
      }
      if ((flags & DESC_F.NEXT) === 0) break;
      if (taken === left) {
        fine = false;
        break;
      }
    }
    if (this.#claim(chain, last) && fine && this.#add(taken, readable, writable)) return taken;
    return this.#doubt(chain, taken);
  }

  #doubt(chain: number, taken: number): number {
    this.doubtful.push(chain);
    return taken;
  }

  /** 2.8.1: available means AVAIL equals the wrap counter and USED does not. */
  #available(words: Uint32Array, slot: number): boolean {
    const wanted = this.#wrap === 1 ? DESC_F.AVAIL << 16 : DESC_F.USED << 16;
    return ((words[(slot << 2) + 3] & PHASE) >>> 0) === (wanted >>> 0);
  }

  /** Notes the buffer id, which must be below the size and held by one chain only. */
  #claim(chain: number, id: number): boolean {
    if (id >= this.#size || this.owner[id] !== 0) return false;
    this.owner[id] = chain + 1;
    return true;
  }

  /** One table: all entries in order (2.8.7). */
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
    for (let at = base, end = base + (entries << 2); at < end; at += 4) {
      const flags = words[at + 3] >>> 16;
      const bytes = words[at + 2];
      if ((flags & DESC_F.INDIRECT) !== 0 || !ranges.plain(words[at], words[at + 1], bytes)) {
        return false;
      }
      if ((flags & DESC_F.WRITE) !== 0) writable += bytes;
      else if (writable === 0) readable += bytes;
      else return false;
    }
    return this.#add(entries, readable, writable);
  }

  #add(descriptors: number, readable: number, writable: number): boolean {
    if (readable + writable > MAX_CHAIN_BYTES) return false;
    this.descriptors += descriptors;
    this.readable += readable;
    this.writable += writable;
    return true;
  }
}
