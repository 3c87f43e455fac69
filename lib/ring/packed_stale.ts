/**
 * Which lists of a packed ring may have been used already, although their slots look available.
 *
 * A used descriptor stands where the device is, whichever list it is for (2.8.6), so a list that was
 * used out of order keeps its slots. Its driver has freed its indirect table, and something else may
 * stand there by now:
 *
 * ```text
 * slot   0   1   2   3   4      List 2 of slot 2 was used first, in slot 0. The device is at 1: lists
 *       AU  A*  A*  A*   .      1, 2 and 3 look available, and list 0 is with the device although
 *       id2 id1 id2 id3         its slot is gone. The table of list 2 is not list 2's any more.
 * ```
 *
 * The ring tells it for sure only once, in its first lap: no used descriptor has been written over, so
 * a list whose id stands in none has not been used. Later the driver may have made a list available
 * where the used descriptor was, and only the newest list has none behind it that could have.
 *
 * @module
 */
import { FEATURE, type RingConfig } from "./config.ts";
import { availBit, usedBit } from "./packed_position.ts";
import type { PackedWalk } from "./packed_walk.ts";

/** What is asked about the lists of a walk; worked out when it is asked first. */
export class StaleLists {
  #used: Uint8Array | null = null;

  /** `possible`: whether any list may be stale at all. */
  constructor(
    private readonly walk: PackedWalk,
    private readonly config: RingConfig,
    private readonly possible: boolean,
  ) {}

  /** Whether a list may have been used, so that its indirect table may be anything by now. */
  has(chain: number): boolean {
    if (!this.possible || this.#isUnfetched(chain)) return false;
    const { walk, config } = this;
    const lapped = isWritten(walk.table, config.size - 1);
    if (lapped && chain < walk.count - 1) return true;
    this.#used ??= this.#findUsed();
    return this.#used[chain] !== 0;
  }

  /**
   * A list that the device has not come to. How far it has come counts only as long as it has used
   * nothing since it was asked; in a ring full of lists that begins there it may be none, or all.
   */
  #isUnfetched(chain: number): boolean {
    const { config: { fetched, used, size }, walk: { first, end, slots } } = this;
    if (fetched === undefined || (used !== undefined && used.index !== first.index)) return false;
    if (fetched.index === first.index && end.index === first.index) return false;
    const away = (slot: number) => (slot - first.index + size) % size;
    return away(slots[chain]) >= away(fetched.index);
  }

  /** Per list: 1 where its id stands in a used descriptor, or in a later list. */
  #findUsed(): Uint8Array {
    const { walk: { count }, config: { features } } = this;
    const inOrder = (features & FEATURE.IN_ORDER) !== 0n;
    const ids = this.#usedIds();
    const used = new Uint8Array(count);
    for (let chain = count - 1; chain >= 0; chain--) {
      const id = this.#id(chain);
      // 2.8.9: in order, one used descriptor may stand for all lists before, too.
      const batch = inOrder && chain + 1 < count && used[chain + 1] !== 0;
      if (batch || ids.has(id)) used[chain] = 1;
      ids.add(id);
    }
    return used;
  }

  #usedIds(): Set<number> {
    const { walk: { table }, config: { size } } = this;
    const ids = new Set<number>();
    for (let slot = 0; slot < size; slot++) {
      const used = availBit(table, slot) === usedBit(table, slot);
      if (used && isWritten(table, slot)) ids.add(table[slot * 4 + 3] & 0xffff);
    }
    return ids;
  }

  /** 2.8.6: the id is in the last slot, which is the one before the next list's. */
  #id(chain: number): number {
    const { walk: { table, slots, count, end }, config: { size } } = this;
    const next = chain + 1 < count ? slots[chain + 1] : end.index;
    return table[((next + size - 1) % size) * 4 + 3] & 0xffff;
  }
}

/** A slot of zeros was never written, although its flags look used. */
function isWritten(words: Uint32Array, slot: number): boolean {
  const at = slot * 4;
  return (words[at] | words[at + 1] | words[at + 2] | words[at + 3]) !== 0;
}
