/** Ctrl-Z: only where a shell can make the job go on. */
import { assertEquals } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import { stopJob } from "../../lib/stop_job.ts";
import { fakeSys } from "../support/fake_sys.ts";

/** Parent, process group and session of each process. */
type Processes = Readonly<Record<number, readonly [number, number, number]>>;

/** Whether it stops, and the signals that were sent to the group. */
function tried(processes: Processes): [boolean, number[]] {
  const sent: number[] = [];
  const { sys } = fakeSys({
    script: {
      pid: 30,
      readText(path) {
        const pid = Number(path.split("/")[2]);
        if (!(pid in processes)) throw new SyscallError("open", "ENOENT", path);
        // A name may look like the fields after it.
        return `${pid} (a) S 1 1 1 (b) S ${processes[pid].join(" ")} 34816 30 0`;
      },
      killGroup: (signal) => void sent.push(signal),
    },
  });
  return [stopJob(sys), sent];
}

Deno.test("a job of a shell is stopped, a runner between them with it", () => {
  // shell 10 of session 10; job 20 of a runner and ourselves
  const shell = { 10: [1, 10, 10] } as const;
  assertEquals(tried({ ...shell, 30: [10, 30, 10] }), [true, [19]]);
  assertEquals(tried({ ...shell, 20: [10, 20, 10], 30: [20, 20, 10] }), [true, [19]]);
});

Deno.test("nothing is stopped where nobody could make it go on", () => {
  // In the group of a shell without job control, whose parent has another session.
  assertEquals(tried({ 1: [0, 1, 1], 10: [1, 10, 10], 30: [10, 10, 10] }), [false, []]);
  assertEquals(tried({ 1: [0, 0, 0], 30: [1, 30, 30] }), [false, []]);
  assertEquals(tried({ 30: [10, 30, 10] }), [false, []], "the parent is gone");
  assertEquals(tried({ 30: [30, 30, 30] }), [false, []], "a loop has an end");
});
