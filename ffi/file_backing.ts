/**
 * A range of a file, read with pread: never faults, never allocates what is sparse. Alone it serves
 * dumps on disk; under `Mapping` it serves the copies out of memory that may vanish.
 *
 * Satisfies `Backing` of lib/memory/backing.ts.
 *
 * @module
 */
import {
  O_ACCMODE,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  S_IFMT,
  S_IFREG,
  SEEK_DATA,
  SEEK_HOLE,
} from "./constants.ts";
import { isErrno, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import type { Guarded } from "./scratch.ts";
import type { Sys } from "./sys.ts";

/** [start, end) of a backing that holds data, in bytes from its start. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A file that holds the bytes, and where in it. */
export interface Origin {
  /** Borrowed: open while the backing is. */
  readonly fd: number;
  /** Bytes. */
  readonly offset: number;
}

/** The calls that a file backing makes. */
export type FileBackingSys = Pick<
  Sys,
  "open" | "close" | "dup" | "fstat" | "openFlags" | "pread" | "lseek" | "pageSize"
>;

/** What to read. */
export interface FileBackingOptions {
  readonly sys: FileBackingSys;
  /** A number is borrowed (we open our own description of the file); an `Fd` is taken over. */
  readonly fd: Fd | number;
  /** Byte offset in the file where the backing begins; any. Default 0. */
  readonly offset?: number;
  /** Bytes; may reach past the end of the file, where copies are short. */
  readonly length: number;
  /** For people: the path. */
  readonly label: string;
  /** For `pageSize`; default the machine's. */
  readonly pageSize?: number;
  /** Open our description for writing too. Default false. */
  readonly writable?: boolean;
}

/** Reads a range of a file without mapping it. The owner closes it. */
export class FileBacking implements Disposable {
  readonly length: number;
  readonly label: string;
  readonly pageSize: number;
  /** How bytes are read, for people. */
  get how(): string {
    return `not mapped, read by pread of fd ${this.#fd.number}`;
  }
  readonly #sys: FileBackingSys;
  readonly #fd: Fd;
  readonly #base: number;

  /** Throws SyscallError where the fd can not be duplicated, RangeError for a negative range. */
  constructor(options: FileBackingOptions) {
    const { sys, offset = 0, length } = options;
    checkRange(offset, length);
    this.#sys = sys;
    this.#base = offset;
    this.length = length;
    this.label = options.label;
    this.pageSize = options.pageSize ?? sys.pageSize;
    this.#fd = ownDescription(sys, options.fd, options.writable ?? false);
  }

  /** Our fd, for a call while the backing is open. Throws Error after close. */
  get fd(): number {
    return this.#fd.number;
  }

  /** Copies from `offset`; short with `EFAULT` past the end of the file or of the backing. */
  copy(offset: number, target: Uint8Array): Guarded {
    const wanted = within(this.length, offset, target.length);
    const fd = this.#fd.number;
    let length = 0;
    try {
      while (length < wanted) {
        const rest = wanted === target.length && length === 0
          ? target
          : target.subarray(length, wanted);
        const got = this.#sys.pread(fd, rest, this.#base + offset + length);
        if (got === 0) break;
        length += got;
      }
    } catch (error) {
      return { length, errno: errnoOf(error) };
    }
    return { length, errno: length === target.length ? null : "EFAULT" };
  }

  /** Always null: nothing is mapped. */
  live(_offset: number, _length: number): null {
    return null;
  }

  /**
   * The first extent with data at or after `offset`, cut at the backing's ends; null where only
   * holes follow. What lies past the end of a file that is too short is no hole, and is given as an
   * extent: copies of it say that it can not be read. A file system without holes gives all that is
   * left. On tmpfs the kernel walks the extent page by page: about 10 ms per GiB.
   */
  nextData(offset: number): Span | null {
    const from = Math.max(0, offset);
    const fd = this.#fd.number;
    if (from >= this.length) return null;
    try {
      const start = this.#sys.lseek(fd, this.#base + from, SEEK_DATA) - this.#base;
      if (start >= this.length) return null;
      const end = this.#sys.lseek(fd, this.#base + start, SEEK_HOLE) - this.#base;
      return { start, end: Math.min(end, this.length) };
    } catch (error) {
      if (isErrno(error, "ENXIO")) return this.#pastEnd(from);
      if (isErrno(error, "EINVAL")) return { start: from, end: this.length };
      throw error;
    }
  }

  #pastEnd(from: number): Span | null {
    const { mode, size } = this.#sys.fstat(this.#fd.number);
    if ((mode & S_IFMT) !== S_IFREG) return null;
    const start = Math.max(from, size - this.#base);
    return start < this.length ? { start, end: this.length } : null;
  }

  /** Where another process can get the same bytes: our fd, and the offset of our first byte in it. */
  origin(): Origin {
    return { fd: this.fd, offset: this.#base };
  }

  /** Closes our fd; nothing the second time. */
  close(): void {
    this.#fd.close();
  }

  /** {@linkcode FileBacking.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Throws RangeError unless offset and length are byte counts that add up exactly. */
export function checkRange(offset: number, length: number): void {
  const good = Number.isSafeInteger(offset) && Number.isSafeInteger(length) &&
    offset >= 0 && length > 0 && Number.isSafeInteger(offset + length);
  if (!good) throw new RangeError(`offset ${offset}, length ${length}: not a range of bytes`);
}

/** How many of `wanted` bytes from `offset` lie within `length`. */
export function within(length: number, offset: number, wanted: number): number {
  if (offset < 0 || offset >= length) return 0;
  return Math.min(wanted, length - offset);
}

/** errno by name of a failed system call; passes every other error on. */
export function errnoOf(error: unknown): string {
  if (error instanceof SyscallError) return error.errno;
  throw error;
}

/**
 * An open file description that is ours alone. SEEK_DATA moves a description's offset, and one that
 * came from another process is shared with it: so a regular file is opened anew, without write
 * permission unless wanted. Devices are duplicated: opening them again would make another device.
 */
function ownDescription(sys: FileBackingSys, fd: Fd | number, writable: boolean): Fd {
  if (typeof fd !== "number") {
    using taken = fd;
    return new Fd(sys, reopened(sys, taken.number, writable) ?? taken.take());
  }
  return new Fd(sys, reopened(sys, fd, writable) ?? sys.dup(fd));
}

/**
 * Null where it is left as it is. Rights only narrow: whoever sent us an fd by which it may not read
 * or write the file itself (O_PATH, O_RDONLY) is not to have that done by our rights.
 */
function reopened(sys: FileBackingSys, fd: number, writable: boolean): number | null {
  if ((sys.fstat(fd).mode & S_IFMT) !== S_IFREG) return null;
  if (!permits(sys.openFlags(fd), writable)) return null;
  try {
    return sys.open(`/proc/self/fd/${fd}`, writable ? O_RDWR : O_RDONLY);
  } catch (error) {
    // No /proc, or a file whose mode keeps us out although we hold it open.
    if (isErrno(error)) return null;
    throw error;
  }
}

function permits(flags: number, writable: boolean): boolean {
  const access = flags & O_ACCMODE;
  if ((flags & O_PATH) !== 0) return false;
  return access === O_RDWR || (!writable && access === O_RDONLY);
}
