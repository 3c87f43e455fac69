/**
 * Memory that a guest names by grant instead of by address: virtio over Xen sets bit 63 of a
 * descriptor's address, with the grant reference above the offset in its page.
 *
 * ```text
 *  63 62                44 43                12 11        0
 * +--+--------------------+--------------------+-----------+
 * |1 |         0          |  grant reference   |  offset   |      Linux drivers/xen/grant-dma-ops.c
 * +--+--------------------+--------------------+-----------+
 * ```
 *
 * Consecutive references of one buffer make consecutive addresses, so buffers may cross pages.
 *
 * @module
 */
import { GRANT_FLAG, guestAddress } from "../address.ts";
import type { Extent } from "../memory/backing.ts";
import type { Region } from "../memory/region.ts";
import { grantedRuns, type GrantRun, type GrantTable } from "./grant_table.ts";
import type { XenHost } from "./host.ts";
import { readGrantTable } from "./read_grants.ts";
import { openWindow, type Window } from "./window.ts";

/** A grant-encoded address taken apart; null for an ordinary one. */
export function grantAddress(
  address: bigint,
): { readonly ref: number; readonly offset: number } | null {
  if ((address & GRANT_FLAG) === 0n) return null;
  const page = (address & ~GRANT_FLAG) >> 12n;
  return page > 0xffff_ffffn ? null : { ref: Number(page), offset: Number(address & 0xfffn) };
}

/** Grant references in a row. */
export interface GrantRange {
  readonly first: number;
  readonly count: number;
}

/** Every reference there can be. */
const ALL_GRANTS: GrantRange = { first: 0, count: 2 ** 32 };

/**
 * A window over grants of a domain. Offset: 4096 * (reference - first). A grant is mapped when it is
 * read and unmapped at once: a guest can not take back a page that somebody has mapped. What is
 * granted to `reader` at the moment is its data; the rest is nothing.
 */
export function openGrantWindow(
  host: XenHost,
  domain: number,
  { first, count }: GrantRange = ALL_GRANTS,
  reader = 0,
): Window {
  const window = openWindow({
    length: count * 4096,
    label: `grants of domain ${domain}`,
    pieceSize: 4096,
    pieceLimit: 0,
    map: (index) => mapOne(host, domain, first + index),
  });
  const runs = () => grantedRuns(readGrantTable(host, domain), reader);
  return {
    ...window,
    gaps: "hole",
    nextData: (offset) => nextRun(runs(), { first, count }, offset),
  };
}

/** First run that ends after `offset`, cut to the range. */
function nextRun(runs: readonly GrantRun[], range: GrantRange, offset: number): Extent | null {
  for (const { first, count } of runs) {
    const start = Math.max(offset, (first - range.first) * 4096);
    const end = Math.min(first + count - range.first, range.count) * 4096;
    if (start < end) return { start: Math.max(0, start), end };
  }
  return null;
}

/** A grant that is for reading only is mapped so, even where writing was asked for. */
function mapOne(host: XenHost, domain: number, ref: number) {
  const gntdev = host.gntdev();
  if (!host.write) return gntdev.mapGrants(domain, [ref]);
  const grants = gntdev.mapWritableGrants(domain, [ref]);
  if (grants.faultOf(0) !== "read-only grant") return grants;
  grants[Symbol.dispose]();
  return gntdev.mapGrants(domain, [ref]);
}

/** A region per run of grants that `reader` may map, at the addresses that virtio gives them. */
export function grantRegions(
  table: GrantTable,
  window: Window,
  reader: number,
  write: boolean,
): Region[] {
  return grantedRuns(table, reader).map(({ first, count, readOnly }) => ({
    guest: guestAddress(GRANT_FLAG | (BigInt(first) << 12n)),
    length: BigInt(count) * 4096n,
    backing: window,
    offset: first * 4096,
    access: write && !readOnly ? "rw" : "ro",
    name: count === 1 ? `grant ${first}` : `grants ${first}-${first + count - 1}`,
    user: null,
  }));
}
