/**
 * Whether a process can answer at all, and its virtual machine runs. Whoever asks one that is stopped
 * waits in vain, and must not take its silence for somebody else's fault.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";
import type { Monitor } from "./source.ts";

/** Bytes of a stat file that are of interest. */
const LIMIT = 4096;

/** A process that does not run. */
export interface Halted {
  /** `process 4242 is stopped by a signal`. */
  readonly why: string;
  /** What lets it go on; empty where nothing does. */
  readonly remedy: string;
}

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
      };
    case "t":
      return { why: `process ${pid} is stopped by a debugger`, remedy: "let the debugger go on" };
    case "Z":
    case "X":
      return { why: `process ${pid} has exited`, remedy: "" };
    default:
      return null;
  }
}

/** The same in one line. */
export function haltedText({ why, remedy }: Halted): string {
  return remedy === "" ? why : `${why} (${remedy})`;
}

/**
 * Why a virtual machine does not run, in one line (QMP `query-status`): one that is paused runs neither
 * its processors nor its devices. Null where it runs, or there is no monitor to ask. Throws as
 * `Monitor.execute` does.
 */
export async function pausedMachine(monitor: Monitor | undefined): Promise<string | null> {
  if (monitor === undefined) return null;
  const answer = await monitor.execute("query-status");
  const status = (answer as { status?: unknown } | null)?.status;
  if (typeof status !== "string" || status === "running") return null;
  return `the virtual machine is ${status} (QMP \`cont\` lets it go on)`;
}
