/**
 * Files and directories of the real `Sys`.
 *
 * @module
 */
import { check, cString, failure, fromUtf8, MAX_COUNT, retry } from "./call.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  F_ADD_SEALS,
  F_DUPFD_CLOEXEC,
  F_GET_SEALS,
  F_GETFL,
  O_CLOEXEC,
  O_DIRECTORY,
  O_RDONLY,
  STATX_BASIC_STATS,
} from "./constants.ts";
import { isErrno, type Subject, SyscallError } from "./errno.ts";
import { DIRENT64, STATFS, STATX } from "./layout.ts";
import type { Libc } from "./libc.ts";
import type { FileCalls, FileStat } from "./sys.ts";

const DEFAULT_LIMIT = 16 * 1024 * 1024;
const CHUNK = 64 * 1024;

/** The file calls over the C library. */
export function fileCalls(c: Libc): FileCalls & { dup(fd: number): number } {
  const readAll = reader(c);
  const io = fileIo(c);
  return {
    ...io,
    ...fileNames(c),
    ...fileProperties(c),
    readFile: readAll,
    readText: (path, limit) => fromUtf8(readAll(path, limit)),
    dup: (fd) => check(c.fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)", fd),
  };
}

type Io = Pick<FileCalls, "open" | "close" | "read" | "write" | "pread" | "pwrite" | "lseek">;

function fileIo(c: Libc): Io {
  return {
    open: (path, flags, mode = 0) => openFile(c, path, flags, mode),
    // Linux frees the fd even where close fails, EINTR included: never retried.
    close: (fd) => void check(c.close(fd), "close", fd),
    read: (fd, target) => retry("read", fd, () => c.read(fd, plain(target), count(target))),
    write: (fd, source) => retry("write", fd, () => c.write(fd, plain(source), count(source))),
    pread(fd, target, offset) {
      // The path of every guarded copy: without a closure unless it fails.
      const result = c.pread(fd, plain(target), count(target), BigInt(offset));
      if (result >= 0) return result;
      const error = failure("pread", fd);
      return again(error, () => c.pread(fd, plain(target), count(target), BigInt(offset)));
    },
    pwrite: (fd, source, offset) =>
      retry("pwrite", fd, () => c.pwrite(fd, plain(source), count(source), BigInt(offset))),
    lseek(fd, offset, whence) {
      const result = c.lseek(fd, BigInt(offset), whence);
      if (result < 0n) throw failure("lseek", fd);
      return Number(result);
    },
  };
}

function fileNames(c: Libc): Pick<FileCalls, "readlink" | "readdir" | "unlink" | "rename"> {
  return {
    readlink: (path) => readLink(c, path),
    readdir: (path) => readDirectory(c, path),
    unlink: (path) => void check(c.unlink(cString(path)), "unlink", path),
    rename: (from, to) =>
      void check(c.rename(cString(from), cString(to)), "rename", `${from} to ${to}`),
  };
}

type Properties = Pick<
  FileCalls,
  "stat" | "fstat" | "ftruncate" | "seals" | "addSeals" | "openFlags" | "fileSystemType"
>;

function fileProperties(c: Libc): Properties {
  return {
    stat: (path) => statx(c, AT_FDCWD, path, 0, path),
    fstat: (fd) => statx(c, fd, "", AT_EMPTY_PATH, fd),
    ftruncate: (fd, length) => void retry("ftruncate", fd, () => c.ftruncate(fd, BigInt(length))),
    seals(fd) {
      const result = c.fcntl(fd, F_GET_SEALS, 0);
      if (result >= 0) return result;
      const error = failure("fcntl(F_GET_SEALS)", fd);
      if (error.errno === "EINVAL") return 0;
      throw error;
    },
    addSeals: (fd, seals) => void check(c.fcntl(fd, F_ADD_SEALS, seals), "fcntl(F_ADD_SEALS)", fd),
    openFlags: (fd) => check(c.fcntl(fd, F_GETFL, 0), "fcntl(F_GETFL)", fd),
    fileSystemType(fd) {
      const buffer = new Uint8Array(STATFS.SIZE);
      check(c.fstatfs(fd, buffer), "fstatfs", fd);
      return new DataView(buffer.buffer).getUint32(STATFS.type, true);
    },
  };
}

function openFile(c: Libc, path: string, flags: number, mode: number): number {
  const name = cString(path);
  return retry("open", path, () => c.open(name, flags | O_CLOEXEC, mode));
}

function statx(c: Libc, fd: number, path: string, flags: number, subject: Subject): FileStat {
  const view = new DataView(new ArrayBuffer(STATX.SIZE));
  check(c.statx(fd, cString(path), flags, STATX_BASIC_STATS, view), "statx", subject);
  return {
    size: Number(view.getBigUint64(STATX.size, true)),
    blocks: Number(view.getBigUint64(STATX.blocks, true)),
    inode: Number(view.getBigUint64(STATX.ino, true)),
    deviceMajor: view.getUint32(STATX.devMajor, true),
    deviceMinor: view.getUint32(STATX.devMinor, true),
    mode: view.getUint16(STATX.mode, true),
    uid: view.getUint32(STATX.uid, true),
    blockSize: view.getUint32(STATX.blksize, true),
  };
}

function readLink(c: Libc, path: string): string {
  const name = cString(path);
  for (let size = 4096; size <= 1024 * 1024; size *= 4) {
    const buffer = new Uint8Array(size);
    const length = check(c.readlink(name, buffer, BigInt(size)), "readlink", path);
    if (length < size) return fromUtf8(buffer.subarray(0, length));
  }
  throw new SyscallError("readlink", "ENAMETOOLONG", path);
}

function readDirectory(c: Libc, path: string): string[] {
  const fd = openFile(c, path, O_RDONLY | O_DIRECTORY, 0);
  try {
    const names: string[] = [];
    const buffer = new Uint8Array(CHUNK);
    while (true) {
      const length = check(c.getdents64(fd, buffer, BigInt(CHUNK)), "getdents64", path);
      if (length === 0) return names;
      collectNames(buffer.subarray(0, length), names);
    }
  } finally {
    c.close(fd);
  }
}

function collectNames(bytes: Uint8Array, names: string[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint16(at + DIRENT64.reclen, true);
    const start = at + DIRENT64.name;
    const end = bytes.indexOf(0, start);
    const name = fromUtf8(bytes.subarray(start, end));
    if (name !== "." && name !== "..") names.push(name);
    at += length;
  }
}

function reader(c: Libc): (path: string, limit?: number) => Uint8Array {
  return (path, limit = DEFAULT_LIMIT) => {
    const fd = openFile(c, path, O_RDONLY, 0);
    try {
      return readToEnd(c, fd, path, limit);
    } finally {
      c.close(fd);
    }
  };
}

/** Files under /proc have no size: read until nothing more comes. */
function readToEnd(c: Libc, fd: number, path: string, limit: number): Uint8Array {
  let bytes = new Uint8Array(Math.min(CHUNK, limit + 1));
  let length = 0;
  while (true) {
    const rest = bytes.subarray(length);
    const got = retry("read", path, () => c.read(fd, rest, BigInt(rest.length)));
    if (got === 0) return bytes.slice(0, length);
    length += got;
    if (length > limit) throw new SyscallError("read", "EFBIG", path);
    if (length === bytes.length) bytes = grown(bytes, limit);
  }
}

function grown(bytes: Uint8Array<ArrayBuffer>, limit: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.min(bytes.length * 4, limit + 1));
  larger.set(bytes);
  return larger;
}

function again(error: SyscallError, run: () => number): number {
  if (!isErrno(error, "EINTR")) throw error;
  return retry(error.call, error.subject, run);
}

function count(bytes: Uint8Array): bigint {
  return BigInt(Math.min(bytes.length, MAX_COUNT));
}

/** FFI takes views of shared buffers too; only its types do not say so. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
