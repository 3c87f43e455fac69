/**
 * A range of guest memory and what stands behind it.
 *
 * @module
 */
import { ADDRESS_LIMIT, type GuestAddress, hex, type UserAddress } from "../address.ts";
import type { Backing } from "./backing.ts";

/** Rights that a reader of the table has. Rights only narrow: see `RegionTable.narrow`. */
export type Access = "ro" | "rw";

/** [guest, guest + length) is backed by [offset, offset + length) of `backing`. */
export interface Region {
  /** First guest address, inclusive. */
  readonly guest: GuestAddress;
  /** Bytes; greater than 0. */
  readonly length: bigint;
  /** The bytes behind it. */
  readonly backing: Backing;
  /** Offset of the region's first byte in its backing. */
  readonly offset: number;
  /** What may be done through this table. */
  readonly access: Access;
  /** `ram0`, `pc.bios`, `region 2`: what the source calls it. */
  readonly name: string;
  /** Where the front-end has it, if ring addresses may be given so. */
  readonly user: UserAddress | null;
}

/** First address after the region; at most 2^64. */
export function regionEnd(region: Region): bigint {
  return region.guest + region.length;
}

/** Throws RangeError where a region can not exist: empty, past 2^64, or past its backing. */
export function checkRegion(region: Region): void {
  const { guest, length, offset, backing, user } = region;
  const fail = (why: string) => {
    throw new RangeError(`region ${region.name} at ${hex(guest)}+${hex(length)}: ${why}`);
  };
  if (length <= 0n) fail("length is not positive");
  if (guest + length > ADDRESS_LIMIT) fail("wraps past 2^64");
  if (user !== null && user + length > ADDRESS_LIMIT) fail("user address wraps past 2^64");
  if (!Number.isSafeInteger(offset) || offset < 0) fail(`offset ${offset} is not a byte offset`);
  if (BigInt(offset) + length > BigInt(backing.length)) {
    fail(
      `ends at ${hex(BigInt(offset) + length)}, past ${backing.label} of ${hex(backing.length)}`,
    );
  }
}
