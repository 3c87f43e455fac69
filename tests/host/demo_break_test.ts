import { assert, assertEquals, AssertionError } from "@std/assert";
import { diagnoseGuest } from "../../lib/diagnose/guest.ts";
import { BREAK_NAMES, type BreakName } from "../../lib/demo/demo.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { RingSnapshot } from "../../lib/ring/snapshot.ts";
import { needEvent } from "../../lib/ring/spec.ts";
import type { Verdict } from "../../lib/ring/stall.ts";
import type { Device } from "../../lib/source/source.ts";
import { attachProc, ownDemo, pause, pendingIn, queueOf } from "../support/demo.ts";

/** What a stuck queue shows, twice the same. */
interface Seen {
  readonly ring: RingSnapshot;
  readonly kicks: bigint;
  readonly calls: bigint;
  readonly device: Device;
}

const VERDICT: Record<BreakName, Verdict> = {
  "stop-device": "device not consuming",
  "lose-kick": "lost kick",
  "suppress-kicks": "kicks suppressed",
  "stop-reaping": "driver not reaping",
  "ring-full": "ring full",
  "corrupt-chain": "corrupt",
  "not-ready": "not ready",
};

/** The symptom of each break, on a split and on a packed ring. */
const SYMPTOM: Record<BreakName, (seen: Seen) => void> = {
  "stop-device": ({ ring, kicks }) => {
    assert(ring.inFlight > 0);
    assert(kicks > 0n);
  },
  "lose-kick": ({ ring, kicks }) => {
    assertEquals(ring.inFlight, 2);
    assertEquals(kicks, 0n);
    // The device asked for a kick at the first of the two.
    assertEquals(ring.used.event, ring.used.index);
  },
  "suppress-kicks": ({ ring, kicks }) => {
    assert(ring.inFlight > 0);
    assertEquals(kicks, 0n);
    const { available, used } = ring;
    const due = ring.config.format === "packed"
      ? used.flags !== 1
      : needEvent(used.event!, available.index, used.index);
    assertEquals(due, false);
  },
  "stop-reaping": ({ ring, calls }) => {
    assertEquals(ring.inFlight, 0);
    assert(calls > 0n);
    assert(ring.available.event !== ring.used.index);
  },
  "ring-full": ({ ring }) => assertEquals(ring.inFlight, ring.config.size),
  "corrupt-chain": ({ ring }) => {
    const code = ring.config.format === "split" ? "loop" : "address-outside-memory";
    assertEquals(ring.findings.map((one) => one.code), [code]);
  },
  "not-ready": ({ device }) => assertEquals(device.status, 15 | 64),
};

/** Breaks one queue of a demo and checks what others see of it. */
async function check(name: BreakName, breakQueue: string): Promise<void> {
  await using demo = await ownDemo({ break: name, breakAfter: 0.1, breakQueue });
  await using guest = await attachProc(demo.target);
  const look = (): Seen => {
    const queue = queueOf(guest.devices, breakQueue);
    const device = guest.devices.find((one) => one.queues.includes(queue))!;
    const { kickFd, callFd } = queue.notifier!;
    const ring = openRing(guest.memory, queue.ring!).snapshot();
    return { ring, kicks: pendingIn(kickFd!), calls: pendingIn(callFd!), device };
  };
  // What a moving ring shows may pass for the symptom: it must stay.
  const first = await eventually(async () => {
    assertEquals(demo.broken, name);
    await guest.refresh();
    const before = look();
    await pause(400);
    const after = look();
    SYMPTOM[name](after);
    assertStill(before, after, `${name} ${breakQueue}`);
    return after;
  });
  const report = await diagnoseGuest(demo.target, { duration: 500, looks: 3 });
  const verdicts = new Map(report.queues.map((one) => [one.target.split("/")[1], one.verdict]));
  assertEquals(verdicts.get(breakQueue), VERDICT[name], `${name} ${breakQueue}`);
  // The other devices go on.
  for (const other of ["blk0:0", "blk1:0", "net1:1"].filter((one) => one !== breakQueue)) {
    assertEquals(verdicts.get(other), "moving", `${name} ${breakQueue}: ${other}`);
  }
  const last = look();
  SYMPTOM[name](last);
  assertStill(first, last, `${name} ${breakQueue}`);
}

function assertStill(before: Seen, after: Seen, what: string): void {
  assertEquals(after.ring.available.index, before.ring.available.index, `${what}: available moves`);
  assertEquals(after.ring.used.index, before.ring.used.index, `${what}: used moves`);
}

/** Tries until it passes: how soon a break is complete depends on what else the machine does. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + 10_000;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof AssertionError) || Date.now() > end) throw error;
    }
    await pause(50);
  }
}

// Each takes a pool thread per side: not all at once.
for (const queue of ["blk0:0", "net0:1"]) {
  for (const names of [BREAK_NAMES.slice(0, 4), BREAK_NAMES.slice(4)]) {
    Deno.test(`demo: ${names.join(", ")} stop ${queue} as they say`, async () => {
      await Promise.all(names.map((name) => check(name, queue)));
    });
  }
}
