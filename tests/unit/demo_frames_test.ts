import { assertEquals } from "@std/assert";
import { BlkService } from "../../lib/demo/blk.ts";
import { answer, frame } from "../../lib/demo/frames.ts";
import { CtrlService, RxService, TxService } from "../../lib/demo/net.ts";
import { DEVICES, MEMORY, QUEUES, SLOT_LENGTH, slotAddress } from "../../lib/demo/plan.ts";
import type { Service } from "../../lib/demo/workload.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { type Pair, PLACE, queueMemory, queuePair, random } from "../support/queue_pair.ts";

/** RFC 1071: a header with its checksum in it sums up to all ones. */
function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes[at] * 256 + (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000);
  return total;
}

function mac(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

Deno.test("demo: frames are valid, and each is answered to its sender", () => {
  const kinds = new Set<string>();
  for (let n = 0; n < 64; n++) {
    const request = frame(n);
    const reply = answer(request)!;
    assertEquals(mac(reply.subarray(0, 6)), mac(request.subarray(6, 12)), `frame ${n}`);
    const type = request[12] * 256 + request[13];
    kinds.add(type === 0x806 ? "arp" : `ip ${request[23]}`);
    if (type === 0x806) continue;
    for (const one of [request, reply]) {
      assertEquals(one[16] * 256 + one[17], one.length - 14, "total length");
      assertEquals(sum(one.subarray(14, 34)), 0xffff, "IP checksum");
      if (one[23] === 1) assertEquals(sum(one.subarray(34)), 0xffff, "ICMP checksum");
    }
    assertEquals(reply.subarray(26, 30), request.subarray(30, 34), "from whom it was sent to");
  }
  assertEquals([...kinds].sort(), ["arp", "ip 1", "ip 17"]);
});

Deno.test("demo: the plan's rings, tables and slots do not overlap", () => {
  const memory = queueMemory();
  const places = QUEUES.flatMap(({ config, tables, number }) => {
    assertEquals(openRing(memory, { ...config, ...BASE }).findings, []);
    const slots = Array.from({ length: config.size }, (_, slot) => ({
      start: slotAddress(number, slot),
      length: SLOT_LENGTH,
    }));
    return [
      { start: config.descriptor, length: config.size * 16 },
      { start: config.driver, length: 6 + 2 * config.size },
      { start: config.device, length: 6 + 8 * config.size },
      { start: tables.address, length: config.size * tables.entries * 16 },
      ...slots,
    ];
  }).sort((a, b) => (a.start < b.start ? -1 : 1));
  places.forEach(({ start, length }, n) => {
    const end = start + BigInt(length);
    if (n + 1 < places.length) assertEquals(end <= places[n + 1].start, true, `${start}`);
    const inside = ({ gpa, size }: { gpa: bigint; size: number }) =>
      start >= gpa && end <= gpa + BigInt(size);
    assertEquals(MEMORY.some(inside), true, `${start} is in memory`);
  });
  assertEquals(DEVICES.map(({ name }) => name), ["blk0", "blk1", "net0", "net1"]);
});

/** Places in the tests' smaller memory: what is checked is size and alignment. */
const BASE = { descriptor: PLACE.descriptor, driver: PLACE.driver, device: PLACE.device };

const SERVICES: Record<string, (pair: Pair<number>) => Service> = {
  blk: ({ memory }) => new BlkService(memory, "test"),
  tx: ({ memory }) => new TxService(memory, []),
  rx: ({ memory }) => new RxService(memory, [frame(1), frame(2)]),
  ctrl: ({ memory }) => new CtrlService(memory),
};

for (const [name, make] of Object.entries(SERVICES)) {
  Deno.test(`demo: the ${name} service takes any request and writes no more than fits`, () => {
    const pair = queuePair<number>({ format: "split", size: 16 });
    const service = make(pair);
    const pick = random(name.length);
    for (let n = 0; n < 2000; n++) {
      const readable = pick(3) * pick(30);
      const writable = pick(3) * pick(2000);
      if (readable + writable === 0) continue;
      const header = Uint8Array.from({ length: readable }, (_, at) => at < 8 ? pick(12) : pick(9));
      pair.memory.write(PLACE.low, header);
      const segments = [
        { address: PLACE.low, length: readable, writable: false },
        { address: PLACE.high, length: writable, writable: true },
      ].filter(({ length }) => length > 0);
      pair.driver.add(segments, n);
      pair.driver.publish();
      const taken = pair.device.take()!;
      // Throws where it says that it wrote more than there is room for.
      pair.device.giveBack(taken, service.serve(taken) ?? 0);
      pair.device.publish();
      assertEquals(pair.driver.reap()?.token, n);
    }
  });
}

Deno.test("demo: a disk refuses what lies beyond its end", () => {
  const pair = queuePair<number>({ format: "packed", size: 16 });
  const service = new BlkService(pair.memory, "test");
  const header = new DataView(new ArrayBuffer(16));
  header.setBigUint64(8, 1n << 60n, true);
  pair.memory.write(PLACE.low, new Uint8Array(header.buffer));
  pair.driver.add([
    { address: PLACE.low, length: 16, writable: false },
    { address: PLACE.high, length: 513, writable: true },
  ], 0);
  pair.driver.publish();
  const taken = pair.device.take()!;
  assertEquals(service.serve(taken), 1);
  assertEquals([...pair.memory.bytes(PLACE.high + 512n, 1)], [1]);
});
