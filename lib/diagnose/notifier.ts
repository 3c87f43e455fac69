/**
 * What /proc tells about notifications and the processes that should take them. Reading an eventfd
 * would steal the notification; its fdinfo does not.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";
import type { NotifierReading } from "../ring/stall.ts";

/** Bytes of an fdinfo or stat file that are of interest. */
const LIMIT = 4096;

/** An eventfd's counter (`eventfd-count`, hexadecimal: fs/eventfd.c); null where it can not be read. */
export function readNotifier(
  sys: Sys,
  pid: number | null,
  fd: number | null,
): NotifierReading | null {
  if (pid === null || fd === null) return null;
  const text = attempt(() => sys.readText(`/proc/${pid}/fdinfo/${fd}`, LIMIT));
  const match = /^eventfd-count:\s*([0-9a-f]+)$/m.exec(text ?? "");
  return match === null ? null : { pending: BigInt(`0x${match[1]}`) };
}

/** Why a process does not run, in words; null where it does or can not be looked at. */
export function haltedProcess(sys: Sys, pid: number): string | null {
  const text = attempt(() => sys.readText(`/proc/${pid}/stat`, LIMIT));
  // The name in parentheses may hold anything: the state follows the last one (proc_pid_stat(5)).
  const state = text?.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3);
  switch (state) {
    case "T":
      return `process ${pid} is stopped by a signal (kill -CONT ${pid} lets it go on)`;
    case "t":
      return `process ${pid} is stopped by a debugger`;
    case "Z":
    case "X":
      return `process ${pid} has exited`;
    default:
      return null;
  }
}

function attempt(read: () => string): string | null {
  try {
    return read();
  } catch (error) {
    if (isSyscallFailure(error)) return null;
    throw error;
  }
}
