/**
 * QEMU processes on this host. Only names and command lines are read, never memory.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import { attempt } from "./attempt.ts";
import { isEmulator, parseOptions, type QemuOptions, splitArguments } from "./qemu_cmdline.ts";

/** A running QEMU. */
export interface QemuProcess {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly options: QemuOptions;
  /** Start time in clock ticks since boot: tells a process from a later one of the same pid. */
  readonly started: string;
}

/** Every QEMU in this pid namespace, by pid. */
export function listQemu(sys: Sys): QemuProcess[] {
  return sys.readdir("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map((name) => readQemu(sys, Number(name)))
    .filter((process) => process !== null)
    .sort((a, b) => a.pid - b.pid);
}

/** The QEMU with a pid. Throws `SourceError` `not-found` where there is none. */
export function findQemu(sys: Sys, pid: number): QemuProcess {
  const process = readQemu(sys, pid);
  if (process !== null) return process;
  const comm = attempt(() => sys.readText(`/proc/${pid}/comm`).trim());
  const text = comm === null ? `no process ${pid}` : `process ${pid} (${comm}) is no QEMU`;
  const remedy = comm === null
    ? "guestmem find lists the guests"
    : `guestmem find lists the guests; proc:${pid} --layout FILE reads any process`;
  throw new SourceError("qemu", "look up process", "not-found", text, remedy);
}

/** Throws `SourceError` `not-found` where a process has ended, even if its pid is in use again. */
export function assertRunning(sys: Sys, process: QemuProcess): void {
  if (startTime(sys, process.pid) === process.started) return;
  const text = `QEMU ${process.pid} has ended`;
  throw new SourceError("qemu", "look up process", "not-found", text, "");
}

function readQemu(sys: Sys, pid: number): QemuProcess | null {
  const text = attempt(() => sys.readText(`/proc/${pid}/cmdline`, 4 << 20));
  // Kernel threads and zombies have no command line.
  if (text === null || text === "") return null;
  const argv = splitArguments(text);
  const comm = attempt(() => sys.readText(`/proc/${pid}/comm`).trimEnd()) ?? "";
  if (!isEmulator(argv, comm)) return null;
  const started = startTime(sys, pid);
  return started === null ? null : { pid, argv, options: parseOptions(argv), started };
}

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)); null where the process is gone or a zombie. */
function startTime(sys: Sys, pid: number): string | null {
  const text = attempt(() => sys.readText(`/proc/${pid}/stat`));
  if (text === null) return null;
  // Field 2, the name, may hold spaces and parentheses: field 3 follows the last parenthesis.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? null : fields[19] ?? null;
}
