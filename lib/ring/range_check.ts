/**
 * Whether a descriptor's buffer lies in guest memory, for loops that look at millions of them.
 *
 * @module
 */
import type { RegionTable } from "../memory/region_table.ts";

/** Buffers below this many bytes, in the first 8 TiB, are checked by 32-bit arithmetic on pages. */
const QUICK_LENGTH = 0x40000000;

/** Bits of an address's high word that must be clear for that. */
const QUICK_HIGH = ~0x7ff;

/**
 * Remembers the region that held the last buffer: the next one is mostly in the same. A loop keeps
 * `firstPage` and `endPage` in local variables and asks {@linkcode RangeCheck.plain} only for
 * buffers that are not {@linkcode inPages}.
 */
export class RangeCheck {
  /** First whole 4 KiB page of that region. */
  firstPage = 0;
  /** First page after its last whole one. */
  endPage = 0;
  readonly #table: RegionTable;

  constructor(table: RegionTable) {
    this.#table = table;
  }

  /**
   * True where [address, address + length) lies within one region; then that region is the
   * remembered one. False says only that a closer look is needed: the buffer may cross into an
   * adjacent region, be empty or larger than 2^31, or its address not be exact in a double. All
   * three are signed 32-bit words.
   */
  plain(low: number, high: number, length: number): boolean {
    const address = (high >>> 0) * 4294967296 + (low >>> 0);
    const index = address < 2 ** 53 ? this.#table.indexOf(address) : -1;
    if (index < 0 || length <= 0) return false;
    const end = this.#table.endOf(index);
    this.firstPage = Math.min(Math.ceil(this.#table.startOf(index) / 4096), 0x7fffffff);
    this.endPage = Math.min(Math.floor(end / 4096), 0x7fffffff);
    return address + length <= end;
  }
}

/** Whether a buffer lies in the pages from `first` up to, not including, `end`. Words are signed. */
export function inPages(
  low: number,
  high: number,
  length: number,
  first: number,
  end: number,
): boolean {
  if ((high & QUICK_HIGH) !== 0 || length <= 0 || length >= QUICK_LENGTH) return false;
  const page = (high << 20) | (low >>> 12);
  return page >= first && page + (((low & 4095) + length - 1) >> 12) < end;
}
