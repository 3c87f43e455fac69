/**
 * Makes a real QEMU write a dump.
 *
 * @module
 */
import { assert } from "@std/assert";
import type { Monitor } from "../../lib/source/source.ts";

/** Milliseconds that a dump may take: on a machine that does much else, a disk may be slow. */
const PATIENCE = 60_000;

/** Dumps to a file and waits until the dump is complete: QEMU does it beside its other work. */
export async function dumpGuest(
  monitor: Monitor,
  path: string,
  args: Record<string, unknown> = {},
): Promise<void> {
  const how = { paging: false, protocol: `file:${path}`, detach: true };
  await monitor.execute("dump-guest-memory", { ...how, ...args });
  for (const end = performance.now() + PATIENCE; performance.now() < end;) {
    const { status } = await monitor.execute("query-dump") as { status: string };
    if (status === "completed") return;
    assert(status === "active", status);
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("the dump did not end");
}
