/**
 * The quick walk over a packed ring's available descriptors: virtio 1.4, 2.8. Like `split_walk.ts`
 * it counts chains that nothing is wrong with and leaves the others to `packed_chain.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { Arena } from "./arena.ts";
import type { RingConfig, RingPosition } from "./config.ts";
import { MAX_CHAIN_BYTES } from "./limits.ts";
import { inPages, RangeCheck } from "./range_check.ts";
import { DESC_F } from "./spec.ts";
import { TableWalk } from "./table_walk.ts";

// Flags stand in the upper half of a descriptor's last word.
const NEXT = DESC_F.NEXT << 16;
const WRITE = DESC_F.WRITE << 16;
const INDIRECT = DESC_F.INDIRECT << 16;
/** 2.8.1: AVAIL equal to the wrap counter and USED not, for either counter. */
const AVAILABLE_1 = DESC_F.AVAIL << 16;
const AVAILABLE_0 = DESC_F.USED << 16;
const PHASE = AVAILABLE_1 | AVAILABLE_0;

/** Columns of one walk: private copies, nothing here changes until the next walk. */
export class PackedWalk {
  /** The descriptor ring, four words a slot. */
  readonly table: Uint32Array;
  /** The same as bytes, to copy into. */
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
  readonly #ranges: RangeCheck;
  readonly #tables: TableWalk;
  // Signed words are cheaper to compute with.
  readonly #signed: Int32Array;
  readonly #earlySigned: Int32Array;

  constructor(memory: GuestMemory, config: RingConfig) {
    const { size } = config;
    this.#size = size;
    this.table = new Uint32Array(size * 4);
    this.#signed = new Int32Array(this.table.buffer);
    this.tableBytes = new Uint8Array(this.table.buffer);
    this.early = new Uint32Array(size * 4);
    this.#earlySigned = new Int32Array(this.early.buffer);
    this.earlyBytes = new Uint8Array(this.early.buffer);
    this.slots = new Uint16Array(size);
    this.tableAt = new Int32Array(size);
    this.owner = new Uint16Array(size);
    this.#ranges = new RangeCheck(memory.table);
    this.#tables = new TableWalk(memory, config, this.#ranges);
  }

  /** Copies of the indirect tables. */
  get arena(): Arena {
    return this.#tables.arena;
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
    this.#tables.clear();
    this.owner.fill(0);
    this.end = this.#lists(first.index, first.wrap);
  }

  /** All lists in one loop over local variables, as in `split_walk.ts`. Returns where it ended. */
  #lists(slot: number, wrap: boolean): RingPosition {
    const { owner, slots, tableAt } = this;
    const table = this.#signed;
    const early = this.#earlySigned;
    const tables = this.#tables;
    const ranges = this.#ranges;
    const size = this.#size;
    let { firstPage, endPage } = ranges;
    let wanted = wrap ? AVAILABLE_1 : AVAILABLE_0;
    let descriptors = 0;
    let readable = 0;
    let writable = 0;
    let chain = 0;
    let left = size;
    while (left > 0 && (early[(slot << 2) + 3] & PHASE) === wanted) {
      slots[chain] = slot;
      tableAt[chain] = -1;
      let fine = true;
      let steps = 0;
      let reads = 0;
      let writes = 0;
      let taken = 0;
      let tail = 0;
      for (;;) {
        const at = slot << 2;
        const low = table[at];
        const high = table[at + 1];
        const length = table[at + 2];
        tail = table[at + 3];
        taken++;
        if (++slot === size) {
          slot = 0;
          wanted ^= PHASE;
        }
        if ((tail & INDIRECT) !== 0) {
          // Alone is the only shape that is allowed; any other is looked at closely.
          fine = taken === 1 && (tail & NEXT) === 0;
          if (fine) fine = (tableAt[chain] = tables.look(low, high, length)) >= 0;
          steps = tables.count;
          reads = tables.readable;
          writes = tables.writable;
        } else {
          if (!inPages(low, high, length, firstPage, endPage)) {
            if (ranges.plain(low, high, length)) ({ firstPage, endPage } = ranges);
            else fine = false;
          }
          steps++;
          if ((tail & WRITE) !== 0) writes += length;
          else if (writes === 0) reads += length;
          else fine = false;
        }
        if ((tail & NEXT) === 0) break;
        if (taken === left || (table[(slot << 2) + 3] & PHASE) !== wanted) {
          fine = false;
          break;
        }
      }
      left -= taken;
      // 2.8.6: the id stands in the last descriptor. A list that is not fine claims its id, too.
      const id = tail & 0xffff;
      if (id >= size || owner[id] !== 0) fine = false;
      else owner[id] = chain + 1;
      if (!fine || reads + writes > MAX_CHAIN_BYTES) this.doubtful.push(chain);
      else {
        descriptors += steps;
        readable += reads;
        writable += writes;
      }
      chain++;
    }
    this.count = chain;
    this.descriptors = descriptors;
    this.readable = readable;
    this.writable = writable;
    return { index: slot, wrap: wanted === AVAILABLE_1 };
  }
}
