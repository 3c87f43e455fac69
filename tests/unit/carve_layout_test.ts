/** Rings that were found get names, and a layout file by which they are read again. */
import { assertEquals } from "@std/assert";
import { carvedLayout } from "../../lib/carve/layout.ts";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { layoutDevices, parseLayout } from "../../lib/source/layout.ts";
import {
  arpPacket,
  blkHeader,
  carveAll,
  carveMemory,
  type RingPlace,
  workRing,
} from "../support/carve_guest.ts";

/** Two disks, two network devices that share nothing, and a ring of nobody knows what. */
function busyGuest(layout: RingPlace["layout"]): GuestMemory {
  const memory = carveMemory();
  let place = 0x100000n;
  const ring = () => workRing(memory, { layout, size: 64, descriptor: place += 0xc0000n });
  for (const [disk] of [[ring()], [ring()]]) {
    const answer = new Uint8Array(513);
    for (let n = 1; n < 5; n++) disk.run({ out: blkHeader(0, n), room: [512, 1], answer });
  }
  for (const [rx, tx] of [[ring(), ring()], [ring(), ring()]]) {
    for (let n = 0; n < 20; n++) rx.run({ room: [1536], answer: arpPacket(1) });
    for (let n = 0; n < 20; n++) tx.run({ out: arpPacket() });
  }
  const odd = ring();
  for (let n = 0; n < 5; n++) odd.run({ out: new Uint8Array(77).fill(0xee), room: [33] });
  return memory;
}

for (const layout of ["packed", 64, 4096] as const) {
  Deno.test(`names, and a layout that gives the same rings again: ${layout}`, () => {
    const memory = busyGuest(layout);
    const { rings } = carveAll(memory);
    const names = rings.map(({ device, queue, queueName }) => `${device}:${queue} ${queueName}`);
    assertEquals(names.toSorted(), [
      "blk0:0 request0",
      "blk1:0 request0",
      "net0:0 rx0",
      "net0:1 tx0",
      "net1:0 rx0",
      "net1:1 tx0",
      "ring0:0 queue0",
    ]);
    const text = carvedLayout("core:vm.dump", { memory }, rings);
    const devices = layoutDevices(parseLayout(text), null);
    const again = devices.flatMap(({ name, type, queues }) =>
      queues.map(({ index, ring }) => [name, type, index, ring])
    );
    const wanted = rings.map(({ device, type, queue, config }) => [device, type, queue, config]);
    const key = (row: unknown[]) => `${row[0]}:${row[2]}`;
    const sorted = (rows: unknown[][]) => rows.toSorted((a, b) => key(a) < key(b) ? -1 : 1);
    assertEquals(sorted(again), sorted(wanted));
    // What the decoders need of a device's features is in the layout, too.
    const net = devices.find(({ name }) => name === "net0");
    assertEquals(net?.queues.map(({ name }) => name), ["rx0", "tx0"]);
  });
}

Deno.test("a layout without rings is one that says so", () => {
  const memory = carveMemory();
  const layout = parseLayout(carvedLayout("core:vm.dump", { memory }, []));
  assertEquals([layout.devices, layout.memory.map(({ gpa, size }) => [gpa, size])], [
    [],
    [[0n, 0x80_0000n], [0x1_0000_0000n, 0x80_0000n]],
  ]);
});
