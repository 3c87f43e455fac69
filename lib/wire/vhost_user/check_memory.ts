/**
 * Whether regions can exist: checked before anything is mapped and before a peer is told.
 *
 * @module
 */
import { ADDRESS_LIMIT, hex } from "../../address.ts";
import { ProtocolError } from "../../errors.ts";
import type { WireRegion } from "./payload.ts";
import { xenMapping } from "./xen_region.ts";

/**
 * Throws ProtocolError for a region that is empty, wraps past 2^64 in any of its three spaces, or
 * has impossible Xen fields. `name` is for the message: `region 2`.
 */
export function checkRegionFields(region: WireRegion, name: string): void {
  if (region.size === 0n) throw wrong(name, "a size above 0", "0");
  const starts = [
    ["guest address", region.guestAddress],
    ["user address", region.userAddress],
    ["mmap offset", region.mmapOffset],
  ] as const;
  for (const [what, start] of starts) {
    if (start + region.size > ADDRESS_LIMIT) {
      throw wrong(`${name}'s ${what}`, "an end within 2^64", `${hex(start)}+${hex(region.size)}`);
    }
  }
  xenMapping(region);
}

/**
 * Throws ProtocolError where two regions overlap in guest or in user addresses. Regions that are
 * grants are in an address space of their own (bit 63) and are compared like any other.
 */
export function checkRegionsApart(regions: readonly WireRegion[]): void {
  checkApart(regions, "guest", (region) => region.guestAddress);
  checkApart(regions, "user", (region) => region.userAddress);
}

/** Both checks for a whole table. */
export function checkRegions(regions: readonly WireRegion[]): void {
  regions.forEach((region, index) => checkRegionFields(region, `region ${index}`));
  checkRegionsApart(regions);
}

/** Whether REM_MEM_REG's `wanted` names `region`: the offset does not count. */
export function sameRegion(region: WireRegion, wanted: WireRegion): boolean {
  return region.guestAddress === wanted.guestAddress && region.userAddress === wanted.userAddress &&
    region.size === wanted.size;
}

function checkApart(
  regions: readonly WireRegion[],
  space: string,
  start: (region: WireRegion) => bigint,
): void {
  const order = [...regions].sort((a, b) => (start(a) < start(b) ? -1 : 1));
  for (let i = 1; i < order.length; i++) {
    if (start(order[i - 1]) + order[i - 1].size <= start(order[i])) continue;
    const range = (region: WireRegion) => `${hex(start(region))}+${hex(region.size)}`;
    const got = `${range(order[i - 1])} and ${range(order[i])}`;
    throw wrong(`${space} addresses`, "regions that do not overlap", got);
  }
}

function wrong(item: string, wanted: string, got: string): ProtocolError {
  return new ProtocolError("vhost-user", item, wanted, got);
}
