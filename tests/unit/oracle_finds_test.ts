/**
 * What the oracle and the fuzzer found the walker to get wrong, each drawn as small as it goes.
 */
import { assert, assertEquals } from "@std/assert";
import { guestAddress } from "../../lib/address.ts";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import type { Region } from "../../lib/memory/region.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import type { Finding } from "../../lib/finding.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { SplitRing } from "../../lib/ring/split_ring.ts";
import { SplitWalk } from "../../lib/ring/split_walk.ts";
import { AT, drawnConfig, DrawnRing, MEMORY } from "../support/ring_memory.ts";

function region(guest: number | bigint, length: number, more: Partial<Region> = {}): Region {
  return {
    guest: guestAddress(guest),
    length: BigInt(length),
    backing: more.backing ?? new BufferBacking(new ArrayBuffer(length)),
    offset: 0,
    access: "ro",
    name: `${guest}`,
    user: null,
    ...more,
  };
}

function memoryOf(...regions: Region[]): GuestMemory {
  return new GuestMemory(new RegionTable(regions));
}

/** A split ring of many entries in 4 MiB: areas at 1, 2 and 3 MiB, all descriptors zero. */
function largeRing(size: number): { view: DataView; memory: GuestMemory; config: RingConfig } {
  const buffer = new ArrayBuffer(0x400000);
  const config = drawnConfig("split", size, {
    descriptor: 0x100000n,
    driver: 0x200000n,
    device: 0x300000n,
  });
  const memory = memoryOf(region(0, buffer.byteLength, { backing: new BufferBacking(buffer) }));
  return { view: new DataView(buffer), memory, config };
}

function seen(findings: readonly Finding[]): string[] {
  return findings.map(({ code, place }) => `${code} @ ${place}`);
}

Deno.test("an index whose two bytes lie in two regions is read from both", () => {
  //  available ring  flags flags idx │ idx …        the border is within the index
  //  region          low ────────────┘ high         and low's backing goes on with other bytes
  const drawn = new DrawnRing(drawnConfig("split", 8)).descriptor(0, { address: 0, length: 4 });
  const border = AT.driver + 3;
  drawn.available(0x01fe, [0, 0]).used(0x01fe, []);
  const low = new Uint8Array(drawn.buffer.slice(0));
  const high = drawn.buffer.slice(border);
  low.fill(0xee, border);
  const memory = memoryOf(
    region(0, border, { backing: new BufferBacking(low.buffer) }),
    region(border, MEMORY - border, { backing: new BufferBacking(high) }),
  );
  assertEquals(openRing(memory, drawn.config).indices()?.available.index, 0x0200);
  assertEquals(openRing(memory, drawn.config).snapshot().inFlight, 2);
});

Deno.test("a start beyond the ring is a finding, and the flags say where to walk instead", () => {
  //  slot  0  1 │ … 9     a front-end may say any 15 bits
  //        A  .   start
  const drawn = new DrawnRing(drawnConfig("packed", 2, { start: { index: 9, wrap: true } }))
    .slot(0, { flags: 0x80 });
  const ring = openRing(drawn.memory, drawn.config);
  assertEquals(seen(ring.snapshot().findings), ["head-out-of-range @ start position"]);
  assertEquals(ring.snapshot().chainCount, 1);
  assertEquals([ring.indices()?.available.index, ring.indices()?.inFlight], [1, 1]);
});

Deno.test("a table is not read past its region, though another region has more of the same bytes", () => {
  //  bytes      0 ─────────── 0x10000 ───────────── 0x20000
  //  0x1000000  [ alias, all of it                 )
  //  0          [ low        )  hole
  const drawn = new DrawnRing(drawnConfig("split", 4));
  const table = 0x10000 - 16;
  drawn.descriptor(0, { address: 0x1008000, length: 16, flags: 4 })
    .descriptor(1, { address: table, length: 32, flags: 4 })
    .descriptor(0, { address: 0, length: 8 }, 0x8000)
    .descriptor(0, { address: 0, length: 8, flags: 1, next: 1 }, table)
    .descriptor(1, { address: 0, length: 8 }, table)
    .available(0, [0, 1]);
  const backing = new BufferBacking(drawn.buffer);
  const memory = memoryOf(
    region(0, 0x10000, { backing }),
    region(0x1000000, 0x20000, { backing }),
  );
  const snapshot = openRing(memory, drawn.config).snapshot();
  assertEquals(seen(snapshot.findings), ["indirect-outside-memory @ descriptor 1"]);
});

Deno.test("a table above 2^53 is read at its address, not at the nearest double", () => {
  const high = (1n << 53n) + 1n;
  const drawn = new DrawnRing(drawnConfig("split", 4));
  drawn.descriptor(0, { address: high, length: 16, flags: 4 }).available(0, [0]);
  const table = new DataView(new ArrayBuffer(16));
  table.setUint32(8, 24, true);
  const memory = memoryOf(
    region(0, MEMORY, { backing: new BufferBacking(drawn.buffer) }),
    region(high - 1n, 1),
    region(high, 16, { backing: new BufferBacking(table.buffer) }),
  );
  const snapshot = openRing(memory, drawn.config).snapshot();
  assertEquals([snapshot.chain(0).readable, snapshot.findings], [24, []]);
});

Deno.test("a table as long as the queue allows is read to its end", () => {
  const { view, memory, config } = largeRing(8192);
  view.setUint32(0x100000, 0x8000, true);
  view.setUint32(0x100008, 16 * 5000, true);
  view.setUint16(0x10000c, 4, true);
  for (let n = 0; n < 5000; n++) {
    view.setUint32(0x8000 + 16 * n + 8, 1, true);
    view.setUint16(0x8000 + 16 * n + 12, n < 4999 ? 1 : 0, true);
    view.setUint16(0x8000 + 16 * n + 14, n + 1, true);
  }
  view.setUint16(0x200002, 1, true);
  const snapshot = openRing(memory, config).snapshot();
  const chain = snapshot.chain(0);
  assertEquals([chain.descriptors.length, chain.findings], [5000, []]);
  assertEquals(snapshot.totals.descriptors, 5000);
});

Deno.test("faulty chains with long tables take bounded memory, at once and on demand", () => {
  // 32768 heads, each an indirect table of 4096 entries whose first is empty: 2 GiB to copy.
  const { view, memory, config } = largeRing(32768);
  for (let n = 0; n < 32768; n++) {
    view.setUint32(0x100000 + 16 * n + 8, 16 * 4096, true);
    view.setUint16(0x100000 + 16 * n + 12, 4, true);
    view.setUint16(0x200004 + 2 * n, n, true);
  }
  view.setUint16(0x200002, 32768, true);
  const ring = openRing(memory, config);
  if (!(ring instanceof SplitRing)) throw new TypeError("not a split ring");
  const walk = new SplitWalk(memory, config);
  const snapshot = ring.snapshotInto(walk);
  assert(seen(snapshot.findings).some((finding) => finding.startsWith("chain-too-long")));
  for (let n = 0; n < 2000; n++) snapshot.chain(n * 16);
  assert(walk.arena.words.byteLength <= 128 << 20, `${walk.arena.words.byteLength} bytes`);
});

Deno.test("of several tables in one packed list the first is followed: the others are one finding each", () => {
  //  slot  0    1    2       each a table of as many entries as the queue allows: the list alone
  //        I→   I→   I       would be size² descriptors
  const drawn = new DrawnRing(drawnConfig("packed", 8));
  for (let n = 0; n < 3; n++) {
    drawn.slot(n, { address: AT.tables, length: 16 * 8, flags: 0x80 | 4 | (n < 2 ? 1 : 0) });
  }
  for (let n = 0; n < 8; n++) drawn.view.setUint32(AT.tables + 16 * n + 8, 1, true);
  const chain = openRing(drawn.memory, drawn.config).snapshot().chain(0);
  assertEquals(chain.descriptors.length, 8);
  assertEquals(seen(chain.findings), [0, 1, 2].map((n) => `indirect-with-next @ slot ${n}`));
});

Deno.test("recent buffers are looked at within the budget, too", () => {
  // One chain through all 32768 descriptors, given back 32768 times: 2^30 descriptors to list.
  const size = 32768;
  const { view, memory, config } = largeRing(size);
  for (let n = 0; n < size; n++) {
    view.setUint32(0x100000 + 16 * n + 8, 1, true);
    view.setUint16(0x100000 + 16 * n + 12, n + 1 < size ? 1 : 0, true);
    view.setUint16(0x100000 + 16 * n + 14, n + 1, true);
  }
  view.setUint32(0x300004 + 8 * (size - 1) + 4, 1, true);
  view.setUint16(0x200002, size, true);
  view.setUint16(0x300002, size, true);
  const options = { chains: "recent", recentCount: size } as const;
  const snapshot = openRing(memory, config).snapshot(options);
  assertEquals(seen(snapshot.findings), ["chain-too-long @ used ring"]);
  assert(snapshot.chainCount < 16, `${snapshot.chainCount} chains`);
});

Deno.test("an id past the ring in the used ring is a finding of the snapshot, too", () => {
  const drawn = new DrawnRing(drawnConfig("split", 4)).used(0, [{ id: 4, length: 0 }])
    .available(1, []);
  const snapshot = openRing(drawn.memory, drawn.config).snapshot({ chains: "recent" });
  assertEquals(seen(snapshot.findings), ["id-out-of-range @ used ring slot 0"]);
});

Deno.test("a chain that was given up still holds its descriptors", () => {
  //  head 0 ──▶ 1 ──▶ 2        0 is empty, which makes the quick walk give up
  //  head 2 ──────────┘
  const drawn = new DrawnRing(drawnConfig("split", 4))
    .descriptor(0, { address: AT.buffers, length: 0, flags: 1, next: 1 })
    .descriptor(1, { address: AT.buffers, length: 4, flags: 1, next: 2 })
    .descriptor(2, { address: AT.buffers, length: 4 })
    .available(0, [0, 2]);
  assertEquals(seen(openRing(drawn.memory, drawn.config).snapshot().findings), [
    "zero-length @ descriptor 0",
    "shared-descriptor @ descriptor 2",
  ]);
});

Deno.test("every readable buffer after a writable one is out of order, even after an empty one", () => {
  const drawn = new DrawnRing(drawnConfig("split", 4))
    .descriptor(0, { address: AT.buffers, length: 0, flags: 3, next: 1 })
    .descriptor(1, { address: AT.buffers, length: 4, flags: 1, next: 2 })
    .descriptor(2, { address: AT.buffers, length: 4 })
    .available(0, [0]);
  assertEquals(seen(openRing(drawn.memory, drawn.config).snapshot().findings), [
    "zero-length @ descriptor 0",
    "readable-after-writable @ descriptor 1",
    "readable-after-writable @ descriptor 2",
  ]);
});

Deno.test("a nested table is no writable buffer, whatever its flags", () => {
  // 2.7.5.3.2: the device ignores WRITE in a descriptor that refers to a table.
  const drawn = new DrawnRing(drawnConfig("split", 4))
    .descriptor(0, { address: AT.tables, length: 32, flags: 4 })
    .descriptor(0, { address: AT.buffers, length: 16, flags: 7, next: 1 }, AT.tables)
    .descriptor(1, { address: AT.buffers, length: 4 }, AT.tables)
    .available(0, [0]);
  assertEquals(seen(openRing(drawn.memory, drawn.config).snapshot().findings), [
    "indirect-nested @ descriptor 0, entry 0",
  ]);
});

Deno.test("the order of buffers is nobody's fault where the chain may be done already", () => {
  //  0 ──u─────────a        entry 1 (head 0) was completed before entry 0, and its second
  //      5   0   1          descriptor is the first of entry 2 now: W ─▶ R, but never at one time
  const drawn = new DrawnRing(drawnConfig("split", 8))
    .descriptor(5, { address: AT.buffers, length: 4 })
    .descriptor(0, { address: AT.buffers, length: 4, flags: 3, next: 1 })
    .descriptor(1, { address: AT.buffers, length: 4, flags: 1, next: 2 })
    .descriptor(2, { address: AT.buffers, length: 4, flags: 2 })
    .available(0, [7, 5, 0, 1])
    .used(0, [{ id: 0, length: 4 }]);
  assertEquals(openRing(drawn.memory, drawn.config).snapshot().findings, []);
  // A consumer has yet to take it: then it is not done.
  const start = { ...drawn.config, start: { index: 1, wrap: true } };
  assertEquals(
    seen(openRing(drawn.memory, start).snapshot().findings),
    [
      "readable-after-writable @ descriptor 1",
      "shared-descriptor @ descriptor 1",
      "shared-descriptor @ descriptor 2",
    ].sort((a, b) => (a < b ? -1 : 1)),
  );
});

Deno.test("all chains of a hostile ring can be taken, and are bounded together", () => {
  // 32768 heads, each the start of a chain through all descriptors behind it: 2^29 to list.
  const size = 32768;
  const { view, memory, config } = largeRing(size);
  for (let n = 0; n < size; n++) {
    view.setUint32(0x100000 + 16 * n + 8, 1, true);
    view.setUint16(0x100000 + 16 * n + 12, n + 1 < size ? 1 : 0, true);
    view.setUint16(0x100000 + 16 * n + 14, n + 1, true);
    view.setUint16(0x200004 + 2 * n, n, true);
  }
  view.setUint16(0x200002, size, true);
  const snapshot = openRing(memory, config).snapshot();
  const started = performance.now();
  let descriptors = 0;
  for (let n = 0; n < snapshot.chainCount; n++) descriptors += snapshot.chain(n).descriptors.length;
  assert(descriptors <= 1 << 19, `${descriptors} descriptors`);
  assert(performance.now() - started < 10_000);
  const last = snapshot.chain(size - 1);
  assertEquals([last.head, last.descriptors, seen(last.findings)], [
    size - 1,
    [],
    ["chain-too-long @ available ring slot 32767"],
  ]);
});

Deno.test("a consumer's position that the used index has passed is out of date", () => {
  //  0 s────u──a        what is before u went back: its descriptors are the driver's again
  const drawn = new DrawnRing(drawnConfig("split", 4, { start: { index: 65530, wrap: true } }))
    .descriptor(0, { address: AT.buffers, length: 4 })
    .descriptor(1, { address: AT.buffers, length: 4 })
    .available(100, [0, 1]).used(100, []);
  const snapshot = openRing(drawn.memory, drawn.config).snapshot();
  assertEquals([snapshot.findings, snapshot.chainCount], [[], 2]);
  assertEquals(snapshot.chain(0).slot, 0);
});

Deno.test("a chain may be 2^32 bytes long, and no longer", () => {
  //  2.7.5.2. Two buffers of 2^31 bytes; then one byte more.
  const drawn = new DrawnRing(drawnConfig("split", 4))
    .descriptor(0, { address: 1n << 32n, length: 0x80000000, flags: 1, next: 1 })
    .descriptor(1, { address: 1n << 32n, length: 0x80000000 })
    .descriptor(2, { address: 1n << 32n, length: 0x80000000, flags: 1, next: 3 })
    .descriptor(3, { address: 1n << 32n, length: 0x80000001 })
    .available(0, [0, 2]);
  const large = {
    length: 2 ** 40,
    label: "large",
    pageSize: 4096,
    copy: () => ({ length: 0, errno: "EFAULT" }),
    live: () => null,
    nextData: () => null,
  };
  const memory = memoryOf(
    region(0, MEMORY, { backing: new BufferBacking(drawn.buffer) }),
    region(1n << 32n, 2 ** 40, { backing: large }),
  );
  const snapshot = openRing(memory, drawn.config).snapshot();
  assertEquals(seen(snapshot.findings), ["length-too-large @ descriptor 3"]);
  assertEquals(snapshot.chain(0).readable, 2 ** 32);
});

Deno.test("next is out of range at the number of entries, whatever stands behind the table", () => {
  const drawn = new DrawnRing(drawnConfig("split", 4))
    .descriptor(0, { address: AT.tables, length: 32, flags: 4 })
    .descriptor(0, { address: AT.buffers, length: 4, flags: 1, next: 2 }, AT.tables)
    .descriptor(2, { address: AT.buffers, length: 4 }, AT.tables)
    .available(0, [0]);
  assertEquals(seen(openRing(drawn.memory, drawn.config).snapshot().findings), [
    "next-out-of-range @ descriptor 0, entry 0",
  ]);
});
