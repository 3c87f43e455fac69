/**
 * One owned mmap with its one ArrayBuffer.
 *
 * Guest memory may be truncated or punched out while we look at it, and must not grow because we
 * look. Three ways to read it follow, and the mapping picks the best that is safe:
 *
 * | memory                                   | copies                | in place                    |
 * | ---------------------------------------- | --------------------- | --------------------------- |
 * | memfd with F_SEAL_SHRINK, 4 KiB pages    | in place, else pread  | pages that hold data        |
 * | any other file, hugetlbfs                | pread                 | never                       |
 * | device or adopted mapping (Xen, BAR)     | through a scratch fd  | never                       |
 *
 * hugetlbfs counts as memory that may vanish even when sealed: a punched huge page is allocated anew
 * by a read, and where the pool is empty that read is SIGBUS.
 *
 * Satisfies `Backing` of lib/memory/backing.ts, and `WritableBacking` when writable.
 *
 * @module
 */
import { checkRange, type Origin, type Span, within } from "./file_backing.ts";
import { mapFile, type MappedParts, type MappingOptions, roundUp } from "./map_file.ts";
import type { Guarded } from "./scratch.ts";
import type { Sys } from "./sys.ts";

export type { MappingOptions } from "./map_file.ts";

/** Longer copies than this always ask the kernel: see `Mapping.copy`. */
const IN_PLACE_LIMIT = 16 * 1024;

/** A mapping that somebody else made, to own from now on. */
export interface AdoptOptions {
  readonly sys: Sys;
  /** Where it is; a multiple of the page size. */
  readonly address: bigint;
  /** Bytes; more than 0. */
  readonly length: number;
  readonly writable?: boolean;
  readonly label: string;
  /** Runs once, after munmap: gives slots or grants back and closes the device. */
  readonly release?: () => void;
}

/** Owned mapped memory. Every use after `close` throws. */
export class Mapping implements Disposable {
  /** Bytes that can be addressed. */
  readonly length: number;
  /** For people. */
  readonly label: string;
  /** Bytes per page of what backs it: the huge page size on hugetlbfs. */
  readonly pageSize: number;
  /** Whether `store` works. */
  readonly writable: boolean;
  readonly #parts: MappedParts;
  readonly #buffer: ArrayBuffer;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #closed = false;

  private constructor(parts: MappedParts) {
    this.length = parts.length;
    this.label = parts.label;
    this.pageSize = parts.pageSize;
    this.writable = parts.writable;
    this.#parts = parts;
    this.#buffer = parts.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
  }

  /**
   * Maps a range of a file, shared. Throws SyscallError (mmap: ENOMEM, EACCES, ENODEV), RangeError
   * for a range that is none or not page aligned. An `Fd` that was handed in is closed then too.
   */
  static open(options: MappingOptions): Mapping {
    return new Mapping(mapFile(options));
  }

  /** Takes over a mapping that was made elsewhere. Copies go by address; nothing is read in place. */
  static adopt(options: AdoptOptions): Mapping {
    const { sys, length, address, writable = false, release = () => {} } = options;
    checkRange(0, length);
    const pageSize = sys.pageSize;
    const mapped = roundUp(length, pageSize);
    const buffer = sys.view(address, length);
    const access = { buffer, mapped, file: null, pages: null, release };
    return new Mapping({ ...options, pageSize, writable, ...access });
  }

  /** How bytes are read and why so, for people. */
  get how(): string {
    const { pages, file } = this.#parts;
    const access = this.writable ? "mapped read-write" : "mapped read-only";
    if (pages !== null) return `${access}, read in place: sealed against shrinking`;
    if (file !== null) {
      return `${access}, read by pread of fd ${file.origin().fd}: the file may shrink at any moment`;
    }
    return `${access}, copied out by the kernel: it may vanish at any moment`;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Copies `target.length` bytes from `offset`. Never faults and never allocates sparse pages; bytes
   * that are gone make it short with an errno. Only small copies of pages known to hold data are
   * done in place: a scan of everything goes through the kernel, so that a page which was punched
   * out a moment ago is not allocated by it.
   */
  copy(offset: number, target: Uint8Array): Guarded {
    this.#assertOpen();
    const { pages, file, sys, address } = this.#parts;
    const size = target.length;
    if (pages !== null && size <= IN_PLACE_LIMIT && pages.hold(offset, size)) {
      copyBytes(this.#bytes, offset, target);
      return { length: size, errno: null };
    }
    if (file !== null) return file.copy(offset, target);
    const wanted = within(this.length, offset, size);
    const copied = sys.copyOut(address + BigInt(offset), target.subarray(0, wanted));
    return bounded(copied, size);
  }

  /** The one buffer, where [offset, offset + length) can not vanish and holds data; else null. */
  live(offset: number, length: number): ArrayBuffer | null {
    this.#assertOpen();
    const { pages } = this.#parts;
    return pages !== null && pages.hold(offset, length) ? this.#buffer : null;
  }

  /** First extent with data that ends after `offset`; all that is left where holes are not known. */
  nextData(offset: number): Span | null {
    this.#assertOpen();
    const { file } = this.#parts;
    if (file !== null) return file.nextData(offset);
    return offset < this.length ? { start: Math.max(0, offset), end: this.length } : null;
  }

  /** Copies `source` to `offset`. Throws TypeError on a read-only mapping. Never makes a file grow. */
  store(offset: number, source: Uint8Array): Guarded {
    this.#assertOpen();
    if (!this.writable) throw new TypeError(`mapping of ${this.label} is read-only`);
    const wanted = within(this.length, offset, source.length);
    const part = source.subarray(0, wanted);
    if (this.liveWritable() !== null) {
      if (wanted > 0) this.#bytes.set(part, offset);
      return bounded({ length: wanted, errno: null }, source.length);
    }
    const { sys, address } = this.#parts;
    return bounded(sys.copyIn(address + BigInt(offset), part), source.length);
  }

  /**
   * The one buffer for writing, where all of it can not vanish; else null. Holes are not checked:
   * who writes means to allocate.
   */
  liveWritable(): ArrayBuffer | null {
    this.#assertOpen();
    return this.writable && this.#parts.pages !== null ? this.#buffer : null;
  }

  /** Where another process can map the same bytes; null for memory that is no file's. */
  origin(): Origin | null {
    this.#assertOpen();
    return this.#parts.file?.origin() ?? null;
  }

  /** Forgets which pages hold data, so that `live` asks the kernel again. */
  forget(): void {
    this.#parts.pages?.forget();
  }

  /**
   * Detaches the buffer, so that views left over throw or read undefined instead of crashing, then
   * unmaps, gives back what `release` holds and closes the fd. Nothing the second time.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#buffer.transfer(0);
    this.#unmap();
  }

  /** {@linkcode Mapping.close} */
  [Symbol.dispose](): void {
    this.close();
  }

  #unmap(): void {
    const { sys, address, mapped, file, release } = this.#parts;
    using undo = new DisposableStack();
    undo.defer(() => file?.close());
    undo.defer(release);
    undo.defer(() => sys.munmap(address, mapped));
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error(`mapping of ${this.label} is closed`);
  }
}

/** Short loops beat `set(subarray)` for the few bytes of an index or a descriptor. */
function copyBytes(source: Uint8Array, offset: number, target: Uint8Array): void {
  if (target.length > 32) {
    target.set(source.subarray(offset, offset + target.length));
    return;
  }
  for (let index = 0; index < target.length; index++) target[index] = source[offset + index];
}

function bounded(copied: Guarded, wanted: number): Guarded {
  if (copied.errno !== null || copied.length === wanted) return copied;
  return { length: copied.length, errno: "EFAULT" };
}
