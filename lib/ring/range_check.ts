/**
 * Whether a descriptor's buffer lies in guest memory, for loops that look at millions of them.
 *
 * @module
 */
import type { RegionTable } from "../memory/region_table.ts";

/** Remembers the region that held the last buffer: the next one is mostly in the same. */
export class RangeCheck {
  #start = 0;
  #end = 0;
  readonly #table: RegionTable;

  constructor(table: RegionTable) {
    this.#table = table;
  }

  /**
   * True where [address, address + length) lies within one region and `length` is not 0. False says
   * only that a closer look is needed: the buffer may cross into an adjacent region.
   */
  plain(low: number, high: number, length: number): boolean {
    const address = high * 4294967296 + low;
    if (address >= this.#start && address + length <= this.#end) return length !== 0;
    const index = high < 0x200000 ? this.#table.indexOf(address) : -1;
    if (index < 0) return false;
    this.#start = this.#table.startOf(index);
    this.#end = this.#table.endOf(index);
    return length !== 0 && address + length <= this.#end;
  }
}
