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
  /** Guest address of the first byte. */
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
  /** Reads through a table; the name is for messages. */
  constructor(readonly table: RegionTable, readonly name = "guest memory") {}

  /**
   * Copies exactly `target.length` bytes from `address` into `target`; null on success, else why not.
   * Nothing is guaranteed about `target` on failure.
   */
  copy(address: bigint, target: Uint8Array): "hole" | "outside" | { errno: string } | null {
    const one = this.#within(address, BigInt(target.length));
    if (one !== null) {
      const offset = one.offset + Number(address - one.guest);
      const { length, errno } = one.backing.copy(offset, target);
      return length < target.length ? { errno: errno ?? "EFAULT" } : null;
    }
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

  /** Copies up to `target.length` bytes from `address` on; gives how many before memory ended. */
  copySome(address: bigint, target: Uint8Array): number {
    const one = this.#within(address, BigInt(target.length));
    if (one !== null) {
      return one.backing.copy(one.offset + Number(address - one.guest), target).length;
    }
    let done = 0;
    for (const slice of this.slices(address, BigInt(target.length))) {
      if (slice.region === null) break;
      const part = target.subarray(done, done + slice.length);
      const { length } = slice.region.backing.copy(slice.offset, part);
      done += length;
      if (length < part.length) break;
    }
    return done;
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
   * [address, address + length) as spans, in order, bytes at most `chunk` at a time. Zero pages of
   * sparse memory are given as bytes and not allocated; a page that can not be read hides no other.
   * Past 2^64 nothing is given.
   */
  *read(address: bigint, length: bigint, chunk = 1 << 20): Generator<MemorySpan> {
    yield* joined(this.#spans(address, length, chunk));
  }

  *#spans(address: bigint, length: bigint, chunk: number): Generator<MemorySpan> {
    for (const slice of this.slices(address, length, chunk)) {
      if (slice.region === null) {
        yield { state: "hole", address: slice.address, length: BigInt(slice.length) };
      } else {
        yield* readSlice(slice, slice.region.backing);
      }
    }
  }

  /**
   * The slices of a range, holes included, each at most `chunk` bytes (holes: at most 2^52). Throws
   * RangeError for a chunk that is no count of at least 1.
   */
  *slices(address: bigint, length: bigint, chunk = Number.MAX_SAFE_INTEGER): Generator<Slice> {
    if (!Number.isSafeInteger(chunk) || chunk < 1) throw new RangeError(`chunk of ${chunk} bytes`);
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
    if (this.#within(address, length) !== null) return "ok";
    for (const slice of this.slices(address, length === 0n ? 1n : length)) {
      if (slice.region === null) return this.#missing(slice.address);
    }
    return "ok";
  }

  /** The region that holds all of a range: mostly there is one. */
  #within(address: bigint, length: bigint): Region | null {
    const region = this.table.at(address);
    return region !== null && address + length <= regionEnd(region) ? region : null;
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
   * `overflow`) before a byte is written; only at a page that can not be written (`unreadable`) is a
   * part written already.
   */
  write(address: bigint, source: Uint8Array): void {
    if (address + BigInt(source.length) > ADDRESS_LIMIT) {
      this.#fail(address, source.length, "overflow");
    }
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

/** What can be read of a slice; behind a page that can not, reading goes on. */
function* readSlice(slice: Slice, backing: Backing): Generator<MemorySpan> {
  const bytes = new Uint8Array(slice.length);
  for (let done = 0; done < slice.length;) {
    const rest = bytes.subarray(done);
    const { length, errno } = backing.copy(slice.offset + done, rest);
    const address = slice.address + BigInt(done);
    if (length > 0) yield { state: "bytes", address, length, bytes: rest.subarray(0, length) };
    done += length;
    if (done === slice.length) return;
    const page = backing.pageSize - (slice.offset + done) % backing.pageSize;
    const skipped = Math.min(page, slice.length - done);
    yield {
      state: "unreadable",
      address: slice.address + BigInt(done),
      length: BigInt(skipped),
      errno: errno ?? "EFAULT",
    };
    done += skipped;
  }
}

/** Adjacent unreadable spans of one errno as one. */
function* joined(spans: Iterable<MemorySpan>): Generator<MemorySpan> {
  let held: MemorySpan | null = null;
  for (const span of spans) {
    const both: MemorySpan | null = held === null ? null : together(held, span);
    if (held !== null && both === null) yield held;
    held = both ?? span;
    if (span.state === "unreadable") continue;
    yield span;
    held = null;
  }
  if (held !== null) yield held;
}

function together(a: MemorySpan, b: MemorySpan): MemorySpan | null {
  if (a.state !== "unreadable" || b.state !== "unreadable" || a.errno !== b.errno) return null;
  return { ...a, length: a.length + b.length };
}

function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
