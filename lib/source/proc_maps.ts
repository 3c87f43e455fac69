/**
 * Another process's memory map and open files, out of /proc/PID/maps and /proc/PID/fd (Linux,
 * Documentation/filesystems/proc.rst).
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";

/** The identity of a file: memfds are all called alike, their inodes are not. */
export interface FileIdentity {
  readonly major: number;
  readonly minor: number;
  readonly inode: number;
}

/** One mapping of a process: [start, end) of its virtual addresses. */
export interface MapsEntry {
  readonly start: bigint;
  readonly end: bigint;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Code, such as a translator makes. */
  readonly executable: boolean;
  /** MAP_SHARED: what is in the file is what the process sees. */
  readonly shared: boolean;
  /** Offset of `start` in the file, in bytes. */
  readonly offset: number;
  /** null for anonymous memory. */
  readonly file: FileIdentity | null;
  /** `/memfd:ram0 (deleted)`, `[heap]`, or empty. A newline stands as `\012`. */
  readonly path: string;
}

/** Part of a process's memory that one file, or none, stands behind. */
export interface Stretch {
  /** First virtual address. */
  readonly address: bigint;
  /** Bytes. */
  readonly length: bigint;
  /** The first of its entries. */
  readonly entry: MapsEntry;
  /** Shared file and offset of `address` in it; null where only the process can tell its bytes. */
  readonly shared: { readonly file: FileIdentity; readonly offset: number } | null;
}

/** Whether all of [address, address + length) is private memory that no file stands behind. */
export function isAnonymous(
  entries: readonly MapsEntry[],
  address: bigint,
  length: bigint,
): boolean {
  let at = address;
  for (const { start, end, shared, file } of entries) {
    if (end <= at) continue;
    if (start > at || shared || file !== null) return false;
    at = end;
    if (at >= address + length) return true;
  }
  return false;
}

/** Entries kept of one process: Linux allows 65530 by default. */
const ENTRY_LIMIT = 1 << 20;

const LINE =
  /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])([x-])([sp]) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) ([0-9]+) *(.*)$/;

/** Parses the content of /proc/PID/maps. Lines of another form are left out. */
export function parseMaps(text: string): MapsEntry[] {
  const entries: MapsEntry[] = [];
  for (const line of text.split("\n", ENTRY_LIMIT)) {
    const match = LINE.exec(line);
    if (match !== null) entries.push(entryOf(match));
  }
  return entries;
}

function entryOf(match: RegExpExecArray): MapsEntry {
  const inode = Number(match[10]);
  const file = { major: parseInt(match[8], 16), minor: parseInt(match[9], 16), inode };
  return {
    start: BigInt("0x" + match[1]),
    end: BigInt("0x" + match[2]),
    readable: match[3] === "r",
    writable: match[4] === "w",
    executable: match[5] === "x",
    shared: match[6] === "s",
    offset: parseInt(match[7], 16),
    file: inode === 0 ? null : file,
    path: match[11],
  };
}

/** Reads and parses /proc/PID/maps. Throws `SyscallError`: EACCES without ptrace rights. */
export function readMaps(sys: Sys, pid: number): MapsEntry[] {
  return parseMaps(sys.readText(`/proc/${pid}/maps`, 64 << 20));
}

/**
 * What stands behind [address, address + length) of a process, in address order. Entries that the
 * kernel split for reasons of its own (memory policies, locks) are joined again. Parts that are not
 * mapped are left out. `entries` must be sorted, as the kernel writes them.
 */
export function stretches(
  entries: readonly MapsEntry[],
  address: bigint,
  length: bigint,
): Stretch[] {
  const list: Stretch[] = [];
  const end = address + length;
  for (let i = firstAfter(entries, address); i < entries.length && entries[i].start < end; i++) {
    const next = cut(entries[i], address, end);
    const last = list.at(-1);
    if (last !== undefined && joins(last, next)) {
      list[list.length - 1] = { ...last, length: last.length + next.length };
    } else list.push(next);
  }
  return list;
}

/** Index of the first entry that ends after an address. */
function firstAfter(entries: readonly MapsEntry[], address: bigint): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle].end <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

function cut(entry: MapsEntry, from: bigint, to: bigint): Stretch {
  const address = entry.start > from ? entry.start : from;
  const end = entry.end < to ? entry.end : to;
  const offset = entry.offset + Number(address - entry.start);
  // Of a device a mapping may begin at any offset, 2^63 too.
  const known = entry.shared && Number.isSafeInteger(offset + Number(end - address));
  const shared = known && entry.file !== null ? { file: entry.file, offset } : null;
  return { address, length: end - address, entry, shared };
}

function joins(a: Stretch, b: Stretch): boolean {
  if (a.address + a.length !== b.address) return false;
  if (a.shared === null || b.shared === null) return a.shared === b.shared;
  return sameFile(a.shared.file, b.shared.file) &&
    a.shared.offset + Number(a.length) === b.shared.offset;
}

/** Whether two identities are of one file. */
export function sameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.major === b.major && a.minor === b.minor && a.inode === b.inode;
}

/** A file's identity as a key. */
export function fileKey(file: FileIdentity): string {
  return `${file.major.toString(16)}:${file.minor.toString(16)}:${file.inode}`;
}

/** fd number → what its link says: `/memfd:ram0 (deleted)`, `socket:[4242]`. */
export function readFdLinks(sys: Sys, pid: number): Map<number, string> {
  const links = new Map<number, string>();
  for (const name of sys.readdir(`/proc/${pid}/fd`)) {
    const link = attempt(() => sys.readlink(`/proc/${pid}/fd/${name}`));
    if (link !== null) links.set(Number(name), link);
  }
  return links;
}

/**
 * A path under /proc that opens the file behind a stretch: an fd the process still holds, else
 * map_files, which needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN. Null where neither is there.
 * `links` are those of `readFdLinks`.
 */
export function filePath(
  sys: Sys,
  pid: number,
  stretch: Stretch,
  links: ReadonlyMap<number, string>,
): string | null {
  if (stretch.shared === null) return null;
  const wanted = unescapePath(stretch.entry.path);
  for (const [fd, link] of links) {
    // Only files of that name are looked at: a QEMU has hundreds of eventfds.
    const path = `/proc/${pid}/fd/${fd}`;
    if (link === wanted && isFile(sys, path, stretch.shared.file)) return path;
  }
  const { start, end } = stretch.entry;
  const path = `/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`;
  return attempt(() => sys.stat(path)) === null ? null : path;
}

/**
 * Whether a path is the file of a mapping. Btrfs and overlayfs give maps another device number than
 * stat: then the inode (and the name, which the caller compared) has to do.
 */
function isFile(sys: Sys, path: string, file: FileIdentity): boolean {
  const stat = attempt(() => sys.stat(path));
  return stat !== null && stat.inode === file.inode;
}

/** maps writes newlines as `\012`; links have them as they are. */
function unescapePath(path: string): string {
  return path.replaceAll("\\012", "\n");
}
