/**
 * Each verdict from a drawn state. In the pictures `u` is the used index, `a` the available index,
 * `e` the event index of the side in question; time runs downwards.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { RingConfig } from "../../lib/ring/config.ts";
import type { RingIndices } from "../../lib/ring/snapshot.ts";
import { diagnose, type QueueObservation, type QueueReading } from "../../lib/ring/stall.ts";

const EVENT_IDX = 1n << 29n;
const CONFIG: RingConfig = {
  format: "split",
  size: 8,
  descriptor: 0x1000n,
  driver: 0x2000n,
  device: 0x3000n,
  addressSpace: "guest",
  features: EVENT_IDX,
};

/** A reading at `time` ms: used and available index, and what each side says of notifications. */
function reading(
  time: number,
  used: number,
  available: number,
  say: {
    availEvent?: number | null;
    usedEvent?: number | null;
    noNotify?: boolean;
    kick?: bigint;
    call?: bigint;
  } = {},
): QueueReading {
  const { availEvent = null, usedEvent = null, noNotify = false } = say;
  const side = { wrap: null, eventWrap: null };
  const indices: RingIndices = {
    available: { ...side, index: available, flags: 0, event: usedEvent },
    used: { ...side, index: used, flags: noNotify ? 1 : 0, event: availEvent },
    inFlight: (available - used) & 0xffff,
    exact: true,
    raced: false,
    time,
  };
  const fd = (pending?: bigint) => pending === undefined ? null : { pending };
  return { indices, kick: fd(say.kick), call: fd(say.call) };
}

/** No test but those of it asks. */
function armedAtZero(): boolean {
  throw new Error("asked whether used_event 0 means something");
}

function queue(readings: QueueReading[], more: Partial<QueueObservation> = {}): QueueObservation {
  const fault = () => null;
  const rest = { findings: [], status: 15, posted: false, halted: null, note: "", armedAtZero };
  return { config: CONFIG, readings, fault, ...rest, ...more };
}

Deno.test("idle: nothing outstanding, nothing pending", () => {
  //  ──ua──▶
  const seen = diagnose(queue([reading(0, 5, 5), reading(1000, 5, 5)]));
  assertEquals([seen.verdict, seen.turn, seen.observed], ["idle", "nobody", 1000]);
});

Deno.test("moving: used advances, however slowly", () => {
  //  ──u──a──▶
  //  ───u─a──▶
  const seen = diagnose(queue([reading(0, 5, 9), reading(1000, 6, 9)]));
  assertEquals(seen.verdict, "moving");
});

Deno.test("lost kick: the driver passed avail_event, the fd is empty, nothing moves", () => {
  //  ──u─e──a──▶   e asked for a kick, and none came
  const say = { availEvent: 6, kick: 0n };
  const seen = diagnose(queue([reading(0, 5, 9, say), reading(1000, 5, 9, say)]));
  assertEquals([seen.verdict, seen.turn], ["lost kick", "device"]);
  assertStringIncludes(seen.evidence.join("\n"), "avail_event 6");
});

Deno.test("device not consuming: it was kicked and has not taken the kick", () => {
  const say = { availEvent: 6, kick: 3n };
  const seen = diagnose(queue([reading(0, 5, 9, say), reading(1000, 5, 9, say)]));
  assertEquals(seen.verdict, "device not consuming");
  assertStringIncludes(seen.evidence.join("\n"), "holds 3");
});

Deno.test("device not consuming: it fetched everything and completes nothing", () => {
  //  ──u──ae──▶
  const say = { availEvent: 9, kick: 0n };
  const seen = diagnose(queue([reading(0, 5, 9, say), reading(1000, 5, 9, say)]));
  assertEquals(seen.verdict, "device not consuming");
});

Deno.test("device not consuming: its process is stopped", () => {
  const halted = "process 7 is stopped by a signal";
  const seen = diagnose(queue([reading(0, 5, 9), reading(1000, 5, 9)], { halted }));
  assertEquals(seen.verdict, "device not consuming");
  assertEquals(seen.evidence.includes(halted), true);
});

Deno.test("a process that was stopped meanwhile: what moved before does not count", () => {
  //  ──u───a──▶
  //  ───u──a──▶   stopped here
  //  ───u──a──▶
  const halted = "process 7 is stopped by a signal";
  const readings = [reading(0, 5, 9), reading(500, 6, 9), reading(1000, 6, 9)];
  const seen = diagnose(queue(readings, { halted }));
  assertEquals([seen.verdict, seen.turn, seen.observed], ["device not consuming", "device", 500]);
  assertEquals(seen.evidence.at(-1), halted);
  assertEquals(diagnose(queue(readings.slice(0, 2), { halted })).observed, null);
  const reaped = diagnose(queue([reading(0, 5, 5, { call: 1n })], { halted }));
  assertEquals([reaped.verdict, reaped.evidence.at(-1)], ["driver not reaping", halted]);
});

Deno.test("kicks suppressed: NO_NOTIFY is set, or avail_event lies behind", () => {
  const plain = { ...CONFIG, features: 0n };
  const flags = [reading(0, 5, 7, { noNotify: true }), reading(1000, 5, 7, { noNotify: true })];
  assertEquals(diagnose(queue(flags, { config: plain })).verdict, "kicks suppressed");
  //  ──e──u──a──▶
  const say = { availEvent: 2 };
  const behind = [reading(0, 5, 7, say), reading(1000, 5, 7, say)];
  assertEquals(diagnose(queue(behind)).verdict, "kicks suppressed");
});

Deno.test("ring full: every entry is with a device that does not complete", () => {
  const say = { availEvent: 13, kick: 0n };
  const seen = diagnose(queue([reading(0, 5, 13, say), reading(1000, 5, 13, say)]));
  assertEquals(seen.verdict, "ring full");
});

Deno.test("a full receive queue is at rest", () => {
  const seen = diagnose(queue([reading(0, 5, 13), reading(1000, 5, 13)], { posted: true }));
  assertEquals([seen.verdict, seen.turn], ["idle", "nobody"]);
});

Deno.test("driver not reaping: used passed used_event, or calls are pending", () => {
  //  ──e────ua──▶
  const say = { usedEvent: 3 };
  const behind = diagnose(queue([reading(0, 9, 9, say), reading(1000, 9, 9, say)]));
  assertEquals([behind.verdict, behind.turn], ["driver not reaping", "driver"]);
  const pending = diagnose(
    queue([reading(0, 9, 9, { call: 2n }), reading(1000, 9, 9, { call: 2n })]),
  );
  assertEquals(pending.verdict, "driver not reaping");
});

Deno.test("used_event 0: where the driver waits for its first answer, or what one leaves that polls", () => {
  //  e──ua──▶
  const say = { usedEvent: 0 };
  const readings = [reading(0, 1, 1, say), reading(1000, 1, 1, say)];
  const armed = diagnose(queue(readings, { armedAtZero: () => true }));
  assertEquals([armed.verdict, armed.turn], ["driver not reaping", "driver"]);
  assertStringIncludes(armed.evidence.join("\n"), "used is 1 past the driver's used_event 0");
  const polling = diagnose(queue(readings, { armedAtZero: () => false }));
  assertEquals([polling.verdict, polling.turn], ["idle", "nobody"]);
  assertStringIncludes(polling.evidence.join("\n"), "asks for no call");
  //  uae▶   nothing was used yet, or it is where the driver waits
  assertEquals(diagnose(queue([reading(0, 0, 0, say)])).verdict, "idle");
});

Deno.test("packed: a driver that asked to be called at a slot which used has passed does not reap", () => {
  const config: RingConfig = { ...CONFIG, format: "packed" };
  const at = (used: [number, boolean], event: [number, boolean] | null, exact = true) => {
    const base = reading(0, 0, 0);
    const side = { index: used[0], wrap: used[1], flags: 0, event: null, eventWrap: null };
    const asked = event && { flags: 2, event: event[0], eventWrap: event[1] };
    const indices = { ...base.indices, used: side, available: { ...side, ...asked }, exact };
    return diagnose(queue([{ ...base, indices }, { ...base, indices }], { config }));
  };
  assertEquals(at([1, true], [0, true]).verdict, "driver not reaping");
  assertStringIncludes(
    at([1, false], [7, true]).evidence.join(),
    "used is 2 past the driver's desc",
  );
  assertEquals(at([1, true], [6, false]).verdict, "driver not reaping");
  assertEquals(at([3, true], [3, true]).verdict, "idle");
  //  u──e   it wants to hear of more than there is
  assertEquals(at([3, true], [5, true]).verdict, "idle");
  assertEquals(at([3, true], [1, false]).verdict, "idle");
  // It does not say where, or nobody knows where used stands.
  assertEquals(at([1, true], null).verdict, "idle");
  assertEquals(at([1, true], [0, true], false).verdict, "idle");
});

Deno.test("corrupt outranks movement; not ready outranks corrupt", () => {
  const findings = [{
    code: "loop",
    place: "descriptor 7",
    section: "2.7.5.2",
    text: "…",
  }] as const;
  const readings = [reading(0, 5, 9), reading(1000, 6, 9)];
  assertEquals(diagnose(queue(readings, { findings })).verdict, "corrupt");
  assertEquals(diagnose(queue(readings, { findings, status: 0x4f })).verdict, "not ready");
  assertEquals(diagnose(queue([], { config: null, note: "not set up" })).evidence, ["not set up"]);
});

Deno.test("indices that wrap at 65536 are compared as 16-bit numbers", () => {
  //  65534 ─u──e── 0 ──a 3─▶
  const say = { availEvent: 65535, kick: 0n };
  const seen = diagnose(queue([reading(0, 65534, 3, say), reading(1000, 65534, 3, say)]));
  assertEquals(seen.verdict, "lost kick");
});

Deno.test("packed: disabled, fetched and due are told apart by the device event area", () => {
  const config: RingConfig = { ...CONFIG, format: "packed" };
  const at = (flags: number, event: number | null): QueueReading => {
    const base = reading(0, 1, 4);
    const used = { index: 1, flags, event, wrap: true, eventWrap: true };
    const available = { index: 4, flags: 0, event: null, wrap: true, eventWrap: null };
    return {
      ...base,
      kick: { pending: 0n },
      indices: { ...base.indices, used, available, inFlight: 3 },
    };
  };
  const verdict = (flags: number, event: number | null) =>
    diagnose(queue([at(flags, event), at(flags, event)], { config })).verdict;
  assertEquals(verdict(1, null), "kicks suppressed");
  assertEquals(verdict(2, 4), "device not consuming");
  assertEquals(verdict(2, 2), "lost kick");
  assertEquals(verdict(0, null), "device not consuming");
});
