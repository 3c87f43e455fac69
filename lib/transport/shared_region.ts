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
 * Sorts out regions that can not be: empty, past 2^64, with an id that an earlier one has (ids are
 * unique to a device, 4.1.4.7), or over an earlier one.
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
  const start = startOf(region);
  if (region.length === 0n) return "is empty";
  if (start + region.length > ADDRESS_LIMIT) return `${hex(start)}+${hex(region.length)} wraps`;
  if (earlier.some(({ id }) => id === region.id)) return "its id is used twice";
  const other = earlier.find((one) => overlap(one, region));
  return other === undefined ? null : `overlaps region ${other.id}`;
}

/** Regions in different BARs are apart. */
function overlap(a: SharedRegion, b: SharedRegion): boolean {
  if (a.place.kind === "bar" && b.place.kind === "bar" && a.place.bar !== b.place.bar) return false;
  return startOf(a) < startOf(b) + b.length && startOf(b) < startOf(a) + a.length;
}

function startOf({ place }: SharedRegion): bigint {
  return place.kind === "bar" ? place.offset : place.address;
}
