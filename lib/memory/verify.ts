/**
 * Whether a region's bytes can be had.
 *
 * @module
 */
import type { Region } from "./region.ts";
import type { RegionTable } from "./region_table.ts";

/**
 * Reads the first and the last byte of every region, as a copy that populates nothing. Gives `ok` or
 * the errno's name per region.
 */
export function verifyRegions(table: RegionTable): Map<Region, string> {
  return new Map(table.regions.map((region) => [region, verifyRegion(region)]));
}

function verifyRegion({ backing, offset, length }: Region): string {
  const byte = new Uint8Array(1);
  const last = offset + Number(length) - 1;
  return backing.copy(offset, byte).errno ?? backing.copy(last, byte).errno ?? "ok";
}
