/**
 * Stops this program for the shell that started it, as Ctrl-Z does where the terminal sees to it.
 *
 * @module
 */
import { SIGSTOP } from "../ffi/constants.ts";
import { openSys, type Sys } from "../ffi/sys.ts";
import { isSyscallFailure } from "./errors.ts";

/** Milliseconds in which every thread has stopped: the call may return on one before. */
const SETTLE = 50;
/** Processes from ourselves up to the shell. */
const GENERATIONS = 16;

/**
 * Stops the whole job, with whatever started us in it, and returns when it goes on. Gives false where
 * no shell is there that could make it go on; then nothing stops. SIGTSTP, the milder signal, would be
 * caught by a task runner between the shell and us, and the shell would not notice.
 */
export function stopJob(sys: Sys = openSys()): boolean {
  if (!hasShell(sys)) return false;
  sys.killGroup(SIGSTOP);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLE);
  return true;
}

/** Whether our process group was started by another one of our session: a shell with job control. */
function hasShell(sys: Sys): boolean {
  try {
    const own = lineage(sys, sys.pid);
    let parent = own;
    for (let n = 0; n < GENERATIONS && parent.group === own.group; n++) {
      parent = lineage(sys, parent.parent);
    }
    return parent.group !== own.group && parent.session === own.session;
  } catch (error) {
    if (isSyscallFailure(error)) return false;
    throw error;
  }
}

interface Lineage {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** proc_pid_stat(5): the fields after the name, which may have anything in it. */
function lineage(sys: Sys, pid: number): Lineage {
  const text = sys.readText(`/proc/${pid}/stat`);
  const [, parent, group, session] = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
  return { parent, group, session };
}
