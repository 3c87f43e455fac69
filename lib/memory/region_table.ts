/**
 * All regions of a guest: immutable, sorted, non-overlapping. Hotplug makes a new table.
 *
 * @module
 */
import { hex } from "../address.ts";
import { type Access, checkRegion, type Region, regionEnd } from "./region.ts";

/** Largest address whose arithmetic is exact in a double, less room for a 32-bit length. */
const EXACT = 2 ** 53 - 2 ** 33;

/** An immutable set of regions with lookup by guest or by user address. */
export class RegionTable {
  /** Sorted by guest address. */
  readonly regions: readonly Region[];
  readonly #byUser: readonly Region[];
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  #last = 0;

  /** Throws RangeError when a region is impossible or two of them overlap in either space. */
  constructor(regions: readonly Region[]) {
    regions.forEach(checkRegion);
    this.regions = sorted(regions, (region) => region.guest);
    this.#byUser = sorted(
      regions.filter((region) => region.user !== null),
      (region) => region.user as bigint,
    );
    // Addresses a double cannot hold exactly are left out of the fast path (NaN compares false).
    this.#starts = Float64Array.from(this.regions, (region) => exact(region.guest));
    this.#ends = Float64Array.from(this.regions, (region) => exact(regionEnd(region)));
  }

  /** Bytes of all regions together. */
  get size(): bigint {
    return this.regions.reduce((sum, region) => sum + region.length, 0n);
  }

  /**
   * Index of the region that holds an address given as a double, or -1. For loops over descriptors:
   * allocates nothing and tries the last hit first. Regions that end above 2^53 - 2^33 are never
   * found here.
   */
  indexOf(address: number): number {
    const last = this.#last;
    if (address >= this.#starts[last] && address < this.#ends[last]) return last;
    let low = 0;
    let high = this.#starts.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const inside = address >= this.#starts[middle] && address < this.#ends[middle];
      if (inside) return this.#last = middle;
      // NaN compares false: a region that is not exact is above all that is looked for here.
      if (address >= this.#ends[middle]) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** Start of region `index` as a double; NaN where it is not exact. */
  startOf(index: number): number {
    return this.#starts[index];
  }

  /** End (exclusive) of region `index` as a double; NaN where it is not exact. */
  endOf(index: number): number {
    return this.#ends[index];
  }

  /** The region that holds a guest address, or null. */
  at(address: bigint): Region | null {
    return search(this.regions, address, (region) => region.guest);
  }

  /** The region that holds a user address, or null. */
  atUser(address: bigint): Region | null {
    return search(this.#byUser, address, (region) => region.user as bigint);
  }

  /** Guest address of a user address, or null where no region has it. */
  toGuest(user: bigint): bigint | null {
    const region = this.atUser(user);
    return region === null ? null : region.guest + (user - (region.user as bigint));
  }

  /** User address of a guest address, or null. */
  toUser(guest: bigint): bigint | null {
    const region = this.at(guest);
    return region === null || region.user === null ? null : region.user + (guest - region.guest);
  }

  /** First region that starts at or after an address, or null. */
  after(address: bigint): Region | null {
    let low = 0;
    let high = this.regions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.regions[middle].guest < address) low = middle + 1;
      else high = middle;
    }
    return this.regions[low] ?? null;
  }

  /** Holes between the regions, as [start, end) guest addresses; none before the first or after the last. */
  holes(): { start: bigint; end: bigint }[] {
    return this.regions.slice(1).flatMap((region, index) => {
      const start = regionEnd(this.regions[index]);
      return start < region.guest ? [{ start, end: region.guest }] : [];
    });
  }

  /** A table with one more region. Throws RangeError on overlap. */
  with(region: Region): RegionTable {
    return new RegionTable([...this.regions, region]);
  }

  /** A table without the regions that start at `guest`. */
  without(guest: bigint): RegionTable {
    return new RegionTable(this.regions.filter((region) => region.guest !== guest));
  }

  /** The same table with every region's access narrowed to at most `access`. */
  narrow(access: Access): RegionTable {
    if (access === "rw") return this;
    return new RegionTable(this.regions.map((region) => ({ ...region, access: "ro" })));
  }
}

function exact(address: bigint): number {
  return address <= BigInt(EXACT) ? Number(address) : NaN;
}

function sorted(regions: readonly Region[], start: (region: Region) => bigint): Region[] {
  const list = [...regions].sort((
    a,
    b,
  ) => (start(a) < start(b) ? -1 : start(a) > start(b) ? 1 : 0));
  for (let i = 1; i < list.length; i++) {
    if (start(list[i - 1]) + list[i - 1].length > start(list[i])) {
      const [a, b] = [list[i - 1], list[i]];
      throw new RangeError(
        `regions overlap: ${a.name} [${hex(start(a))}, ${hex(start(a) + a.length)}) and ` +
          `${b.name} [${hex(start(b))}, ${hex(start(b) + b.length)})`,
      );
    }
  }
  return list;
}

function search(
  list: readonly Region[],
  address: bigint,
  start: (region: Region) => bigint,
): Region | null {
  let low = 0;
  let high = list.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const region = list[middle];
    if (address < start(region)) high = middle - 1;
    else if (address >= start(region) + region.length) low = middle + 1;
    else return region;
  }
  return null;
}
