/**
 * Opens files that hold guest memory, and says plainly why that did not work.
 *
 * @module
 */
import {
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { Mapping } from "../../ffi/mapping.ts";
import type { FileStat, Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError, type SourceFailure } from "../errors.ts";

const KINDS: Readonly<Record<number, string>> = {
  [S_IFDIR]: "a directory",
  [S_IFCHR]: "a character device",
  [S_IFBLK]: "a block device",
  [S_IFIFO]: "a pipe",
  [S_IFSOCK]: "a socket",
};

/** A file to map. */
export interface HostFile {
  readonly sys: Sys;
  /** For errors: `file`, `shm`, `proc`. */
  readonly scheme: string;
  readonly path: string;
  /** For people; default the path. */
  readonly label?: string;
  readonly write: boolean;
  /** What to do about a file without a byte; default to wait for its owner, as with a guest's RAM. */
  readonly emptyRemedy?: string;
}

/**
 * Maps all of a regular file. Throws `SourceError`: `not-found`, `permission`, or `unsupported`
 * for what is no file with bytes. The caller closes the mapping.
 */
export function mapHostFile(file: HostFile): Mapping {
  const { sys, path, write, label = path } = file;
  using undo = new DisposableStack();
  // Looked at before it is opened: opening a device or a pipe can do things.
  hostFileSize(file);
  const flags = (write ? O_RDWR : O_RDONLY) | O_NONBLOCK;
  const fd = undo.use(new Fd(sys, told(file, "open", () => sys.open(path, flags))));
  const stat = sys.fstat(fd.number);
  checkFile(file, stat);
  undo.move();
  return told(
    file,
    "map",
    () => Mapping.open({ sys, fd, length: stat.size, writable: write, label }),
  );
}

/** Bytes of a regular file. Throws like {@linkcode mapHostFile}. */
export function hostFileSize(file: HostFile): number {
  const stat = told(file, "stat", () => file.sys.stat(file.path));
  checkFile(file, stat);
  return stat.size;
}

/** Reads a text file such as a layout. Throws like {@linkcode mapHostFile}. */
export function readHostText(sys: Sys, scheme: string, path: string, limit: number): string {
  const file = { sys, scheme, path, write: false };
  hostFileSize(file);
  return told(file, "read", () => sys.readText(path, limit));
}

function checkFile(file: HostFile, stat: FileStat): void {
  const { scheme, label: path = file.path } = file;
  const type = stat.mode & S_IFMT;
  if (type !== S_IFREG) {
    const text = `${path} is ${KINDS[type] ?? "no regular file"}`;
    throw new SourceError(scheme, "open", "unsupported", text, "name a file that holds memory");
  }
  if (stat.size === 0) {
    const text = `${path} is empty`;
    const remedy = file.emptyRemedy ?? "wait until its owner has sized it";
    throw new SourceError(scheme, "open", "unsupported", text, remedy);
  }
}

const REFUSALS: Readonly<Record<string, readonly [SourceFailure, string]>> = {
  ENOENT: ["not-found", "check the name; ls shows what is there"],
  ENOTDIR: ["not-found", "check the name; a part of the path is no directory"],
  ESRCH: ["not-found", "the process has ended"],
  EACCES: ["permission", "run as root or as the owner of the file"],
  EPERM: ["permission", "run as root or as the owner of the file"],
  EROFS: ["permission", "the file system is read-only: leave out --write"],
  ETXTBSY: ["busy", "the file is being executed"],
};

/** Runs a call on a file; a failed system call becomes a `SourceError` with a remedy. */
export function told<T>({ scheme }: HostFile, stage: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw refused(scheme, stage, error);
  }
}

/** A failed system call as a `SourceError`; any other error as it is. */
export function refused(scheme: string, stage: string, error: unknown): unknown {
  if (!isSyscallFailure(error)) return error;
  const [kind, remedy] = REFUSALS[error.errno] ?? ["failed", ""];
  return new SourceError(scheme, stage, kind, error.message, remedy, { cause: error });
}
