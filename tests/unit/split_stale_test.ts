/**
 * Entries of a split ring whose chain may have been used out of order. Of four chains, each a table of
 * two buffers, heads 0 to 3, the device has used that of head 2:
 *
 * ```text
 *  available ring   [ 0 | 1 | 2 | 3 ]        used ring   [ 2 ]
 *                         u           a                      u
 *                         └─ 1, 2, 3 look outstanding: 2 is not, and its driver has freed its table
 * ```
 *
 * Something else stands in that table by now: a device-writable buffer, and one outside memory.
 */
import { assertEquals } from "@std/assert";
import type { RingConfig } from "../../lib/ring/config.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { AT, drawnConfig, DrawnRing, MEMORY } from "../support/ring_memory.ts";

const IN_ORDER = { features: (1n << 32n) | (1n << 28n) | (1n << 35n) };

/** The chains `heads` from index 0 on; the table of head 2 is another's. */
function draw(heads: readonly number[], used: readonly number[], more: Partial<RingConfig> = {}) {
  const ring = new DrawnRing(drawnConfig("split", 8, more));
  for (let head = 0; head < 4; head++) {
    const table = AT.tables + 32 * head;
    const freed = head === 2;
    ring.descriptor(head, { address: table, length: 32, flags: 4 })
      .descriptor(0, { address: AT.buffers, length: 8, flags: freed ? 3 : 1, next: 1 }, table)
      .descriptor(1, { address: freed ? MEMORY : AT.buffers, length: 4, flags: 0 }, table);
  }
  return ring.available(0, heads).used(0, used.map((id) => ({ id, length: 0 })));
}

function at(index: number): { index: number; wrap: boolean } {
  return { index, wrap: true };
}

const NOT_ITS_OWN = [
  "address-outside-memory @ descriptor 2, entry 1",
  "readable-after-writable @ descriptor 2, entry 1",
];

const CASES: readonly (readonly [
  why: string,
  heads: readonly number[],
  used: readonly number[],
  more: Partial<RingConfig>,
  findings: readonly string[],
])[] = [
  ["its head is in the used ring", [0, 1, 2, 3], [2], {}, []],
  ["… no: the device has it", [0, 1, 2, 3], [0], {}, NOT_ITS_OWN],
  ["used in order", [0, 1, 2, 3], [2], IN_ORDER, NOT_ITS_OWN],
  ["from a consumer's own position on", [0, 1, 2, 3], [2], { start: at(1) }, NOT_ITS_OWN],
  ["the device has fetched it", [0, 1, 2, 3], [2], { fetched: at(3) }, []],
  ["… all but it and what follows", [0, 1, 2, 3], [2], { fetched: at(2) }, NOT_ITS_OWN],
  ["… and has used none since", [0, 1, 2, 3], [2], { fetched: at(2), used: at(1) }, NOT_ITS_OWN],
  ["… and has used one since", [0, 1, 2, 3], [2], { fetched: at(2), used: at(0) }, []],
  ["where it fetched is no place between the two", [0, 1, 2, 3], [2], { fetched: at(0) }, []],
  ["… behind the available index", [0, 1, 2, 3], [2], { fetched: at(5) }, []],
];

for (const [why, heads, used, more, expected] of CASES) {
  Deno.test(`stale: ${why}`, () => {
    const { memory, config } = draw(heads, used, more);
    const { findings } = openRing(memory, config).snapshot();
    assertEquals(findings.map(({ code, place }) => `${code} @ ${place}`), expected);
  });
}

Deno.test("stale: a table that is not even memory any more, or leads in circles", () => {
  const gone = draw([0, 1, 2, 3], [2]).descriptor(2, { address: MEMORY, length: 32, flags: 4 });
  assertEquals(openRing(gone.memory, gone.config).snapshot().findings, []);
  const loop = draw([0, 1, 2, 3], [2])
    .descriptor(1, { address: AT.buffers, length: 4, flags: 1, next: 0 }, AT.tables + 64);
  const snapshot = openRing(loop.memory, loop.config).snapshot();
  assertEquals([snapshot.findings, snapshot.chain(1).descriptors.length], [[], 2]);
});

Deno.test("stale: what stands in the table by now is shown, with where it leads", () => {
  const { memory, config } = draw([0, 1, 2, 3], [2]);
  const snapshot = openRing(memory, config).snapshot();
  const { head, indirect, descriptors, findings } = snapshot.chain(1);
  assertEquals([head, indirect, findings], [2, true, []]);
  assertEquals(descriptors.map(({ status }) => status), ["ok", "outside"]);
  assertEquals(snapshot.totals.descriptors, 6);
});

Deno.test("stale: the ring's own descriptors are what they are", () => {
  const { memory, config } = draw([0, 1, 2, 3], [2]).descriptor(2, {
    address: AT.tables,
    length: 24,
    flags: 4,
  });
  const codes = openRing(memory, config).snapshot().findings.map(({ code }) => code);
  assertEquals(codes, ["indirect-length"]);
});

Deno.test("stale: a head that was used and is available once more excuses neither entry's owner", () => {
  //  0 ──u──────a   head 2 used first, then available again with a table of its own
  const drawn = draw([0, 1, 2, 2], [2]);
  assertEquals(openRing(drawn.memory, drawn.config).snapshot().findings, []);
  // What the device has not fetched has no excuse: there head 2 is available twice.
  const twice = draw([0, 1, 2, 2], [2], { fetched: at(1) });
  const codes = openRing(twice.memory, twice.config).snapshot().findings.map(({ code }) => code);
  assertEquals(codes.filter((code) => code === "duplicate-head"), ["duplicate-head"]);
});
