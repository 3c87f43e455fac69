/** Split rings, drawn. `u` used index, `f` fetched, `a` available index. */
import { assert, assertEquals } from "@std/assert";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { AT, drawnConfig, DrawnRing, USER_BASE } from "../support/ring_memory.ts";

const EVENT_IDX = 1n << 29n;
const V1_INDIRECT = (1n << 32n) | (1n << 28n);

/** A ring of 8 with heads 0..n-1, one readable buffer of 64 bytes each, made available from `from` on. */
function plain(from: number, count: number, more: Partial<RingConfig> = {}): DrawnRing {
  const ring = new DrawnRing(drawnConfig("split", 8, more));
  for (let n = 0; n < 8; n++) ring.descriptor(n, { address: AT.buffers + 64 * n, length: 64 });
  return ring.available(from, Array.from({ length: count }, (_, n) => n)).used(from, []);
}

Deno.test("outstanding entries are walked from the used index, and indices wrap at 65536", () => {
  //  65533 u──────── 0 ──a 3
  const { memory, config } = plain(65533, 6);
  const snapshot = openRing(memory, config).snapshot();
  assertEquals([snapshot.used.index, snapshot.available.index, snapshot.inFlight], [65533, 3, 6]);
  assertEquals(Array.from({ length: 6 }, (_, n) => snapshot.chain(n).slot), [5, 6, 7, 0, 1, 2]);
  assertEquals(snapshot.findings, []);
});

Deno.test("fetched entries are in flight, the others available", () => {
  //  0 u────f─a
  const { memory, config } = plain(0, 4, { fetched: { index: 3, wrap: true } });
  const snapshot = openRing(memory, config).snapshot();
  const states = Array.from({ length: 4 }, (_, n) => snapshot.chain(n).state);
  assertEquals(states, ["inflight", "inflight", "inflight", "available"]);
});

Deno.test("recent buffers come first, used, with the length written and no findings", () => {
  const drawn = plain(2, 1).used(0, [{ id: 5, length: 11 }, { id: 6, length: 12 }]);
  const snapshot = openRing(drawn.memory, drawn.config).snapshot({
    chains: "recent",
    recentCount: 8,
  });
  assertEquals(snapshot.chainCount, 3);
  const [first, second, third] = [0, 1, 2].map((n) => snapshot.chain(n));
  assertEquals([first.state, first.head, first.written], ["used", 5, 11]);
  assertEquals([second.state, second.head, second.written], ["used", 6, 12]);
  assertEquals([third.state, third.written], ["available", null]);
});

Deno.test("notifications by flags: each side's bit suppresses the other's", () => {
  const drawn = plain(0, 1);
  const ring = openRing(drawn.memory, drawn.config);
  assertEquals(ring.snapshot().suppression, { kickWanted: true, callWanted: true, by: "flags" });
  drawn.available(0, [0], 1).used(0, [], 1);
  assertEquals(ring.snapshot().suppression, { kickWanted: false, callWanted: false, by: "flags" });
});

Deno.test("notifications by event index: wanted for the next buffer only where the event says so", () => {
  const drawn = plain(0, 3, { features: V1_INDIRECT | EVENT_IDX }).events(0, 3);
  const ring = openRing(drawn.memory, drawn.config);
  const snapshot = ring.snapshot();
  assertEquals([snapshot.available.event, snapshot.used.event], [0, 3]);
  assertEquals(snapshot.suppression, { kickWanted: true, callWanted: true, by: "event index" });
  drawn.events(5, 2);
  assertEquals(ring.snapshot().suppression, {
    kickWanted: false,
    callWanted: false,
    by: "event index",
  });
});

Deno.test("areas by user address are found through the table", () => {
  const places = { descriptor: AT.descriptor, driver: AT.driver, device: AT.device };
  const user = Object.fromEntries(
    Object.entries(places).map(([name, at]) => [name, USER_BASE + BigInt(at)]),
  );
  const { memory, config } = plain(0, 2, { ...user, addressSpace: "user" });
  assertEquals(openRing(memory, config).snapshot().chainCount, 2);
});

Deno.test("a device that completes out of order leaves stale entries, which are no violation", () => {
  //  0 ──u──────a    head 2 was used before head 0, and is available again in entry 3
  const drawn = plain(0, 3).available(0, [0, 1, 2, 2]).used(0, [{ id: 2, length: 0 }]);
  const snapshot = openRing(drawn.memory, drawn.config).snapshot();
  assertEquals(snapshot.findings, []);
  assertEquals(snapshot.chainCount, 3);
});

Deno.test("the same head twice is a violation where nothing was used", () => {
  const drawn = plain(0, 3).available(0, [0, 1, 0]);
  const codes = openRing(drawn.memory, drawn.config).snapshot().findings.map(({ code }) => code);
  assertEquals(codes, ["duplicate-head"]);
});

Deno.test("direct descriptors before an indirect one are one chain", () => {
  const drawn = new DrawnRing(drawnConfig("split", 8))
    .descriptor(0, { address: AT.buffers, length: 16, flags: 1, next: 1 })
    .descriptor(1, { address: AT.tables, length: 32, flags: 4 })
    .descriptor(0, { address: AT.buffers + 16, length: 8, flags: 1, next: 1 }, AT.tables)
    .descriptor(1, { address: AT.buffers + 32, length: 4, flags: 2 }, AT.tables)
    .available(0, [0]);
  const snapshot = openRing(drawn.memory, drawn.config).snapshot();
  const chain = snapshot.chain(0);
  assertEquals([chain.readable, chain.writable, chain.indirect, chain.findings], [24, 4, true, []]);
  assertEquals(chain.descriptors.map(({ length }) => length), [16, 8, 4]);
  assertEquals(snapshot.totals, { descriptors: 3, readable: 24, writable: 4 });
});

Deno.test("a walk stops at its budget, whatever the guest wrote", () => {
  // 32768 chains that all run into one long chain: closer looks would take 2^29 steps.
  const size = 32768;
  const config = drawnConfig("split", size, {
    descriptor: 0x100000n,
    driver: 0x200000n,
    device: 0x300000n,
  });
  const memory = bigMemory();
  const view = new DataView(memory.buffer);
  for (let n = 0; n < size; n++) {
    view.setBigUint64(0x100000 + 16 * n, 0x10000n, true);
    view.setUint32(0x100000 + 16 * n + 8, 1, true);
    view.setUint16(0x100000 + 16 * n + 12, 1, true);
    view.setUint16(0x100000 + 16 * n + 14, (n + 1) % size, true);
    view.setUint16(0x200000 + 4 + 2 * n, n, true);
  }
  view.setUint16(0x200002, size, true);
  const started = performance.now();
  const snapshot = openRing(memory.memory, config).snapshot();
  assert(snapshot.findings.some(({ code }) => code === "chain-too-long"));
  assert(snapshot.findings.length <= 4096);
  assert(performance.now() - started < 20_000);
});

Deno.test("a chain that does not exist is the caller's mistake", () => {
  const { memory, config } = plain(0, 1);
  const snapshot = openRing(memory, config).snapshot();
  let thrown: unknown = null;
  try {
    snapshot.chain(1);
  } catch (error) {
    thrown = error;
  }
  assert(thrown instanceof RangeError);
});

function bigMemory() {
  const drawn = new DrawnRing(drawnConfig("split", 8));
  const [region] = drawn.memory.table.regions;
  const buffer = new ArrayBuffer(0x400000);
  const backing = new BufferBacking(buffer);
  const table = new RegionTable([{ ...region, backing, length: BigInt(buffer.byteLength) }]);
  return { buffer, memory: new GuestMemory(table) };
}
