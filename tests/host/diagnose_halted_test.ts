/** A guest whose process is stopped: before it is looked at, or meanwhile. */
import { assert, assertEquals } from "@std/assert";
import { diagnoseGuest, type GuestReport } from "../../lib/diagnose/guest.ts";
import { startGuestmem } from "../support/cli.ts";
import { pause } from "../support/demo.ts";
import { sys } from "../support/host.ts";

/** Stops the demo after `after` milliseconds of being looked at. */
async function stoppedAfter(after: number): Promise<{ report: GuestReport; pid: number }> {
  const demo = startGuestmem(["demo", "--for", "60s", "--json"]);
  const { target } = JSON.parse(await demo.line(/^\{/));
  const pid = Number(/^proc:([0-9]+)/.exec(target)?.[1]);
  try {
    if (after === 0) Deno.kill(pid, "SIGSTOP");
    const report = diagnoseGuest(target, { sys, duration: 1500, looks: 16 });
    if (after > 0) {
      await pause(after);
      Deno.kill(pid, "SIGSTOP");
    }
    return { report: await report, pid };
  } finally {
    Deno.kill(pid, "SIGCONT");
    await demo.end("SIGINT");
  }
}

for (const after of [0, 700]) {
  Deno.test(`a process that is stopped after ${after} ms of looking moves nothing`, async () => {
    const { report: { halted, queues }, pid } = await stoppedAfter(after);
    assertEquals(halted, `process ${pid} is stopped by a signal (kill -CONT ${pid} lets it go on)`);
    assert(queues.length > 0);
    for (const { verdict, evidence, next, target, observed } of queues) {
      assert(verdict !== "moving", target);
      if (verdict === "idle") continue;
      assert(evidence.includes(halted as string), `${target}: ${evidence}`);
      assertEquals(next, `kill -CONT ${pid}`);
      if (after > 0) assert(observed === null || observed < 1500 - after / 2, String(observed));
    }
  });
}

Deno.test("a process that is stopped is named, also where it is no guest", async () => {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  Deno.kill(child.pid, "SIGSTOP");
  while (!/^State:\sT/m.test(await Deno.readTextFile(`/proc/${child.pid}/status`))) await pause(5);
  try {
    const { halted, queues } = await diagnoseGuest(`proc:${child.pid}`, { sys });
    const { pid } = child;
    assertEquals(halted, `process ${pid} is stopped by a signal (kill -CONT ${pid} lets it go on)`);
    assertEquals(queues, []);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});
