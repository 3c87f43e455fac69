/**
 * Shared memory regions of a device: virtio 1.4, 2.10. One view for all that ever announced them:
 * PCI capabilities, MMIO registers, and the register proposal of 2010.
 *
 * @module
 */
import { ADDRESS_LIMIT, hex } from "../address.ts";

/** Where a region lies. */
export type RegionPlace =
  /** In a BAR, at a byte offset. */
  | { readonly kind: "bar"; readonly bar: number; readonly offset: bigint }
  /** At a guest physical address. */
  | { readonly kind: "guest"; readonly address: bigint };

/** One region. */
export interface SharedRegion {
  /** `shmid`: what it is for depends on the device type (fs 0: DAX window, gpu 1: host-visible). */
  readonly id: number;
  /** Bytes; greater than 0. */
  readonly length: bigint;
  readonly place: RegionPlace;
}

/** What a device announces. */
export interface SharedRegions {
  readonly regions: readonly SharedRegion[];
  /** What was announced and can not be: one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Sorts out regions that can not be: empty, past 2^64, or with an id that an earlier one has (ids are
 * unique to a device, 4.1.4.7).
 */
export function usableRegions(announced: readonly SharedRegion[]): SharedRegions {
  const regions: SharedRegion[] = [];
  const notes: string[] = [];
  for (const region of announced) {
    const problem = problemOf(region, regions);
    if (problem === null) regions.push(region);
    else notes.push(`shared memory region ${region.id}: ${problem}`);
  }
  return { regions, notes };
}

function problemOf(region: SharedRegion, earlier: readonly SharedRegion[]): string | null {
  const start = region.place.kind === "bar" ? region.place.offset : region.place.address;
  if (region.length === 0n) return "is empty";
  if (start + region.length > ADDRESS_LIMIT) return `${hex(start)}+${hex(region.length)} wraps`;
  return earlier.some(({ id }) => id === region.id) ? "its id is used twice" : null;
}
