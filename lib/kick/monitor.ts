/**
 * Kick of last resort: the monitor's `stop` and `cont`. When QEMU's block and net layers resume they
 * look at every queue again. The guest stands still in between, for about a millisecond, and all of
 * its queues are kicked; so this is only done when it is asked for by name.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Monitor } from "../source/source.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

/** The kick by monitor. `monitor` is undefined where the guest has none that answers. */
export function monitorKick(monitor: Monitor | undefined, side: KickSide): Kick {
  const possible = side === "call"
    ? "the monitor can kick the device, not call the driver"
    : monitor === undefined
    ? "the guest has no monitor that answers"
    : true;
  return {
    name: "monitor",
    lastResort: true,
    possible,
    describe: () => "monitor: stop, then cont (pauses the guest briefly, kicks all its queues)",
    send: () => stopAndContinue(monitor as Monitor),
  };
}

async function stopAndContinue(monitor: Monitor): Promise<KickProof> {
  const before = await runState(monitor);
  if (before !== "running") {
    const why = `the guest is ${before}: cont would start it, which a kick must not do`;
    throw new SourceError("kick", "query-status", "unsupported", why);
  }
  const start = performance.now();
  try {
    await monitor.execute("stop");
  } finally {
    // A stop that was sent but not answered may still take effect.
    await resume(monitor);
  }
  const paused = (performance.now() - start).toFixed(1);
  const after = await runState(monitor);
  return { evidence: [`guest was ${before}, paused for ${paused} ms, is ${after}`] };
}

/** Attempts to set the guest going again, and milliseconds between them. */
const ATTEMPTS = 5;
const RETRY_MS = 200;

/** Never leaves the guest standing because someone else had the monitor for a moment. */
async function resume(monitor: Monitor, attempts = ATTEMPTS): Promise<void> {
  try {
    await monitor.execute("cont");
  } catch (error) {
    if (attempts <= 1) throw error;
    await new Promise((done) => setTimeout(done, RETRY_MS));
    await resume(monitor, attempts - 1);
  }
}

async function runState(monitor: Monitor): Promise<string> {
  const answer = await monitor.execute("query-status");
  const status = typeof answer === "object" && answer !== null && "status" in answer
    ? answer.status
    : undefined;
  return typeof status === "string" ? status : "in an unknown state";
}
