/**
 * The bytes behind a region, as the pure part of the project sees them. ffi's mappings satisfy this
 * structurally; tests satisfy it with an ArrayBuffer.
 *
 * @module
 */

/** How a copy ended. `length < wanted` means that byte `offset + length` could not be read. */
export interface CopyResult {
  /** Bytes copied from the start of the range. */
  readonly length: number;
  /** errno by name of what stopped it (`EFAULT`, `EIO` …); null when everything was copied. */
  readonly errno: string | null;
}

/** A range [start, end) of offsets that holds data; what is between extents, `Backing.gaps` says. */
export interface Extent {
  /** First byte with data, inclusive. */
  readonly start: number;
  /** First byte after it, exclusive. */
  readonly end: number;
}

/** What is between the extents of a backing. */
export type Gaps = "zeros" | "hole" | "unreadable";

/** Bytes behind one or more regions. Offsets are bytes from the backing's start. */
export interface Backing {
  /** Length in bytes. */
  readonly length: number;
  /** What it is, for people: `/dev/shm/vm1`, `memfd:ram0`. */
  readonly label: string;
  /** Bytes per page of what backs it (4096, 2 MiB …); informational. */
  readonly pageSize: number;
  /** How bytes are read and why so, for people; absent where there is nothing to tell. */
  readonly how?: string;
  /**
   * Copies `target.length` bytes from `offset` on. Does not throw, does not fault and does not
   * allocate pages of sparse memory; a range beyond `length` is short with `EFAULT`.
   */
  copy(offset: number, target: Uint8Array): CopyResult;
  /**
   * The whole backing in place, where [offset, offset + length) can neither vanish under the reader
   * nor be a file hole that a read would populate; else null. The buffer may be shared and live:
   * copy each value once before checking it.
   */
  live(offset: number, length: number): ArrayBufferLike | null;
  /** First extent with data that ends after `offset`, or null when only gaps follow. */
  nextData(offset: number): Extent | null;
  /**
   * What is between extents. `zeros` (as where it is absent): file holes, which read as zeros and are
   * not to be populated. `hole`: nothing; a read there fails. `unreadable`: memory that can not be had
   * (`ENODATA`), which is known without trying page by page.
   */
  readonly gaps?: Gaps;
  /**
   * Offsets (from the backing's start) at which `pattern` stands wholly in [offset, offset + length),
   * ascending, found where the bytes are instead of in a copy. Null where that is not possible for all
   * of the range. Absent where it never is.
   */
  find?(offset: number, length: number, pattern: Uint8Array): readonly number[] | null;
}

/** A backing that may also be written. Types that only read never see this. */
export interface WritableBacking extends Backing {
  /** Copies `source` to `offset`. Returns how far it got, like {@linkcode Backing.copy}. */
  store(offset: number, source: Uint8Array): CopyResult;
  /** The whole backing in place for writing, under the conditions of {@linkcode Backing.live}. */
  liveWritable(): ArrayBufferLike | null;
}

/** Backing over an ArrayBuffer: images in tests, decoded dumps, the demo's own memory. */
export class BufferBacking implements WritableBacking {
  readonly length: number;
  readonly #bytes: Uint8Array;

  /** Over all of a buffer. Nothing is copied, and the buffer is not kept from changing. */
  constructor(
    /** The bytes. */
    readonly buffer: ArrayBufferLike,
    /** What it is, for people. */
    readonly label = "buffer",
    /** Bytes per page; informational. */
    readonly pageSize = 4096,
  ) {
    this.length = buffer.byteLength;
    this.#bytes = new Uint8Array(buffer);
  }

  copy(offset: number, target: Uint8Array): CopyResult {
    const length = available(this.length, offset, target.length);
    if (length > 0) target.set(this.#bytes.subarray(offset, offset + length));
    return { length, errno: length === target.length ? null : "EFAULT" };
  }

  live(offset: number, length: number): ArrayBufferLike | null {
    return offset >= 0 && offset + length <= this.length ? this.buffer : null;
  }

  nextData(offset: number): Extent | null {
    return offset < this.length ? { start: Math.max(0, offset), end: this.length } : null;
  }

  store(offset: number, source: Uint8Array): CopyResult {
    const length = available(this.length, offset, source.length);
    if (length > 0) this.#bytes.set(source.subarray(0, length), offset);
    return { length, errno: length === source.length ? null : "EFAULT" };
  }

  liveWritable(): ArrayBufferLike {
    return this.buffer;
  }
}

/** How many of `wanted` bytes from `offset` on lie within `length`. */
export function available(length: number, offset: number, wanted: number): number {
  if (offset < 0 || offset >= length) return 0;
  return Math.min(wanted, length - offset);
}
