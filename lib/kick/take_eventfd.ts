/**
 * An eventfd of another process, taken and written to. Errors name whose it is: the numbers of our own
 * fds tell an operator nothing.
 *
 * @module
 */
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError, type SourceFailure } from "../errors.ts";

/** What `/proc/PID/fdinfo/FD` tells of an eventfd: proc_pid_fdinfo(5). */
export interface EventfdState {
  /** Not yet taken by whoever reads it. */
  readonly count: bigint;
  /** The same for all fds of one eventfd, in every process; null before Linux 5.2. */
  readonly id: number | null;
}

/** Parses fdinfo; null where the fd is no eventfd. */
export function parseEventfd(fdinfo: string): EventfdState | null {
  const count = /^eventfd-count:\s*([0-9a-f]{1,16})$/m.exec(fdinfo);
  if (count === null) return null;
  const id = /^eventfd-id:\s*([0-9]+)$/m.exec(fdinfo);
  return { count: BigInt("0x" + count[1]), id: id === null ? null : Number(id[1]) };
}

/** Takes fd `number` of a process, which the caller closes. Throws SourceError. */
export function takeEventfd(sys: Sys, pid: number, number: number): Fd {
  try {
    using process = new Fd(sys, sys.pidfdOpen(pid));
    return new Fd(sys, sys.pidfdGetfd(process.number, number));
  } catch (error) {
    throw notTaken(error, pid, number);
  }
}

const REFUSED: Readonly<Record<string, readonly [SourceFailure, string, string]>> = {
  EBADF: ["not-found", "is closed", "its process closed it since: find the guest again"],
  ESRCH: ["not-found", "is gone: the process has ended", "find the guest again"],
  EPERM: ["permission", "may not be taken", "run as the process's user or as root"],
};

function notTaken(error: unknown, pid: number, number: number): unknown {
  if (!isSyscallFailure(error)) return error;
  const { call, errno } = error;
  const [kind, what, remedy] = REFUSED[errno] ?? ["failed", "can not be taken", ""];
  const text = `fd ${number} of process ${pid} ${what} (${call}: ${errno})`;
  return new SourceError("kick", "take eventfd", kind, text, remedy, { cause: error });
}

/**
 * Adds 1 to the eventfd behind `fd`. `what` it is and who reads it are for the error: SourceError
 * (busy) where its counter takes no more.
 */
export function signalEventfd(
  sys: Pick<Sys, "signal">,
  fd: number,
  { what, reader }: { readonly what: string; readonly reader: string },
): void {
  try {
    sys.signal(fd);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const full = error.errno === "EAGAIN";
    const text = `${what}${full ? " is full" : ""} (${error.call}: ${error.errno})`;
    const remedy = full ? `let ${reader} drain it: it has read none of what was sent` : "";
    throw new SourceError("kick", "signal", full ? "busy" : "failed", text, remedy, {
      cause: error,
    });
  }
}
