/**
 * Reads that cross regions and holes. Three states are never mixed: bytes, hole, unreadable.
 *
 * @module
 */
import { ADDRESS_LIMIT } from "../address.ts";
import { GuestMemoryError } from "../errors.ts";
import type { Backing, WritableBacking } from "./backing.ts";
import type { Region } from "./region.ts";
import { regionEnd } from "./region.ts";
import type { RegionTable } from "./region_table.ts";

/** One stretch of guest memory in one state. Spans are adjacent and in address order. */
export type MemorySpan =
  | {
    readonly state: "bytes";
    readonly address: bigint;
    readonly length: number;
    readonly bytes: Uint8Array;
  }
  /** No memory there. */
  | { readonly state: "hole"; readonly address: bigint; readonly length: bigint }
  /** Memory is there, but the host can not read it. */
  | {
    readonly state: "unreadable";
    readonly address: bigint;
    readonly length: bigint;
    readonly errno: string;
  };

/** A part of one region: what a stretch of guest addresses resolves to. */
export interface Slice {
  readonly address: bigint;
  /** Bytes; at most what was asked for. */
  readonly length: number;
  /** null where no region is. */
  readonly region: Region | null;
  /** Offset in the region's backing; 0 for a hole. */
  readonly offset: number;
}

/** Where a range resolves: as descriptors need it. */
export type RangeStatus = "ok" | "hole" | "outside" | "unreadable";

/** Read-only view of a guest's memory through a table. */
export class GuestMemory {
  constructor(readonly table: RegionTable, readonly name = "guest memory") {}

  /**
   * Copies exactly `target.length` bytes from `address` into `target`; null on success, else why not.
   * Nothing is guaranteed about `target` on failure.
   */
  copy(address: bigint, target: Uint8Array): "hole" | "outside" | { errno: string } | null {
    let done = 0;
    for (const slice of this.slices(address, BigInt(target.length))) {
      if (slice.region === null) return this.#missing(slice.address);
      const part = target.subarray(done, done + slice.length);
      const result = slice.region.backing.copy(slice.offset, part);
      if (result.length < part.length) return { errno: result.errno ?? "EFAULT" };
      done += slice.length;
    }
    return done === target.length ? null : "outside";
  }

  /** A copy of exactly `length` bytes. Throws {@linkcode GuestMemoryError} where any is missing. */
  bytes(address: bigint, length: number): Uint8Array {
    const target = new Uint8Array(length);
    const fault = this.copy(address, target);
    if (fault === null) return target;
    const [kind, errno] = typeof fault === "string"
      ? [fault, null] as const
      : ["unreadable", fault.errno] as const;
    throw new GuestMemoryError("read", this.name, address, BigInt(length), kind, errno);
  }

  /**
   * [address, address + length) as spans, in order, at most `chunk` bytes each. Zero pages of sparse
   * memory are given as bytes and not allocated. Past 2^64 nothing is given.
   */
  *read(address: bigint, length: bigint, chunk = 1 << 20): Generator<MemorySpan> {
    for (const slice of this.slices(address, length, chunk)) {
      if (slice.region === null) {
        yield { state: "hole", address: slice.address, length: BigInt(slice.length) };
      } else {
        yield* readSlice(slice, slice.region.backing);
      }
    }
  }

  /** The slices of a range, holes included, each at most `chunk` bytes (holes: at most 2^52). */
  *slices(address: bigint, length: bigint, chunk = Number.MAX_SAFE_INTEGER): Generator<Slice> {
    const end = address + length < ADDRESS_LIMIT ? address + length : ADDRESS_LIMIT;
    let at = address;
    while (at < end) {
      const region = this.table.at(at);
      const stop = region === null ? this.table.after(at)?.guest ?? end : regionEnd(region);
      const limit = region === null ? 2 ** 52 : chunk;
      const size = Number(minimum(minimum(stop, end) - at, BigInt(limit)));
      const offset = region === null ? 0 : region.offset + Number(at - region.guest);
      yield { address: at, length: size, region, offset };
      at += BigInt(size);
    }
  }

  /** Whether [address, address + length) is all memory. Does not touch it. */
  status(address: bigint, length: bigint): "ok" | "hole" | "outside" {
    if (address + length > ADDRESS_LIMIT) return "outside";
    for (const slice of this.slices(address, length === 0n ? 1n : length)) {
      if (slice.region === null) return this.#missing(slice.address);
    }
    return "ok";
  }

  /** A missing address between two regions is a hole; one before the first or after the last is outside. */
  #missing(address: bigint): "hole" | "outside" {
    const { regions } = this.table;
    if (regions.length === 0 || address < regions[0].guest) return "outside";
    return address < regionEnd(regions[regions.length - 1]) ? "hole" : "outside";
  }
}

/** Guest memory that may be written where its regions say `rw`. */
export class WritableGuestMemory extends GuestMemory {
  /**
   * Writes all of `source` at `address`, or throws {@linkcode GuestMemoryError} (`hole`, `read-only`,
   * `unreadable`) before a byte is written; only a page that vanishes meanwhile leaves a part written.
   */
  write(address: bigint, source: Uint8Array): void {
    const slices = [...this.slices(address, BigInt(source.length))];
    slices.forEach((slice) => this.#checkWritable(slice));
    let done = 0;
    for (const slice of slices) {
      const backing = (slice.region as Region).backing as WritableBacking;
      const part = source.subarray(done, done + slice.length);
      const result = backing.store(slice.offset, part);
      if (result.length < part.length) {
        this.#fail(slice.address + BigInt(result.length), part.length, "unreadable", result.errno);
      }
      done += slice.length;
    }
    if (done < source.length) this.#fail(address, source.length, "overflow");
  }

  #checkWritable(slice: Slice): void {
    if (slice.region === null) this.#fail(slice.address, slice.length, "hole");
    else if (slice.region.access !== "rw" || !("store" in slice.region.backing)) {
      this.#fail(slice.address, slice.length, "read-only");
    }
  }

  #fail(
    address: bigint,
    length: number,
    kind: "hole" | "read-only" | "unreadable" | "overflow",
    errno: string | null = null,
  ): never {
    throw new GuestMemoryError("write", this.name, address, BigInt(length), kind, errno);
  }
}

function* readSlice(slice: Slice, backing: Backing): Generator<MemorySpan> {
  const bytes = new Uint8Array(slice.length);
  const { length, errno } = backing.copy(slice.offset, bytes);
  if (length > 0) {
    yield { state: "bytes", address: slice.address, length, bytes: bytes.subarray(0, length) };
  }
  if (length < slice.length) {
    const rest = BigInt(slice.length - length);
    const at = slice.address + BigInt(length);
    yield { state: "unreadable", address: at, length: rest, errno: errno ?? "EFAULT" };
  }
}

function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
