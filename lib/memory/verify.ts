/**
 * Whether a region's bytes can be had.
 *
 * @module
 */
import type { Backing } from "./backing.ts";
import type { Region } from "./region.ts";
import type { RegionTable } from "./region_table.ts";

/**
 * Reads the first and the last byte of every region, as a copy that populates nothing; of a region
 * with gaps where nothing is, those of its first extent. Gives `ok` or the errno's name per region.
 */
export function verifyRegions(table: RegionTable): Map<Region, string> {
  return new Map(table.regions.map((region) => [region, verifyRegion(region)]));
}

function verifyRegion({ backing, offset, length }: Region): string {
  const byte = new Uint8Array(1);
  const { first, last } = endsOf(backing, offset, offset + Number(length));
  return backing.copy(first, byte).errno ?? backing.copy(last, byte).errno ?? "ok";
}

/** A region without any extent is tried as if it had none of the gaps: the read says why not. */
function endsOf(backing: Backing, start: number, end: number): { first: number; last: number } {
  const data = backing.gaps === "hole" ? backing.nextData(start) : null;
  if (data === null || data.start >= end) return { first: start, last: end - 1 };
  return { first: data.start, last: Math.min(data.end, end) - 1 };
}
