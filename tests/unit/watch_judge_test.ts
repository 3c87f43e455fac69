/** Verdicts of `watch`: those of `diagnose`, but never of a moment between two movements. */
import { assert, assertEquals } from "@std/assert";
import type { SelectedQueue } from "../../lib/guest/select.ts";
import type { Finding } from "../../lib/finding.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { copyIndices, newIndices } from "../../lib/ring/positions.ts";
import type { RingIndices } from "../../lib/ring/snapshot.ts";
import { Judge, type JudgedQueue, type Moment } from "../../lib/watch/judge.ts";
import { RingSampler } from "../../lib/watch/sampler.ts";

const CONFIG: RingConfig = {
  format: "split",
  size: 8,
  descriptor: 0x1000n,
  driver: 0x2000n,
  device: 0x3000n,
  addressSpace: "guest",
  features: 0n,
};

const FINDING: Finding = {
  code: "loop",
  place: "descriptor 7",
  section: "2.7.5.2",
  text: "a loop",
};

function indices(available: number, used: number, noNotify = false): RingIndices {
  const side = { flags: 0, event: null, wrap: null, eventWrap: null };
  return {
    available: { ...side, index: available },
    used: { ...side, index: used, flags: noNotify ? 1 : 0 },
    inFlight: (available - used) & 0xffff,
    exact: true,
    raced: false,
    time: 0,
  };
}

function selected(name: string, status: number | null): SelectedQueue {
  const queue = { index: 0, name, ring: CONFIG, note: "" };
  const device = { name: "blk0", type: 2, status, queues: [queue] };
  return { device, queue, target: "file:x/blk0:0" } as unknown as SelectedQueue;
}

/** What is said at each of these times, of the indices that stand there then. */
function judgements(
  readings: readonly (readonly [time: number, indices: RingIndices | null])[],
  more: Partial<JudgedQueue & Moment> & { name?: string; status?: number | null } = {},
) {
  const { name = "request0", status = 15, halted = null, findings = [] } = more;
  const sampler = new RingSampler(CONFIG);
  const judge = new Judge();
  const notifications = more.notifications ?? (() => ({ kick: null, call: null }));
  const queue = {
    selected: selected(name, status),
    ring: { config: CONFIG, isArmedAtZero: () => false, fault: () => "EIO" },
    findings,
    notifications,
  };
  // One object for all readings, as a watch has it: nothing may be kept of it but copies.
  const filled = newIndices();
  return readings.map(([now, reading]) => {
    if (reading !== null) copyIndices(filled, reading);
    const positions = reading === null ? null : {
      available: reading.available.index,
      used: reading.used.index,
      inFlight: reading.inFlight,
      exact: true,
    };
    sampler.observe(positions, now);
    return judge.judge(sampler.report(now, reading && filled), queue, { now, halted });
  });
}

const verdicts = (...of: Parameters<typeof judgements>) =>
  judgements(...of).map(({ verdict }) => verdict);

Deno.test("a stall is told by what moved since it began", () => {
  const [, told] = judgements([[0, indices(5, 3)], [1000, indices(7, 3)]]);
  assertEquals(told.verdict, "device not consuming");
  assert(told.evidence.some((text) => text.includes("available moved from 5 to 7")));
});

Deno.test("a stall wants about a second without movement", () => {
  const stuck = [0, 100, 500, 890, 910, 5000].map((time) => [time, indices(5, 3)] as const);
  assertEquals(verdicts(stuck), [
    null,
    null,
    null,
    null,
    "device not consuming",
    "device not consuming",
  ]);
});

Deno.test("a queue that gives something back now and then is moving in between", () => {
  assertEquals(
    verdicts([
      [0, indices(5, 3)],
      [400, indices(5, 4)],
      [800, indices(6, 4)],
      [1200, indices(6, 4)],
      [1600, indices(6, 4)],
      [1700, indices(6, 6)],
      [2700, indices(6, 6)],
    ]),
    [null, "moving", "moving", "moving", "device not consuming", "moving", "idle"],
  );
});

Deno.test("a full ring, kicks suppressed, a posted queue, a device that is not ready", () => {
  const full = [[0, indices(8, 0)], [1000, indices(8, 0)]] as const;
  assertEquals(verdicts(full), [null, "ring full"]);
  assertEquals(verdicts(full, { name: "rx0" }), ["idle", "idle"]);
  assertEquals(verdicts(full, { status: 3 }), ["not ready", "not ready"]);
  const quiet = [[0, indices(5, 3, true)], [1000, indices(5, 3, true)]] as const;
  assertEquals(verdicts(quiet), [null, "kicks suppressed"]);
  assertEquals(verdicts(full, { halted: "it is stopped" }), [null, "device not consuming"]);
});

Deno.test("findings and unreadable rings are said at once", () => {
  assertEquals(verdicts([[0, indices(5, 3)]], { findings: [FINDING] }), ["corrupt"]);
  assertEquals(verdicts([[0, null]]), ["not ready"]);
});

Deno.test("a kick fd that holds a kick tells a slow device from a lost kick; others are not asked", () => {
  let asked = 0;
  const notifications = () => {
    asked++;
    return { kick: { pending: 1n }, call: null };
  };
  assertEquals(verdicts([[0, indices(3, 3)], [500, indices(3, 3)]], { notifications }), [
    "idle",
    "idle",
  ]);
  assertEquals(asked, 0);
  const stuck = [[0, indices(5, 3)], [1000, indices(5, 3)]] as const;
  assertEquals(verdicts(stuck, { notifications }), [null, "device not consuming"]);
  assert(asked === 1);
});
