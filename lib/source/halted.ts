/**
 * Whether a process can answer at all, and its virtual machine runs. Whoever asks one that is stopped
 * waits in vain, and must not take its silence for somebody else's fault.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";
import type { Attachment, Monitor } from "./source.ts";

/** Bytes of a stat file that are of interest. */
const LIMIT = 4096;

/** A process or a virtual machine that does not run. */
export interface Halted {
  /** `process 4242 is stopped by a signal`. */
  readonly why: string;
  /** What lets it go on; empty where nothing does. */
  readonly remedy: string;
  /** The same as what to type; empty where there is no such thing. */
  readonly command: string;
}

/** The process that serves a guest: of a target that names it by its id, or what the source says. */
export function servingPid({ pid, origin, target }: Attachment): number | null {
  return pid ?? namedPid(origin ?? target.text);
}

/** The process that a target names by its id: it can be looked at before anything is asked of it. */
export function namedPid(target: string): number | null {
  const match = /^(?:qemu|proc):([1-9][0-9]*)(?:[./]|$)/.exec(target);
  return match === null ? null : Number(match[1]);
}

const DEBUGGED = { remedy: "let the debugger go on", command: "" };

/** Why a process does not run; null where it does or can not be looked at. */
export function haltedProcess(sys: Pick<Sys, "readText">, pid: number): Halted | null {
  const text = attempt(() => sys.readText(`/proc/${pid}/stat`, LIMIT));
  // The name in parentheses may hold anything: the state follows the last one (proc_pid_stat(5)).
  const state = text?.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3);
  switch (state) {
    case "T":
      return {
        why: `process ${pid} is stopped by a signal`,
        remedy: `kill -CONT ${pid} lets it go on`,
        command: `kill -CONT ${pid}`,
      };
    case "t":
      return { why: `process ${pid} is stopped by a debugger`, ...DEBUGGED };
    case "Z":
    case "X":
      return { why: `process ${pid} has exited`, remedy: "", command: "" };
    default:
      return null;
  }
}

/** The same in one line. */
export function haltedText({ why, remedy }: Pick<Halted, "why" | "remedy">): string {
  return remedy === "" ? why : `${why} (${remedy})`;
}

/**
 * Why a virtual machine does not run (QMP `query-status`): one that is paused runs neither
 * its processors nor its devices. Null where it runs, or there is no monitor to ask. Throws as
 * `Monitor.execute` does.
 */
export async function pausedMachine(monitor: Monitor | undefined): Promise<Halted | null> {
  if (monitor === undefined) return null;
  const answer = await monitor.execute("query-status");
  const status = (answer as { status?: unknown } | null)?.status;
  if (typeof status !== "string" || status === "running") return null;
  return {
    why: `the virtual machine is ${status}`,
    remedy: "QMP `cont` lets it go on",
    command: '{"execute":"cont"} at its QMP monitor',
  };
}

/** Why nobody serves a guest now: its process, else its machine. Throws as {@linkcode pausedMachine}. */
export async function haltedGuest(
  sys: Pick<Sys, "readText">,
  attachment: Attachment,
): Promise<Halted | null> {
  const pid = servingPid(attachment);
  const process = pid === null ? null : haltedProcess(sys, pid);
  return process ?? await pausedMachine(attachment.monitor);
}
