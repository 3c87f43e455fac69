/**
 * Lists of a packed ring that may have been used out of order, drawn as in `packed_ring_test.ts`. Of
 * the tables (`*`), each of two buffers, some are not what they were:
 *
 * ```text
 * !   freed, and something else by now: a device-writable buffer, and one outside memory
 * ?   not even memory any more
 * ```
 */
import { assertEquals } from "@std/assert";
import type { RingConfig } from "../../lib/ring/config.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { RingSnapshot } from "../../lib/ring/snapshot.ts";
import { AT, drawnConfig, DrawnRing, MEMORY } from "../support/ring_memory.ts";

const IN_ORDER = { features: (1n << 32n) | (1n << 28n) | (1n << 35n) };

function read(picture: string, more: Partial<RingConfig> = {}): RingSnapshot {
  const slots = picture.trim().split(/\s+/);
  const ring = new DrawnRing(drawnConfig("packed", slots.length, more));
  slots.forEach((slot, n) => {
    if (slot === ".") return;
    const has = (mark: string, bit: number) => slot.includes(mark) ? bit : 0;
    const flags = has("A", 0x80) | has("U", 0x8000) | has(">", 1) | has("*", 4);
    const id = Number(/\d+/.exec(slot)?.[0]);
    const table = slot.includes("?") ? MEMORY : AT.tables + 32 * n;
    ring.slot(n, slot.includes("*") ? { address: table, length: 32, id, flags } : { id, flags });
    const freed = slot.includes("!");
    ring.view.setUint32(AT.tables + 32 * n + 8, 1, true);
    ring.view.setUint16(AT.tables + 32 * n + 14, freed ? 2 : 0, true);
    ring.view.setUint32(AT.tables + 32 * n + 16, freed ? MEMORY : 0, true);
    ring.view.setUint32(AT.tables + 32 * n + 24, 1, true);
    ring.view.setUint16(AT.tables + 32 * n + 30, freed ? 2 : 0, true);
  });
  return openRing(ring.memory, ring.config).snapshot();
}

function at(index: number, wrap = true): { index: number; wrap: boolean } {
  return { index, wrap };
}

const OUT_OF_ORDER = "AU2 A*1 A*2! A*3 .";

const CASES: readonly (readonly [
  why: string,
  picture: string,
  more: Partial<RingConfig>,
  findings: readonly string[],
])[] = [
  ["its id stands used", OUT_OF_ORDER, {}, []],
  ["… in a slot of another lap", "=0 U*1 U*3! AU3", {}, []],
  ["… and not even its table is memory", "AU2 A*1 A*2? A*3 .", {}, []],
  ["its id stands used nowhere", "AU0 A*1 A*2! A*3 .", {}, [
    "address-outside-memory @ slot 2, entry 1",
  ]],
  ["… where zeros are no used descriptor", "AU1 A*0! . .", {}, [
    "address-outside-memory @ slot 1, entry 1",
  ]],
  ["… and its table is no memory", "AU0 A*1 A*2? A*3 .", {}, ["indirect-outside-memory @ slot 2"]],
  ["its id is a later list's", "AU0 A*2! A*3 A*2 .", {}, []],
  ["… not an earlier one's", "AU0 A*2 A*3 A*2! .", {}, [
    "address-outside-memory @ slot 3, entry 1",
  ]],
  ["a consumer's own position", OUT_OF_ORDER, { start: at(1) }, [
    "address-outside-memory @ slot 2, entry 1",
  ]],
  ["the device has fetched it", OUT_OF_ORDER, { fetched: at(3) }, []],
  ["… all but it", OUT_OF_ORDER, { fetched: at(2) }, ["address-outside-memory @ slot 2, entry 1"]],
  ["… nothing", OUT_OF_ORDER, { fetched: at(1) }, ["address-outside-memory @ slot 2, entry 1"]],
  ["… nothing, and nothing is used since", OUT_OF_ORDER, { used: at(1), fetched: at(1) }, [
    "address-outside-memory @ slot 2, entry 1",
  ]],
  ["… nothing, but that was before it used one", OUT_OF_ORDER, { used: at(0), fetched: at(1) }, []],
  ["… nothing or all of a full ring", "A*0! A*1 A*2 A*3", { fetched: at(0) }, []],
  ["later laps: the used descriptor may be gone", "=0 U*1! U*2 AU3", {}, []],
  ["… but not for the newest list", "=0 U*1 U*2! AU3", {}, [
    "address-outside-memory @ slot 2, entry 1",
  ]],
  ["in order: one used descriptor for three lists", "AU3 A*2! A*3 A*4 .", IN_ORDER, []],
  ["… and not for the next", "AU3 A*2 A*3 A*4! .", IN_ORDER, [
    "address-outside-memory @ slot 3, entry 1",
  ]],
  ["in order, and the position is known", "AU3 A*2! A*3 A*4 .", { ...IN_ORDER, used: at(1) }, [
    "address-outside-memory @ slot 1, entry 1",
  ]],
  ["the ring's own slots are what they are", "AU2 A*>9! A2 A3 .", {}, [
    "indirect-with-next @ slot 1",
  ]],
];

for (const [why, picture, more, expected] of CASES) {
  Deno.test(`stale: ${why}`, () => {
    const { findings } = read(picture, more);
    assertEquals(findings.map(({ code, place }) => `${code} @ ${place}`), expected);
  });
}

Deno.test("stale: what stands in the table by now is shown, with where it leads", () => {
  const snapshot = read(OUT_OF_ORDER);
  const { id, indirect, descriptors, findings } = snapshot.chain(1);
  assertEquals([id, indirect, findings], [2, true, []]);
  assertEquals(descriptors.map(({ status }) => status), ["ok", "outside"]);
  assertEquals(snapshot.totals.descriptors, 6);
});
