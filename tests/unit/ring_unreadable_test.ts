/** Rings of which the host refuses to read a part: said with the errno, and blamed on nobody. */
import { assertEquals } from "@std/assert";
import { diagnosisJson, diagnosisPlain } from "../../cli/render/diagnosis.ts";
import type { Sys } from "../../ffi/sys.ts";
import { guestAddress } from "../../lib/address.ts";
import { observe, reports } from "../../lib/diagnose/observe.ts";
import type { Backing } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import type { RingConfig, RingFormat } from "../../lib/ring/config.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { FollowedQueue } from "../../lib/watch/followed_queue.ts";
import { Inspector } from "../../lib/watch/inspect.ts";

/** No queue here has an fd to look at. */
const sys = {} as Sys;

/** Where the areas lie, and how much memory there is. */
const AREAS = { descriptor: 0x1000n, driver: 0x2000n, device: 0x3000n };
const LENGTH = 0x4000;

const PLACES = {
  split: ["descriptor table", "available ring", "used ring"],
  packed: ["descriptor ring", "driver event area", "device event area"],
} as const;

/** Memory of zeros that the host refuses to read from an address on. */
function cutAt(end: number): GuestMemory {
  const backing: Backing = {
    length: LENGTH,
    label: "cut",
    pageSize: 4096,
    copy: (offset, target) => {
      const length = Math.max(0, Math.min(target.length, end - offset));
      target.fill(0, 0, length);
      return { length, errno: length === target.length ? null : "EIO" };
    },
    live: () => null,
    nextData: () => null,
  };
  const region = { guest: guestAddress(0n), length: BigInt(LENGTH), backing, offset: 0 };
  return new GuestMemory(
    new RegionTable([{ ...region, access: "ro", name: "cut", user: null }]),
    "cut",
  );
}

function configOf(format: RingFormat): RingConfig {
  return { format, size: 8, ...AREAS, addressSpace: "guest", features: 0n };
}

/** A guest of one disk with this ring, as far as it is looked at. */
function guest(memory: GuestMemory, ring: RingConfig): Attachment {
  const queue = { index: 0, name: "request0", ring, note: "" };
  const device = { name: "blk0", type: 2, status: null, queues: [queue] };
  const target = { text: "file:x", scheme: "file", what: "x", device: null, queue: null };
  return { target, memory, devices: [device] } as unknown as Attachment;
}

async function diagnosed(memory: GuestMemory, ring: RingConfig) {
  const attachment = guest(memory, ring);
  const observed = await observe(attachment, { sys, duration: 0, looks: 2, signal: null });
  const [report] = reports(attachment, observed, { sys, still: false, halted: null });
  return report;
}

/** What `watch` says at the first report, and after the ring was looked at twice. */
function watched(memory: GuestMemory, config: RingConfig): string[][] {
  const { devices: [device], target } = guest(memory, config);
  const selected = { device, queue: device.queues[0], target: `${target.text}/blk0:0` };
  const queue = new FollowedQueue(selected, openRing(memory, config), memory, sys);
  const says = (now: number) => {
    queue.report({ now, halted: null });
    return [queue.row.verdict ?? "", ...queue.row.evidence];
  };
  const first = says(0);
  const inspector = new Inspector();
  for (let look = 0; look < 2; look++) inspector.look([queue], () => look * 1000);
  return [first, says(1000)];
}

for (const format of ["split", "packed"] as const) {
  for (const [n, end] of [0x1000, 0x2000, 0x3000].entries()) {
    Deno.test(`${format}: the errno of the ${PLACES[format][n]} is a finding of its own`, () => {
      const ring = openRing(cutAt(end), configOf(format));
      const { findings } = ring.snapshot();
      assertEquals(findings, [{
        code: "ring-unreadable",
        place: PLACES[format][n],
        section: "",
        text: "it can not be read: EIO",
      }]);
      assertEquals(ring.fault(), "EIO");
    });
  }

  Deno.test(`${format}: diagnose and watch say the same of a ring that can not be read`, async () => {
    const [memory, config] = [cutAt(0x2000), configOf(format)];
    const { verdict, turn, evidence, observed, next } = await diagnosed(memory, config);
    assertEquals([verdict, turn, observed], ["not ready", "nobody", null]);
    assertEquals(evidence, ["the ring can not be read: EIO"]);
    assertEquals(next, "guestmem dump ring file:x/blk0:0");
    const said = [verdict, ...evidence];
    assertEquals(watched(memory, config), [said, said]);
  });

  Deno.test(`${format}: a ring where no memory is stays the driver's fault, in watch at once`, async () => {
    const [memory, config] = [cutAt(LENGTH), { ...configOf(format), device: 0x4000_0000n }];
    const { verdict, turn } = await diagnosed(memory, config);
    assertEquals([verdict, turn], ["corrupt", "driver"]);
    assertEquals(watched(memory, config).map(([verdict]) => verdict), ["corrupt", "corrupt"]);
  });
}

Deno.test("what a side says of itself besides is the driver's fault, readable or not", async () => {
  const config = { ...configOf("split"), descriptor: 0x1008n };
  const { verdict, evidence } = await diagnosed(cutAt(0x2000), config);
  assertEquals([verdict, evidence.length], ["corrupt", 2]);
});

Deno.test("of a ring that can not be read no number is made up", async () => {
  const queue = await diagnosed(cutAt(0x3000), configOf("split"));
  const report = { target: "file:x", halted: null, still: true, queues: [queue] };
  const [{ available, used, inFlight }] = JSON.parse(diagnosisJson(report)).queues;
  assertEquals([available, used, inFlight], [null, null, null]);
  assertEquals(diagnosisPlain([queue]).split("\t").slice(2, 5), ["-", "-", "-"]);
});
