/** pcapng blocks byte by byte, and frames read off drawn rings. */
import { assert, assertEquals } from "@std/assert";
import { FrameBuilder } from "../../lib/pcap/frames.ts";
import { Laps } from "../../lib/pcap/laps.ts";
import { PackedTap } from "../../lib/pcap/packed_tap.ts";
import { SplitTap } from "../../lib/pcap/split_tap.ts";
import { enhancedPacket, interfaceDescription, sectionHeader } from "../../lib/wire/pcapng.ts";
import { AT, drawnConfig, DrawnRing } from "../support/ring_memory.ts";

const HEADER = 12;
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Writes a header and a packet at a buffer of the drawn memory. */
function packet(ring: DrawnRing, at: number, text: string, buffers = 1): number {
  const bytes = new Uint8Array(ring.buffer, at, HEADER + text.length);
  bytes.fill(0, 0, HEADER);
  bytes[10] = buffers;
  bytes.set(bytesOf(text), HEADER);
  return bytes.length;
}

function tapOptions(ring: DrawnRing, role: "rx" | "tx", merged = false) {
  return { memory: ring.memory, config: ring.config, role, header: HEADER, merged, snap: 2048 };
}

Deno.test("a section header has magic, version 1.0 and an unknown length", () => {
  const view = new DataView(sectionHeader("guestmem").buffer);
  assertEquals(view.getUint32(0, true), 0x0a0d0d0a);
  assertEquals(view.getUint32(4, true), view.byteLength);
  assertEquals(view.getUint32(8, true), 0x1a2b3c4d);
  assertEquals([view.getUint16(12, true), view.getUint16(14, true)], [1, 0]);
  assertEquals(view.getBigInt64(16, true), -1n);
  assertEquals([view.getUint16(24, true), view.getUint16(26, true)], [4, 8]);
  assertEquals(view.getUint32(view.byteLength - 4, true), view.byteLength);
});

Deno.test("an interface is Ethernet with times in nanoseconds", () => {
  const view = new DataView(interfaceDescription("net0", "", 65535).buffer);
  assertEquals([view.getUint32(0, true), view.getUint16(8, true), view.getUint32(12, true)], [
    1,
    1,
    65535,
  ]);
  const options = new Uint8Array(view.buffer, 16);
  assertEquals([...options.subarray(0, 8)], [2, 0, 4, 0, ...bytesOf("net0")]);
  assertEquals([...options.subarray(12, 20)], [9, 0, 1, 0, 9, 0, 0, 0]);
});

Deno.test("a packet block pads its bytes and carries direction, drops and comment", () => {
  const time = 0x0001_0002_0003_0004n;
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  const block = enhancedPacket({
    ...{ interface: 1, time, bytes, length: 9 },
    ...{ direction: "out", dropped: 7, comment: "hm" },
  });
  const view = new DataView(block.buffer);
  const words = [0, 4, 8, 12, 16, 20, 24].map((at) => view.getUint32(at, true));
  assertEquals(words, [6, block.length, 1, 0x00010002, 0x00030004, 5, 9]);
  assertEquals([...block.subarray(28, 36)], [1, 2, 3, 4, 5, 0, 0, 0]);
  assertEquals([...block.subarray(36, 44)], [2, 0, 4, 0, 2, 0, 0, 0]);
  assertEquals([...block.subarray(44, 56)], [4, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals([...block.subarray(56, 64)], [1, 0, 2, 0, ...bytesOf("hm"), 0, 0]);
  assertEquals(view.getUint32(block.length - 4, true), block.length);
});

Deno.test("merged buffers become one frame; a loss drops what was begun", () => {
  const builder = new FrameBuilder(HEADER, true, 8);
  const first = new Uint8Array(HEADER + 2);
  first[10] = 2;
  first.set(bytesOf("ab"), HEADER);
  const part = (bytes: Uint8Array) => ({ bytes, length: bytes.length, comment: "" });
  assertEquals(builder.take(part(first)), null);
  assertEquals(textOf(builder.take(part(bytesOf("cd")))!.bytes), "abcd");
  assertEquals(builder.take(part(first)), null);
  builder.lose(3);
  const single = first.slice();
  single[10] = 1;
  assertEquals(builder.take(part(single))!.dropped, 4);
});

Deno.test("split transmit: what is made available is read once, and laps are counted", () => {
  const ring = new DrawnRing(drawnConfig("split", 4)).available(10, []).used(10, []);
  const tap = new SplitTap(tapOptions(ring, "tx"));
  assertEquals([...tap.poll()], []);
  const length = packet(ring, AT.buffers, "ping");
  ring.descriptor(2, { address: AT.buffers, length }).available(10, [2]);
  assertEquals([...tap.poll()].map(({ bytes, dropped }) => [textOf(bytes), dropped]), [[
    "ping",
    0,
  ]]);
  assertEquals([...tap.poll()], []);
  // Seven more pass before the next look: four are still there, three are gone.
  for (let n = 0; n < 4; n++) ring.descriptor(n, { address: AT.buffers, length });
  ring.available(14, [0, 1, 2, 3]).used(14, []);
  assertEquals([...tap.poll()].map(({ dropped }) => dropped), [3, 0, 0, 0]);
});

Deno.test("split transmit: what the device is done with by then is read all the same", () => {
  const ring = new DrawnRing(drawnConfig("split", 4)).available(10, []).used(10, []);
  const tap = new SplitTap(tapOptions(ring, "tx"));
  assertEquals([...tap.poll()], []);
  const length = packet(ring, AT.buffers, "ping");
  for (let n = 0; n < 4; n++) ring.descriptor(n, { address: AT.buffers, length });
  const used = [0, 1].map((id) => ({ id, length: 0 }));
  ring.available(10, [0, 1, 2]).used(10, used);
  const [first, ...others] = [...tap.poll()].map(({ bytes, comment }) => [textOf(bytes), comment]);
  assertEquals(first, ["ping", "read after the device had used it"]);
  assertEquals(others, [first, ["ping", ""]]);
  assertEquals([...tap.poll()], []);
});

Deno.test("split receive: a used buffer gives as many bytes as the device wrote", () => {
  const ring = new DrawnRing(drawnConfig("split", 4))
    .descriptor(0, { address: AT.buffers, length: 1526, flags: 2 })
    .descriptor(1, { address: AT.buffers + 2048, length: 1526, flags: 2 })
    .available(0, [0, 1]).used(0, []);
  const tap = new SplitTap(tapOptions(ring, "rx"));
  assertEquals([...tap.poll()], []);
  const length = packet(ring, AT.buffers + 2048, "pong");
  ring.used(0, [{ id: 1, length }]);
  const [frame] = [...tap.poll()];
  assertEquals([textOf(frame.bytes), frame.length], ["pong", 4]);
});

Deno.test("packed transmit and receive: buffers are known by id when they come back", () => {
  const AVAILABLE = 0x80;
  const USED = 0x8080;
  const sent = new DrawnRing(drawnConfig("packed", 4));
  const transmit = new PackedTap(tapOptions(sent, "tx"));
  assertEquals([...transmit.poll()], []);
  const length = packet(sent, AT.buffers, "ping");
  sent.slot(0, { address: AT.buffers, length, id: 3, flags: AVAILABLE });
  assertEquals([...transmit.poll()].map(({ bytes }) => textOf(bytes)), ["ping"]);

  const posted = new DrawnRing(drawnConfig("packed", 4))
    .slot(0, { address: AT.buffers, length: 1526, id: 7 % 4, flags: AVAILABLE | 2 })
    .slot(1, { address: AT.buffers + 2048, length: 1526, id: 1, flags: AVAILABLE | 2 });
  const receive = new PackedTap(tapOptions(posted, "rx"));
  assertEquals([...receive.poll()], []);
  packet(posted, AT.buffers + 2048, "pong");
  // The device used the second buffer first: its descriptor is written into slot 0.
  posted.slot(0, { address: AT.buffers, length: HEADER + 4, id: 1, flags: USED | 2 });
  assertEquals([...receive.poll()].map(({ bytes }) => textOf(bytes)), ["pong"]);
});

/** A packed ring of 4 that its driver goes on with, slot by slot; used at once but for the last two. */
function movingRing() {
  const ring = new DrawnRing(drawnConfig("packed", 4));
  const length = packet(ring, AT.buffers, "ping");
  let made = 0;
  const flags = (n: number, used: boolean) => {
    const wrap = n % 8 < 4;
    return (wrap ? 0x80 : 0x8000) ^ (used ? 0x8000 : 0);
  };
  const write = (n: number, used: boolean) =>
    ring.slot(n % 4, { address: AT.buffers, length, id: n % 4, flags: flags(n, used) });
  const send = (count: number) => {
    const from = Math.max(0, made - 2);
    made += count;
    for (let n = from; n < made; n++) write(n, n < made - 2);
  };
  return { ring, send };
}

Deno.test("packed transmit: a ring that came round between two looks says that the count is unknown", () => {
  const { ring, send } = movingRing();
  let now = 0;
  const tap = new PackedTap({ ...tapOptions(ring, "tx"), clock: () => now++ });
  send(2);
  assertEquals([...tap.poll()], []);
  send(3);
  assertEquals([...tap.poll()].map(({ dropped, comment }) => [dropped, comment]), [
    [1, ""],
    [0, ""],
  ]);
  assertEquals(tap.uncounted, false);
  // A lap and a slot: where it stands is one slot on, with another wrap counter.
  send(5);
  const [first, second] = [...tap.poll()].map(({ comment }) => comment);
  assertEquals([first, second], ["lost, count unknown", ""]);
  assertEquals(tap.uncounted, true);
});

Deno.test("packed transmit: two whole laps leave no trace but the rate before", () => {
  const { ring, send } = movingRing();
  let now = 0;
  const tap = new PackedTap({ ...tapOptions(ring, "tx"), clock: () => now });
  send(2);
  for (let n = 0; n < 20; n++) {
    assertEquals([...tap.poll()].length, n === 0 ? 0 : 1);
    assertEquals(tap.uncounted, false, `look ${n}`);
    send(1);
    now += n % 2 === 0 ? 1 : 0.5;
  }
  [...tap.poll()];
  send(8);
  now += 10;
  const [frame] = [...tap.poll(), (send(1), null), ...tap.poll()].filter((one) => one !== null);
  assertEquals([frame.comment, tap.uncounted], ["lost, count unknown", true]);
});

Deno.test("packed receive: after a lap a buffer's id says nothing of where it is", () => {
  const [AVAILABLE, USED] = [0x82, 0x8082];
  const ring = new DrawnRing(drawnConfig("packed", 4));
  const post = (slot: number, flags: number) =>
    ring.slot(slot, { address: AT.buffers, length: 1526, id: slot, flags });
  for (let slot = 0; slot < 4; slot++) post(slot, AVAILABLE);
  let now = 0;
  const tap = new PackedTap({ ...tapOptions(ring, "rx"), clock: () => now++ });
  assertEquals([...tap.poll()], []);
  packet(ring, AT.buffers, "pong");
  for (let slot = 0; slot < 4; slot++) post(slot, USED);
  assertEquals([[...tap.poll()].length, tap.uncounted], [0, true]);
});

Deno.test("a stretch is believed by its rate, and by how many of late went too far", () => {
  const steady = (rate: number, pauses: readonly number[]) => {
    const laps = new Laps(512);
    let [time, doubts] = [0, 0];
    for (let n = 0; n < 400; n++) {
      time += pauses[n % pauses.length];
      if (laps.look(Math.floor(rate * time) % 512, time)) doubts++;
    }
    return doubts;
  };
  assertEquals(steady(0, [1.1, 0.2]), 0);
  // 100 in a millisecond: 110 between two looks. 3000: six laps and more.
  assertEquals(steady(100, [1.1, 0.2]), 0);
  assert(steady(3000, [1.13, 0.21, 1.07, 0.26, 1.19, 0.23]) > 380);
  // As many as take it round once in each pause: only the short stretches tell.
  assert(steady(512, [1, 0.2]) >= 199);
});
