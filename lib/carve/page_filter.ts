/**
 * The first look at every page, which decides on the speed of a scan: could its first 16 bytes be
 * descriptor 0 of a ring? Zeros are not: a ring that was never used can not be told from nothing. Or
 * could they be an event suppression structure that asks for an event?
 *
 * @module
 */
import type { RegionTable } from "../memory/region_table.ts";
import { DESC_F, EVENT } from "../ring/spec.ts";
import { PAGE } from "./look.ts";

/** Longest first buffer: no driver begins with more than 64 MiB. */
const MAX_LENGTH = 1 << 26;
/** 2.7.5: flags of a split descriptor. */
const SPLIT_FLAGS = DESC_F.NEXT | DESC_F.WRITE | DESC_F.INDIRECT;
/** 2.8.13: flags of a packed one. */
const PACKED_FLAGS = SPLIT_FLAGS | DESC_F.AVAIL | DESC_F.USED;
/** Ends the list of free descriptors in DPDK and FreeBSD: one past any index. */
const CHAIN_END = 32768;

/** Words of a page. */
const STEP = PAGE / 4;

/** Numbers of pages that need a closer look. */
export interface Suspects {
  readonly split: number[];
  readonly packed: number[];
  readonly events: number[];
}

/** Pages that could begin a ring. */
export class PageFilter {
  readonly #table: RegionTable;
  /** No buffer has a higher word 1 than this. */
  readonly #maxHigh: number;

  constructor(table: RegionTable) {
    this.#table = table;
    const last = table.regions.at(-1);
    this.#maxHigh = last === undefined ? -1 : Number((last.guest + last.length) >> 32n);
  }

  /** Looks at all pages of `words`, which begin at a page. */
  scan(words: Uint32Array): Suspects {
    const [split, packed, events]: number[][] = [[], [], []];
    const maxHigh = this.#maxHigh;
    for (let at = 0; at + 4 <= words.length; at += STEP) {
      const high = words[at + 1];
      if (high > maxHigh) continue;
      const low = words[at];
      const length = words[at + 2];
      const tail = words[at + 3];
      if ((high | length | tail) === 0 && low >>> 16 === EVENT.DESC) events.push(at / STEP);
      if (length > MAX_LENGTH || (high === 0 && low < PAGE)) continue;
      const [isSplit, isPacked] = [splitTail(tail) && length > 0, packedTail(tail)];
      if (!isSplit && !isPacked) continue;
      if (this.#table.indexOf(high * 4294967296 + low) < 0) continue;
      if (isSplit) split.push(at / STEP);
      if (isPacked) packed.push(at / STEP);
    }
    return { split, packed, events };
  }
}

/** Flags, then next. */
function splitTail(tail: number): boolean {
  return (tail & 0xffff & ~SPLIT_FLAGS) === 0 && tail >>> 16 <= CHAIN_END;
}

/** Buffer id, then flags. */
function packedTail(tail: number): boolean {
  return ((tail >>> 16) & ~PACKED_FLAGS) === 0 && (tail & 0xffff) < CHAIN_END;
}
