/**
 * Guest memory as the oracle sees it: a plain list of ranges, searched from front to end and read
 * byte by byte. Slow, and hard to get wrong.
 *
 * @module
 */

/** [guest, guest + length) is memory. */
export interface OracleRange {
  readonly guest: bigint;
  /** Bytes. */
  readonly length: bigint;
  /** Address in the front-end's process, or null. */
  readonly user: bigint | null;
  /** The byte at an offset from the range's start; null where the host can not read it. */
  readonly byte: (offset: bigint) => number | null;
  /** Every byte of it can be read. */
  readonly whole: boolean;
}

/** Which addresses are meant. */
export type Space = "guest" | "user";

/** All ranges of a guest, in any order. They do not overlap. */
export type OracleMemory = readonly OracleRange[];

const LIMIT = 1n << 64n;

function startOf(range: OracleRange, space: Space): bigint | null {
  return space === "guest" ? range.guest : range.user;
}

function holds(range: OracleRange, address: bigint, space: Space): boolean {
  const start = startOf(range, space);
  return start !== null && address >= start && address < start + range.length;
}

/** The byte at an address; null where there is none or it can not be read. */
function byteAt(memory: OracleMemory, address: bigint, space: Space): number | null {
  const range = memory.find((one) => holds(one, address, space));
  return range === undefined ? null : range.byte(address - (startOf(range, space) as bigint));
}

/** A little-endian number of `length` bytes, or null where one of them is missing. */
export function numberAt(
  memory: OracleMemory,
  address: bigint,
  length: number,
  space: Space = "guest",
): bigint | null {
  let value = 0n;
  for (let n = length - 1; n >= 0; n--) {
    const byte = byteAt(memory, address + BigInt(n), space);
    if (byte === null) return null;
    value = value << 8n | BigInt(byte);
  }
  return value;
}

/** Whether every byte of [address, address + length) can be read. */
export function canRead(
  memory: OracleMemory,
  address: bigint,
  length: number,
  space: Space = "guest",
): boolean {
  const end = address + BigInt(length);
  for (let at = address; at < end;) {
    const range = memory.find((one) => holds(one, at, space));
    if (range === undefined) return false;
    const start = startOf(range, space) as bigint;
    if (!range.whole && range.byte(at - start) === null) return false;
    at = range.whole ? start + range.length : at + 1n;
  }
  return true;
}

/**
 * The first address in [address, address + length) that is not memory, or null where all of it is.
 * An address of 2^64 is none.
 */
export function firstMissing(
  memory: OracleMemory,
  address: bigint,
  length: bigint,
  space: Space = "guest",
): bigint | null {
  let at = address;
  while (at < address + length) {
    const range = memory.find((one) => holds(one, at, space));
    if (range === undefined || at >= LIMIT) return at;
    at = (startOf(range, space) as bigint) + range.length;
  }
  return null;
}

/** `hole` where a missing address has memory on both sides, else `outside`. */
export function missingKind(memory: OracleMemory, address: bigint): "hole" | "outside" {
  const below = memory.some((range) => range.guest < address);
  const above = memory.some((range) => range.guest > address);
  return below && above ? "hole" : "outside";
}

/** Bytes of all ranges together. */
export function memorySize(memory: OracleMemory): bigint {
  return memory.reduce((sum, range) => sum + range.length, 0n);
}
