/**
 * What a process uses, as /proc tells it (proc_pid_status(5), proc_pid_stat(5)).
 *
 * @module
 */

/** Resident memory in KiB. */
export interface Resident {
  readonly all: number;
  /** Not shared with anybody: without mapped guest memory and the program itself. */
  readonly own: number;
}

/** Resident memory of a process. */
export function residentOf(pid: number): Resident {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s+([0-9]+) kB$`, "m").exec(text)?.[1]);
  return { all: field("VmRSS"), own: field("RssAnon") };
}

/** Processor time that a process has used, in seconds. */
export function processorTime(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  // utime and stime, in clock ticks of a hundredth of a second (sysconf(_SC_CLK_TCK)).
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
