/** Rings found in drawn memory: of every format, size and alignment, and nothing in noise. */
import { assert, assertEquals } from "@std/assert";
import { guestAddress } from "../../lib/address.ts";
import { carve } from "../../lib/carve/carve.ts";
import { WritableGuestMemory } from "../../lib/memory/guest_memory.ts";
import {
  altered,
  arpPacket,
  blkHeader,
  carveAll,
  carveMemory,
  foundAt,
  HIGH,
  ringConfig,
  type RingPlace,
  SIZE,
  type WorkedRing,
  workRing,
} from "../support/carve_guest.ts";
import { image } from "../support/images.ts";
import { random } from "../support/queue_pair.ts";

const PLACE = 0x200000n;

/** Reads of the sectors from `first` on, as Linux asks for them; the device answers all. */
function readSectors(ring: WorkedRing, count: number, first = 8, indirect = false): void {
  for (let n = 0; n < count; n++) {
    const answer = new Uint8Array(513);
    ring.run({ out: blkHeader(0, first + n), room: [512, 1], answer }, indirect);
  }
}

Deno.test("progress counts memory, not the addresses between regions", () => {
  //  0        8 MiB        4 GiB      4 GiB + 8 MiB
  //  [ low    )            [ high     )
  const memory = carveMemory();
  memory.write(0x1000n, new Uint8Array([1]));
  memory.write(HIGH, new Uint8Array([1]));
  const steps = [...carve(memory)].map(({ behind }) => Number(behind));
  assertEquals(steps, steps.toSorted((a, b) => a - b));
  assertEquals([steps[0] <= SIZE / 2, steps.includes(SIZE / 2), steps.at(-1)], [true, true, SIZE]);
});

const LAYOUTS = ["packed", 64, 4096] as const;

for (const layout of LAYOUTS) {
  for (const size of [8, 64, 256, 1024, 32768]) {
    Deno.test(`a ring of ${size} entries is found: ${layout}`, () => {
      const memory = carveMemory();
      const place: RingPlace = { layout, size, descriptor: PLACE, eventIndex: true };
      const ring = workRing(memory, place);
      // More than a lap where that is quick, so that a packed ring shows its size.
      readSectors(ring, size <= 256 ? size : 40);
      ring.post({ out: blkHeader(0, 4711), room: [512, 1] });
      const { rings } = carveAll(memory);
      const [found] = rings;
      assertEquals(rings.length, 1, rings.map(({ score }) => score).join());
      assertEquals(found.config.descriptor, ring.config.descriptor);
      assertEquals([found.certainty, found.device, found.queueName], [
        "certain",
        "blk0",
        "request0",
      ]);
      assertEquals(found.request?.summary, "IN sector 4711, 512 bytes: pending");
      assertEquals(found.snapshot.findings, []);
      if (layout !== "packed" || size <= 256) {
        assertEquals([found.config.size, found.sizeKnown], [size, true]);
        assertEquals(found.snapshot.inFlight, layout === "packed" ? 3 : 1);
        assertEquals(found.config.driver, ring.config.driver);
        assertEquals(found.config.device, ring.config.device);
      } else assertEquals(found.sizeKnown, false);
    });
  }
}

for (const layout of LAYOUTS) {
  for (const indirect of [false, true]) {
    for (const eventIndex of [false, true]) {
      const variant = `${layout}${indirect ? ", indirect" : ""}${
        eventIndex ? ", event index" : ""
      }`;
      Deno.test(`requests tell the device: ${variant}`, () => {
        const memory = carveMemory();
        const at = (n: number) => ({
          layout,
          size: 64,
          descriptor: PLACE + BigInt(n) * 0x100000n,
          eventIndex,
        });
        const [blk, tx, rx] = [0, 1, 2].map((n) => workRing(memory, at(n)));
        readSectors(blk, 5, 8, indirect);
        for (let n = 0; n < 5; n++) tx.run({ out: arpPacket(), cut: [12] }, indirect);
        for (let n = 0; n < 40; n++) rx.post({ room: [1536], answer: arpPacket(1) });
        rx.serve();
        for (let n = 0; n < 40; n++) rx.post({ room: [1536] });
        const carving = carveAll(memory);
        assertEquals(carving.rings.length, 3);
        const names = [blk, tx, rx].map(({ config }) => {
          const { device, queueName, certainty } = foundAt(carving, config.descriptor);
          return `${device} ${queueName} ${certainty === "possible" ? "?" : ""}`;
        });
        assertEquals(names, ["blk0 request0 ", "net0 tx0 ", "net0 rx0 "]);
        const { request } = foundAt(carving, tx.config.descriptor);
        assertEquals(request?.summary.startsWith("tx 42 bytes: ARP"), true, request?.summary);
      });
    }
  }
}

Deno.test("both of the event areas of a packed ring are found far from it", () => {
  const memory = carveMemory();
  const near = ringConfig({ layout: "packed", size: 16, descriptor: PLACE, eventIndex: true });
  const ring = workRing(memory, {
    layout: "packed",
    size: 16,
    descriptor: PLACE,
    eventIndex: true,
  });
  readSectors(ring, 9);
  const [driver, device] = [memory.bytes(near.driver, 4), memory.bytes(near.device, 4)];
  memory.write(near.driver, new Uint8Array(4));
  memory.write(near.device, new Uint8Array(4));
  memory.write(0x7f_f000n, driver);
  memory.write(HIGH, device);
  const { config, eventsKnown } = foundAt(carveAll(memory), PLACE);
  assertEquals([eventsKnown, config.driver, config.device], [true, 0x7f_f000n, HIGH]);
});

Deno.test("without event areas something stands in that says nothing", () => {
  const memory = carveMemory();
  const ring = workRing(memory, { layout: "packed", size: 16, descriptor: PLACE });
  readSectors(ring, 9);
  const found = foundAt(carveAll(memory), PLACE);
  assertEquals(found.eventsKnown, false);
  assertEquals(found.snapshot.findings, []);
  assertEquals(memory.bytes(found.config.driver, 4), new Uint8Array(4));
  assertEquals(found.snapshot.suppression, {
    kickWanted: true,
    callWanted: true,
    by: "flags",
  });
});

Deno.test("random bytes: no ring, and every byte was looked at", () => {
  const words = new Uint32Array(SIZE / 4);
  const pick = random(20260729);
  for (let at = 0; at < words.length; at++) words[at] = pick(2 ** 32);
  const { rings, scanned } = carveAll(carveMemory(undefined, words.buffer));
  assertEquals([rings.length, scanned], [0, BigInt(SIZE)]);
});

Deno.test("small numbers, pointers and counters: nothing that passes for likely", () => {
  const words = new Uint32Array(SIZE / 4);
  const pick = random(4);
  // What kernels are full of: guest addresses, lengths, flags, zeros, in any order.
  const kinds = [() => 0, () => 0, () => pick(8), () => pick(65536), () => pick(SIZE / 2)];
  for (let at = 0; at < words.length; at++) words[at] = kinds[pick(kinds.length)]();
  const { rings } = carveAll(carveMemory(undefined, words.buffer));
  assertEquals(rings.filter(({ score }) => score >= 0.6).length, 0);
});

Deno.test("zeros, and rings that nobody used, are no rings", () => {
  const memory = carveMemory();
  workRing(memory, { layout: 64, size: 256, descriptor: PLACE, eventIndex: true });
  assertEquals(carveAll(memory).rings, []);
});

Deno.test("a ring that moves during the scan is certain, however little is in it", () => {
  for (const layout of LAYOUTS) {
    const memory = carveMemory();
    const ring = workRing(memory, { layout, size: 128, descriptor: PLACE });
    ring.run({ room: [64], answer: new Uint8Array(1) });
    const still = foundAt(carveAll(memory), PLACE);
    const moving = foundAt(
      carveAll(memory, () => ring.run({ room: [64], answer: new Uint8Array(1) })),
      PLACE,
    );
    assert(still.score < 0.7, `${layout}: ${still.score}`);
    assertEquals(moving.certainty, "certain");
  }
});

Deno.test("a broken ring is found, with what is wrong in it and less score", () => {
  const memory = carveMemory();
  const ring = workRing(memory, { layout: 4096, size: 64, descriptor: PLACE });
  readSectors(ring, 30);
  ring.post({ out: blkHeader(1, 99), room: [1] });
  const sound = foundAt(carveAll(memory), PLACE);
  // The head that waits is past the table.
  memory.write(ring.config.driver + 4n + 2n * 30n, new Uint8Array([64, 0]));
  const broken = foundAt(carveAll(memory), PLACE);
  assertEquals(broken.snapshot.findings.map(({ code }) => code), ["head-out-of-range"]);
  assertEquals(broken.notes, ["findings: head-out-of-range"]);
  assert(broken.score < sound.score && broken.score > 0.3, `${broken.score} ${sound.score}`);
});

Deno.test("SeaBIOS' record behind a ring at rest takes its score, and nothing else's", () => {
  const memory = carveMemory();
  const ring = workRing(memory, { layout: 4096, size: 64, descriptor: PLACE });
  readSectors(ring, 30);
  const sound = foundAt(carveAll(memory), PLACE);
  const record = new Uint32Array([
    64,
    ...[ring.config.descriptor, ring.config.driver, ring.config.device].map(Number),
  ]);
  memory.write(ring.config.device + 4n + 8n * 64n, new Uint8Array(record.buffer));
  const left = foundAt(carveAll(memory), PLACE);
  assert(left.score < sound.score / 2, `${left.score} ${sound.score}`);
  assertEquals(left.notes[0].startsWith("SeaBIOS"), true);
  ring.post({ out: blkHeader(0, 1), room: [512, 1] });
  assert(foundAt(carveAll(memory), PLACE).score > 0.8);
});

Deno.test("of readings that overlap the better one stays", () => {
  const memory = carveMemory();
  const ring = workRing(memory, { layout: 4096, size: 1024, descriptor: PLACE });
  for (let n = 0; n < 1024; n++) ring.post({ room: [1536] });
  // 16 KiB of descriptors: each of their pages begins like a ring of its own.
  const { rings } = carveAll(memory);
  assertEquals(rings.map(({ config }) => [config.descriptor, config.size]), [[PLACE, 1024]]);
});

Deno.test("a ring that crosses into an adjacent region, and memory that can not be read", () => {
  const broken = 0x600000;
  const memory = carveMemory((backing) =>
    altered(backing, {
      copy(offset, target) {
        if (broken < offset || broken >= offset + target.length) {
          return backing.copy(offset, target);
        }
        const { length } = backing.copy(offset, target.subarray(0, broken - offset));
        return { length, errno: "EIO" };
      },
    })
  );
  const [region] = memory.table.regions;
  const cut = 0x202000n;
  const rest = { guest: guestAddress(cut), length: region.length - cut, offset: Number(cut) };
  const table = memory.table.without(0n).with({ ...region, length: cut })
    .with({ ...region, ...rest });
  const split = new WritableGuestMemory(table);
  const ring = workRing(split, { layout: 4096, size: 256, descriptor: 0x201000n });
  readSectors(ring, 20);
  const carving = carveAll(split);
  assertEquals(foundAt(carving, 0x201000n).certainty, "certain");
  assertEquals(carving.unreadable, 4096n);
});

Deno.test("sparse memory is not read", () => {
  const copied: number[] = [];
  const data = { start: 0x1f0000, end: 0x300000 };
  const memory = carveMemory((backing) =>
    altered(backing, {
      nextData: (offset) =>
        offset < data.end ? { start: Math.max(offset, data.start), end: data.end } : null,
      copy(offset, target) {
        copied.push(offset);
        return backing.copy(offset, target);
      },
    })
  );
  const ring = workRing(memory, { layout: 64, size: 256, descriptor: PLACE });
  readSectors(ring, 3);
  copied.length = 0;
  const { rings, scanned } = carveAll(memory);
  assertEquals([rings.length, scanned], [1, BigInt(data.end - data.start)]);
  // Buffers of the requests are in the second half, which the scan itself leaves alone.
  const scans = copied.filter((offset) => offset < SIZE / 2);
  assert(scans.every((offset) => offset >= data.start && offset < data.end), scans.join());
});

Deno.test("a guest made to look like rings everywhere costs no more than a bound", () => {
  // Every 16 bytes are a descriptor and an empty used ring, every other word an index of 1.
  const words = new Uint32Array(SIZE / 4);
  for (let at = 0; at < words.length; at += 4) words.set([0x0001_0000, 0, 0x1000, 0], at);
  let bytes = 0;
  const memory = carveMemory((backing) =>
    altered(backing, {
      copy(offset, target) {
        bytes += target.length;
        return backing.copy(offset, target);
      },
    }), words.buffer);
  const { skipped, rings } = carveAll(memory);
  assert(bytes < 2 * SIZE + (300 << 20), `${bytes >> 20} MiB were read`);
  assert(skipped > 0, "nothing was skipped");
  assert(rings.length <= 1024);
});

Deno.test("split areas that were allocated apart: the least size that explains them, and a guess", () => {
  //  0x100000       0x101000             0x180000
  //  [ 256 entries  )   …   nothing      [ available )   and a used ring anywhere
  const { memory, config } = image("split_256_chain3");
  const found = foundAt(carveAll(memory), config.descriptor);
  assertEquals([found.config.size, found.config.driver], [256, config.driver]);
  assertEquals([found.sizeKnown, found.usedKnown], [false, false]);
  assertEquals(found.notes, ["size guessed", "used ring not found"]);
});

Deno.test("split areas in one block tell the size; whether anything else does is told, too", () => {
  const place: RingPlace = { layout: 64, size: 256, descriptor: PLACE };
  const fresh = carveMemory();
  const waiting = workRing(fresh, place);
  for (let n = 0; n < 4; n++) waiting.post({ out: blkHeader(0, n), room: [512, 1] });
  const guessed = foundAt(carveAll(fresh), PLACE);
  assertEquals(
    [guessed.config.size, guessed.sizeKnown, guessed.usedKnown],
    [256, false, false],
  );
  assertEquals(guessed.config.device, waiting.config.device);
  const used = carveMemory();
  readSectors(workRing(used, place), 4);
  const known = foundAt(carveAll(used), PLACE);
  assertEquals([known.config.size, known.sizeKnown, known.usedKnown], [256, true, true]);
});

Deno.test("of several queues that console input goes to none is named for certain", () => {
  const memory = carveMemory();
  const input = (descriptor: bigint) => {
    const ring = workRing(memory, { layout: 64, size: 64, descriptor });
    for (let n = 0; n < 40; n++) ring.run({ room: [4096], answer: new Uint8Array([0x61, 0x0a]) });
    for (let n = 0; n < 24; n++) ring.post({ room: [4096] });
  };
  input(PLACE);
  const [one] = carveAll(memory).rings;
  assertEquals([one.device, one.certainty, one.notes], ["console0", "certain", []]);
  input(0x400000n);
  for (const { device, certainty, notes } of carveAll(memory).rings) {
    assertEquals([device.startsWith("console"), certainty], [true, "likely"]);
    assertEquals(notes, ["rx or ctrl-rx: their buffers look alike"]);
  }
});

for (const name of ["dpdk_snap_split_q0", "dpdk_snap_packed_q0"]) {
  Deno.test(`a live ring of DPDK, recorded: ${name}`, () => {
    const { memory, config } = image(name);
    const found = foundAt(carveAll(memory), config.descriptor);
    assertEquals([found.config.format, found.config.size], [config.format, config.size]);
    assert(found.score >= 0.6, `${found.score}`);
    if (config.format === "split") {
      assertEquals([found.config.driver, found.config.device], [config.driver, config.device]);
    }
  });
}

Deno.test("a larger ring that could be read into the end of a true one does not hide it", () => {
  //  0x1fc000            0x200000            0x204000
  //  [ what looks like half a table ][ true table  ][ available ][ used ]
  const memory = carveMemory();
  for (let at = 0x1fc000n; at < PLACE; at += 16n) {
    memory.write(at, new Uint8Array(new Uint32Array([0x1234c0, 0, 64, 0]).buffer));
  }
  const ring = workRing(memory, { layout: 4096, size: 1024, descriptor: PLACE, eventIndex: true });
  for (let n = 0; n < 9; n++) ring.run({ out: new TextEncoder().encode(`line ${n}\n`) });
  const { rings } = carveAll(memory);
  assertEquals(rings.map(({ config }) => [config.descriptor, config.size]), [[PLACE, 1024]]);
});

Deno.test("a packed ring that has just completed an even lap has no flags, and is found while small", () => {
  const memory = carveMemory();
  const ring = workRing(memory, { layout: "packed", size: 8, descriptor: PLACE });
  for (let n = 0; n < 16; n++) ring.run({ room: [64], answer: new Uint8Array(64).fill(n) });
  const found = foundAt(carveAll(memory), PLACE);
  assertEquals(found.config.size, 8);
  assert(found.score < 0.7, `${found.score}`);
});

for (const layout of LAYOUTS) {
  Deno.test(`indirect tables side by side pass for no ring: ${layout}`, () => {
    const memory = carveMemory();
    const size = 64;
    const ring = workRing(memory, { layout, size, descriptor: PLACE, eventIndex: true });
    // Buffers in turn, whose addresses pass for indices where an available and a used ring would be.
    const places = Array.from(
      { length: size },
      (_, n) => HIGH + BigInt(0x10 + n * 7 % 16) * 0x10000n,
    );
    for (const [n, address] of places.entries()) {
      const segments = [
        { address, length: 12, writable: false },
        { address: address + 12n, length: 64 + n, writable: false },
      ];
      assert(ring.driver.add(segments, n, { indirect: true }));
    }
    ring.driver.publish();
    ring.serve();
    const { rings } = carveAll(memory);
    assertEquals(rings.map(({ config }) => config.descriptor), [PLACE]);
  });
}

Deno.test("a used ring of one head alone tells a size that is unusual", () => {
  //  0x10000            0x18000                     0x19040
  //  [ 2048 entries     )[ available: head 0, 45 × ) [ used: head 0, 10 × )
  const size = 2048;
  const memory = carveMemory();
  const bytes = new Uint8Array(0x10000);
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < 40; n++) {
    view.setBigUint64(16 * n, HIGH + BigInt(n * 4096), true);
    view.setUint32(16 * n + 8, 512, true);
    view.setUint16(16 * n + 12, 2, true);
  }
  view.setUint16(0x8002, 45, true);
  const used = 0x8000 + Math.ceil((4 + 2 * size + 2) / 64) * 64;
  view.setUint16(used + 2, 10, true);
  for (let n = 0; n < 10; n++) view.setUint32(used + 8 + 8 * n, 512, true);
  memory.write(0x10000n, bytes);
  const found = foundAt(carveAll(memory), 0x10000n);
  assertEquals([found.config.size, found.config.device], [size, BigInt(0x10000 + used)]);
  assertEquals([found.sizeKnown, found.usedKnown], [true, true]);
  assertEquals(found.snapshot.inFlight, 35);
});
