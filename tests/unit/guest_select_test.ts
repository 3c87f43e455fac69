import { assertEquals, assertThrows } from "@std/assert";
import { SourceError } from "../../lib/errors.ts";
import type { Device } from "../../lib/guest/guest.ts";
import { guestTarget, selectDevices, selectQueue, selectQueues } from "../../lib/guest/select.ts";
import { parseTarget } from "../../lib/guest/target.ts";

function device(name: string, queues: readonly string[]): Device {
  return {
    name,
    type: 1,
    bus: { kind: "none", id: "" },
    status: null,
    features: 0n,
    vhost: null,
    queues: queues.map((queue, index) => ({ index, name: queue, ring: null, note: "" })),
    note: "",
  };
}

const DEVICES = [device("net0", ["rx0", "tx0", "ctrl"]), device("blk0", ["request0"])];

const target = (text: string) => parseTarget(text, () => false);
const named = (text: string) => selectQueues(DEVICES, target(text)).map((queue) => queue.target);

Deno.test("a target names all queues, those of a device, or one by index or name", () => {
  assertEquals(named("qemu:42"), [
    "qemu:42/net0:0",
    "qemu:42/net0:1",
    "qemu:42/net0:2",
    "qemu:42/blk0:0",
  ]);
  assertEquals(named("qemu:42/net0"), ["qemu:42/net0:0", "qemu:42/net0:1", "qemu:42/net0:2"]);
  assertEquals(named("qemu:42/net0:1"), ["qemu:42/net0:1"]);
  assertEquals(named("qemu:42/net0:ctrl"), ["qemu:42/net0:2"]);
});

Deno.test("what a row shows is what the next command takes", () => {
  for (const text of named("qemu:42")) assertEquals(named(text), [text]);
});

Deno.test("an unknown device or queue is not found, and the known ones are named", () => {
  const device = assertThrows(() => selectDevices(DEVICES, target("qemu:42/blk7")), SourceError);
  assertEquals([device.kind, device.remedy], [
    "not-found",
    "did you mean blk0? devices: net0, blk0",
  ]);
  const queue = assertThrows(() => selectQueues(DEVICES, target("qemu:42/net0:9")), SourceError);
  assertEquals([queue.kind, queue.remedy], ["not-found", "queues: 0 (rx0), 1 (tx0), 2 (ctrl)"]);
});

Deno.test("where one queue is wanted, several are none", () => {
  assertEquals(selectQueue(DEVICES, target("qemu:42/blk0")).target, "qemu:42/blk0:0");
  const error = assertThrows(() => selectQueue(DEVICES, target("qemu:42/net0")), SourceError);
  assertEquals(error.remedy, "queues: qemu:42/net0:0, qemu:42/net0:1, qemu:42/net0:2");
});

Deno.test("a session's name is a guest's target, too", () => {
  assertEquals(guestTarget(target("m1@night/blk0:0")), "m1@night");
});
