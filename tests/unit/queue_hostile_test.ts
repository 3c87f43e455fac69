import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { FindingCode } from "../../lib/finding.ts";
import { WritableGuestMemory } from "../../lib/memory/guest_memory.ts";
import { type DeviceQueue, openDeviceQueue } from "../../lib/ring/device_queue.ts";
import { type Image, image, IMAGE_NAMES } from "../support/images.ts";
import { featuresOf, PLACE, queueMemory } from "../support/queue_pair.ts";

/** The live snapshots do not say where the device stood: at the used index. */
function device({ memory, config, name, seen }: Image): DeviceQueue {
  const start = seen === null ? config.start : { index: seen.used, wrap: true };
  const writable = new WritableGuestMemory(memory.table, name);
  return openDeviceQueue(writable, start === undefined ? config : { ...config, start });
}

/** Takes all there is, at most `limit` buffers, and gives all of it back. */
function drain(queue: DeviceQueue, limit: number) {
  const sum = { chains: 0, descriptors: 0, readable_bytes: 0, writable_bytes: 0 };
  const codes: FindingCode[] = [];
  while (sum.chains < limit) {
    const taken = queue.take();
    if (taken === null) break;
    sum.chains++;
    sum.descriptors += taken.segments.length;
    sum.readable_bytes += taken.readable;
    sum.writable_bytes += taken.writable;
    codes.push(...taken.findings.map((one) => one.code));
    queue.giveBack(taken, 0);
  }
  if (queue.broken !== null) codes.push(queue.broken.code);
  return { sum, codes };
}

for (const name of IMAGE_NAMES.filter((one) => !one.startsWith("bad"))) {
  Deno.test(`device: takes all of ${name}`, () => {
    const ring = image(name);
    const { codes, sum } = drain(device(ring), ring.config.size);
    assertEquals(codes, []);
    if (ring.expect !== null) assertEquals(sum, ring.expect);
  });
}

/** Fault of the image → what the device says. Those it may overlook say nothing. */
const SAID: Record<string, FindingCode | null> = {
  addr_cross_end: "address-outside-memory",
  addr_outside: "address-outside-memory",
  addr_u64_wrap: "address-overflow",
  avail_back: "avail-jump",
  dup_head: "duplicate-head",
  indirect_and_next: "indirect-with-next",
  indirect_len_not16: "indirect-length",
  indirect_len_zero: "indirect-empty",
  indirect_loop: "loop",
  indirect_nested: "indirect-nested",
  indirect_next_oob: "next-out-of-range",
  indirect_not_negotiated: "indirect-not-negotiated",
  indirect_outside: "indirect-outside-memory",
  loop_two: "loop",
  next_endless: "chain-too-long",
  next_eq_size: "next-out-of-range",
  next_ffff: "next-out-of-range",
  ring_cross_end: "ring-outside-memory",
  ring_misaligned: "ring-misaligned",
  ring_outside: "ring-outside-memory",
  // Two chains that share a descriptor are taken as two buffers, as every device does.
  shared_desc: null,
  // A used index that lies is the device's own word: it starts at its own position.
  used_ahead: null,
  write_then_read: "readable-after-writable",
  zero_len: "zero-length",
  zero_len_mid: "zero-length",
};

for (const name of IMAGE_NAMES.filter((one) => one.startsWith("bad"))) {
  Deno.test(`device: survives ${name}`, () => {
    const ring = image(name);
    const said = SAID[ring.fault!];
    if (said?.startsWith("ring-")) {
      assertThrows(() => device(ring), RangeError);
      return;
    }
    const queue = device(ring);
    // All buffers are held until the end, so that one which comes twice is seen.
    const held = Array.from({ length: 8 }, () => queue.take()).filter((taken) => taken !== null);
    const codes = held.flatMap((taken) => taken.findings.map((one) => one.code));
    if (queue.broken !== null) codes.push(queue.broken.code);
    assertEquals(codes, said === null ? [] : [said]);
    held.forEach((taken) => queue.giveBack(taken, 0));
    queue.publish();
  });
}

for (const format of ["split", "packed"] as const) {
  Deno.test(`device: random memory ends in findings, never in a throw or a hang (${format})`, () => {
    const memory = queueMemory();
    const config = {
      format,
      size: 16,
      descriptor: PLACE.descriptor,
      driver: PLACE.driver,
      device: PLACE.device,
      addressSpace: "guest" as const,
      features: featuresOf({ format, size: 16 }),
    };
    // Addresses mostly point to places that exist: to the ring itself, too.
    const descriptor = fc.tuple(
      fc.oneof(
        fc.constantFrom(PLACE.descriptor, PLACE.low, PLACE.high),
        fc.bigInt(0n, 2n ** 64n - 1n),
      ),
      fc.oneof(fc.constantFrom(0, 1, 16, 64, 0x10000), fc.integer({ min: 0, max: 0xffffffff })),
      fc.constantFrom(0, 1, 2, 3, 4, 5, 0x80, 0x81, 0x82, 0x84, 0x8000, 0x8001, 0x8084),
      fc.integer({ min: 0, max: 20 }),
    );
    const ring = fc.array(descriptor, { minLength: 16, maxLength: 16 });
    const available = fc.uint16Array({ minLength: 19, maxLength: 19, max: 0x1f });
    fc.assert(
      fc.property(ring, available, (descriptors, avail) => {
        const view = new DataView(new ArrayBuffer(256));
        descriptors.forEach(([address, length, flags, other], n) => {
          view.setBigUint64(n * 16, address, true);
          view.setUint32(n * 16 + 8, length, true);
          view.setUint16(n * 16 + 12, format === "split" ? flags : other, true);
          view.setUint16(n * 16 + 14, format === "split" ? other : flags, true);
        });
        memory.write(PLACE.descriptor, new Uint8Array(view.buffer));
        memory.write(PLACE.driver, new Uint8Array(avail.buffer));
        const queue = openDeviceQueue(memory, config);
        const { sum } = drain(queue, 64);
        assert(sum.chains <= 64);
        assert(sum.descriptors <= 64 * 4096);
        queue.publish();
        queue.enableKicks();
      }),
      { numRuns: 3000 },
    );
  });
}
