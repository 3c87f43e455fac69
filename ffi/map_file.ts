/**
 * Maps a file as `Mapping` wants it: finds out what the file is, and how its memory can be read.
 *
 * @module
 */
import {
  F_SEAL_SHRINK,
  HUGETLBFS_MAGIC,
  MAP_NORESERVE,
  MAP_SHARED,
  PROC_SUPER_MAGIC,
  PROT_READ,
  PROT_WRITE,
  S_IFMT,
  S_IFREG,
  SYSFS_MAGIC,
  TMPFS_MAGIC,
} from "./constants.ts";
import { DataPages } from "./data_pages.ts";
import type { Fd } from "./fd.ts";
import { checkRange, FileBacking } from "./file_backing.ts";
import type { Sys } from "./sys.ts";

/** What to map. */
export interface MappingOptions {
  readonly sys: Sys;
  /** A number is borrowed: the mapping works on its own duplicate. An `Fd` is taken over. */
  readonly fd: Fd | number;
  /** Byte offset in the file; a multiple of the page size. Default 0. */
  readonly offset?: number;
  /** Bytes; more than 0. May reach past the end of the file, where copies are short. */
  readonly length: number;
  /** PROT_WRITE too. Default false. */
  readonly writable?: boolean;
  /** For people: `/dev/shm/vm1`. */
  readonly label: string;
}

/** A mapping's memory and the ways to it. */
export interface MappedParts {
  readonly sys: Sys;
  readonly label: string;
  /** Bytes that can be addressed. */
  readonly length: number;
  /** Bytes per page. */
  readonly pageSize: number;
  readonly writable: boolean;
  readonly address: bigint;
  /** Bytes to unmap. */
  readonly mapped: number;
  /** The one buffer over the mapping. */
  readonly buffer: ArrayBuffer;
  /** For copies by pread, or null for copies by address. */
  readonly file: FileBacking | null;
  /** Set where the memory can not vanish. */
  readonly pages: DataPages | null;
  /** Runs after munmap. */
  readonly release: () => void;
}

/**
 * Maps. Throws what `Mapping.open` documents; nothing stays open then, an `Fd` that was handed in
 * included.
 */
export function mapFile(options: MappingOptions): MappedParts {
  const { sys, offset = 0, length, label, writable = false } = options;
  using undo = new DisposableStack();
  if (typeof options.fd !== "number") undo.use(options.fd);
  checkRange(offset, length);
  const file = undo.use(new FileBacking({ ...options, offset, writable }));
  const nature = inspect(sys, file.fd);
  checkFits(nature, offset, length, writable, label);
  const mapped = roundUp(length, nature.pageSize);
  const address = mapShared(sys, file.fd, offset, mapped, nature, writable);
  undo.defer(() => sys.munmap(address, mapped));
  const common = { sys, label, length, pageSize: nature.pageSize, writable, address, mapped };
  const buffer = sys.view(address, length);
  const parts = { ...common, buffer, ...access(sys, file, nature, { offset, length, address }) };
  undo.move();
  return parts;
}

interface Nature {
  /** Bytes per page. */
  readonly pageSize: number;
  /** On hugetlbfs. */
  readonly huge: boolean;
  /** pread gives the same bytes as the mapping. */
  readonly readable: boolean;
  /** Can neither shrink nor run out of huge pages. */
  readonly sealed: boolean;
  /** Bytes. */
  readonly size: number;
}

function inspect(sys: Sys, fd: number): Nature {
  const type = sys.fileSystemType(fd);
  // Before the size: a file that is cut and sealed between the two would be smaller than we know.
  const sealed = type === TMPFS_MAGIC && (sys.seals(fd) & F_SEAL_SHRINK) !== 0;
  const { mode, blockSize, size } = sys.fstat(fd);
  const huge = type === HUGETLBFS_MAGIC;
  // BARs of PCI devices are regular files of sysfs that mmap but do not read.
  const pseudo = type === SYSFS_MAGIC || type === PROC_SUPER_MAGIC;
  return {
    pageSize: huge ? blockSize : sys.pageSize,
    huge,
    readable: (mode & S_IFMT) === S_IFREG && !pseudo,
    sealed,
    size,
  };
}

function checkFits(
  nature: Nature,
  offset: number,
  length: number,
  writable: boolean,
  label: string,
): void {
  const { pageSize, huge, size } = nature;
  if (offset % pageSize !== 0) {
    throw new RangeError(`offset ${offset} of ${label} is not a multiple of its page, ${pageSize}`);
  }
  // mmap(PROT_WRITE) past the end of a hugetlbfs file makes the file grow.
  if (huge && writable && roundUp(offset + length, pageSize) > size) {
    throw new RangeError(`${label} has ${size} bytes, fewer than ${offset + length}`);
  }
}

function mapShared(
  sys: Sys,
  fd: number,
  offset: number,
  mapped: number,
  nature: Nature,
  writable: boolean,
): bigint {
  const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  // Without it, hugetlbfs sets pages of its pool aside for every hole that we map.
  const flags = nature.huge ? MAP_SHARED | MAP_NORESERVE : MAP_SHARED;
  return sys.mmap(mapped, protection, flags, fd, offset);
}

function access(
  sys: Sys,
  file: FileBacking,
  nature: Nature,
  { offset, length, address }: Pick<MappedParts, "length" | "address"> & {
    readonly offset: number;
  },
): Pick<MappedParts, "file" | "pages" | "release"> {
  // The device's fd stays open with the mapping, though only its address is used.
  if (!nature.readable) return { file: null, pages: null, release: () => file.close() };
  const safe = nature.sealed && offset + length <= nature.size;
  const pages = safe ? new DataPages(sys, file.fd, offset, length, undefined, address) : null;
  return { file, pages, release: () => {} };
}

/** Up to a multiple of `unit`. */
export function roundUp(length: number, unit: number): number {
  return Math.ceil(length / unit) * unit;
}
