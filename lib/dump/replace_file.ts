/**
 * Writing a file that is either complete or not there.
 *
 * Through `Sys` and not the runtime's own files: those refuse paths under /dev, and with them
 * /dev/shm, to whoever has less than every permission.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { O_CREAT, O_EXCL, O_WRONLY } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import { attempt } from "../source/attempt.ts";

/** A file being written. */
export interface OutputFile {
  /** Writes all of it at the end of what was appended so far. */
  append(bytes: Uint8Array): void;
  /** Writes all of it at this offset; what is skipped stays a hole. */
  writeAt(offset: number, bytes: Uint8Array): void;
  /** Sets the length. */
  truncate(length: number): void;
}

/** The calls that are needed. */
export type FileSys = Pick<
  Sys,
  "open" | "close" | "pwrite" | "ftruncate" | "stat" | "readlink" | "unlink" | "rename" | "pid"
>;

/** Symbolic links followed at most, as Linux does. */
const LINKS = 40;

/** S_IFMT and S_IFREG of stat(2). */
const [TYPE, REGULAR] = [0o170000, 0o100000];

/**
 * Lets `fill` write a new file beside `path` and gives it that name at the end. When `fill` throws
 * nothing is left behind and an older `path` is untouched. The file is readable by its owner only:
 * guest memory holds secrets. Throws what `fill` throws, and `SourceError` where the file can not be
 * written or `path` is a device, a pipe or a directory.
 */
export async function replaceFile<T>(
  sys: FileSys,
  path: string,
  fill: (file: OutputFile) => Promise<T>,
): Promise<T> {
  const final = destination(sys, path);
  const temporary = `${final}.partial-${sys.pid}`;
  using fd = new Fd(
    sys,
    writing(path, () => sys.open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600)),
  );
  let complete = false;
  try {
    const result = await fill(outputFile(sys, fd, path));
    writing(path, () => sys.rename(temporary, final));
    complete = true;
    return result;
  } finally {
    if (!complete) attempt(() => sys.unlink(temporary));
  }
}

function outputFile(sys: FileSys, fd: Fd, path: string): OutputFile {
  let end = 0;
  const writeAt = (offset: number, bytes: Uint8Array) =>
    writing(path, () => {
      for (let done = 0; done < bytes.length;) {
        done += sys.pwrite(fd.number, bytes.subarray(done), offset + done);
      }
    });
  return {
    append(bytes) {
      writeAt(end, bytes);
      end += bytes.length;
    },
    writeAt,
    truncate: (length) => writing(path, () => sys.ftruncate(fd.number, length)),
  };
}

const REMEDY: Readonly<Record<string, string>> = {
  ENOENT: "make its folder first, or choose another",
  ENOTDIR: "check the path: a part of it is no directory",
  ENOSPC: "make room on that file system, or choose another",
  EDQUOT: "make room within the quota, or choose another file system",
};

/** A failed call on the output says nothing of the guest: another error than the guest's. */
function writing<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const denied = ["EACCES", "EPERM", "EROFS"].includes(error.errno);
    const kind = denied ? "permission" : "failed";
    const remedy = denied ? "choose a folder that may be written to" : REMEDY[error.errno] ?? "";
    throw new SourceError("dump", `write ${path}`, kind, error.message, remedy, { cause: error });
  }
}

/** The file to replace: behind symbolic links, and never a device or a directory. */
function destination(sys: FileSys, path: string): string {
  let final = path;
  for (let link = 0; link < LINKS; link++) {
    const to = attempt(() => sys.readlink(final));
    if (to === null) return ordinary(sys, final);
    final = to.startsWith("/") ? to : final.slice(0, final.lastIndexOf("/") + 1) + to;
  }
  throw refusal(path, "too many symbolic links");
}

function ordinary(sys: FileSys, path: string): string {
  const stat = attempt(() => sys.stat(path));
  if (stat === null || (stat.mode & TYPE) === REGULAR) return path;
  throw refusal(path, "not a regular file, so it can not be replaced");
}

function refusal(path: string, text: string): SourceError {
  const remedy = "name a new or an ordinary file";
  return new SourceError("dump", `write ${path}`, "failed", text, remedy);
}

/** Lets signals and timers in between two pieces of work. Throws the signal's reason when aborted. */
export async function breathe(signal: AbortSignal | null): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}
