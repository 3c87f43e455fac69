/**
 * Composed memory: parts of other memories put beyond a guest's storage, or in place of some of it,
 * each with its own rights, holes kept. An immutable operation on tables, as segments of one address
 * space have always been composed: named, discontiguous, shared here and exclusive there.
 *
 * ```text
 *  guest    ┌──────── ram ────────┐           ┌─ rom ─┐
 *  added              ┌─ a ─┐        ┌─ b ─┐
 *  table    ├─ ram ──┼─ a ─┼─ ram ┤  ├─ b ─┤  ├─ rom ─┤
 *                     replace          beyond
 * ```
 *
 * @module
 */
import { ADDRESS_LIMIT, type GuestAddress, guestAddress, hex } from "../address.ts";
import type { GuestMemory } from "./guest_memory.ts";
import { type Access, type Region, regionEnd } from "./region.ts";
import { RegionTable } from "./region_table.ts";

/** A part of one memory, and where it goes in another. */
export interface Segment {
  /** Where its first byte goes. */
  readonly guest: GuestAddress;
  readonly from: GuestMemory;
  /** [offset, offset + length) of `from`, as its guest addresses. */
  readonly offset: bigint;
  readonly length: bigint;
  /** At most this; what `from` gives read-only stays so. */
  readonly access: Access;
  /** For people; the regions keep their own names behind it. */
  readonly name: string;
}

/**
 * The regions of a segment in their new place: as many as its source has there, with the same holes
 * between them. Throws RangeError where it is empty, wraps past 2^64, holds no memory at all, or reaches
 * past either end of its source: what is shorter than what was asked for must not go unsaid.
 */
export function place(segment: Segment): Region[] {
  const { guest, from, offset, length, access, name } = segment;
  const what = `segment ${name} at ${hex(guest)}`;
  if (length <= 0n) throw new RangeError(`${what}: length is not positive`);
  if (guest + length > ADDRESS_LIMIT) throw new RangeError(`${what}: wraps past 2^64`);
  const regions = [...from.slices(offset, length)].flatMap((slice): Region[] => {
    if (slice.region === null) return [];
    return [{
      guest: guestAddress(guest + (slice.address - offset)),
      length: BigInt(slice.length),
      backing: slice.region.backing,
      offset: slice.offset,
      access: access === "rw" ? slice.region.access : "ro",
      name: `${name}: ${slice.region.name}`,
      user: null,
    }];
  });
  if (regions.length === 0) {
    throw new RangeError(
      `${what}: [${hex(offset)}, +${hex(length)}) holds no memory in ${from.name}`,
    );
  }
  checkEnds(segment, what);
  return regions;
}

function checkEnds({ from, offset, length }: Segment, what: string): void {
  const { regions } = from.table;
  const [start, end] = [regions[0].guest, regionEnd(regions[regions.length - 1])];
  if (offset >= start && offset + length <= end) return;
  const wanted = `[${hex(offset)}, +${hex(length)})`;
  throw new RangeError(
    `${what}: ${wanted} is not all in ${from.name}, which is [${hex(start)}, ${hex(end)})`,
  );
}

/**
 * A table with regions put in. With `replace` they take the place of what was there; without, an
 * overlap is a RangeError that names both.
 */
export function compose(
  table: RegionTable,
  added: readonly Region[],
  replace: boolean,
): RegionTable {
  const kept = replace
    ? added.reduce((regions, one) => regions.flatMap((old) => without(old, one)), [
      ...table.regions,
    ])
    : table.regions;
  return new RegionTable([...kept, ...added]);
}

/** What is left of a region when another takes its place: nothing, one end, or both. */
function without(old: Region, taken: Region): Region[] {
  if (regionEnd(taken) <= old.guest || taken.guest >= regionEnd(old)) return [old];
  const before = taken.guest > old.guest ? [part(old, old.guest, taken.guest)] : [];
  const after = regionEnd(taken) < regionEnd(old)
    ? [part(old, regionEnd(taken), regionEnd(old))]
    : [];
  return [...before, ...after];
}

/** [start, end) of a region. */
function part(region: Region, start: bigint, end: bigint): Region {
  const into = start - region.guest;
  return {
    ...region,
    guest: guestAddress(start),
    length: end - start,
    offset: region.offset + Number(into),
    user: region.user === null ? null : (region.user + into) as Region["user"],
  };
}
