import { assertEquals } from "@std/assert";
import { openRing } from "../../lib/ring/ring.ts";
import { reusedChain, reusedChains } from "../../lib/ring/reused.ts";
import { AT, drawnConfig, DrawnRing } from "../support/ring_memory.ts";

const NEXT = 1;
const INDIRECT = 4;
const RECENT = { chains: "recent", recentCount: 8 } as const;

/** Of each chain its head, and whether another has its descriptors. */
function marks(ring: DrawnRing): string[] {
  const snapshot = openRing(ring.memory, ring.config).snapshot(RECENT);
  const reused = reusedChains(snapshot);
  return Array.from(
    { length: snapshot.chainCount },
    (_, n) => `${snapshot.chain(n).head}${reused.has(n) ? " reused" : ""}`,
  );
}

const used = (...ids: number[]) => ids.map((id) => ({ id, length: 0 }));

Deno.test("a head that comes again is the newest buffer's, whoever has that", () => {
  const ring = new DrawnRing(drawnConfig("split", 8));
  for (let n = 0; n < 3; n++) {
    ring.descriptor(n, { address: AT.buffers, length: 4, flags: 0 });
  }
  ring.available(0, [0, 1, 0, 2, 1]).used(0, used(0, 1, 0, 2));
  assertEquals(marks(ring), ["0 reused", "1 reused", "0", "2", "1"]);
});

Deno.test("… and so is a descriptor in the middle of another chain", () => {
  const ring = new DrawnRing(drawnConfig("split", 8));
  ring.descriptor(0, { address: AT.buffers, length: 4, flags: NEXT, next: 1 })
    .descriptor(1, { address: AT.buffers, length: 4, flags: 0 })
    .descriptor(2, { address: AT.buffers, length: 4, flags: NEXT, next: 1 })
    .available(0, [0, 2]).used(0, used(0));
  assertEquals(marks(ring), ["0 reused", "2"]);
});

Deno.test("the entries of an indirect table are not the ring's", () => {
  const ring = new DrawnRing(drawnConfig("split", 8));
  ring.descriptor(0, { address: AT.tables, length: 32, flags: INDIRECT })
    .descriptor(0, { address: AT.buffers, length: 4, flags: NEXT, next: 1 }, AT.tables)
    .descriptor(1, { address: AT.buffers, length: 4, flags: 0 }, AT.tables)
    .descriptor(1, { address: AT.buffers, length: 4, flags: 0 })
    .available(0, [0, 1]).used(0, used(0));
  assertEquals(marks(ring), ["0", "1"]);
});

Deno.test("of what is reused no more is told than that it was used", () => {
  const ring = new DrawnRing(drawnConfig("split", 8));
  ring.descriptor(0, { address: AT.buffers, length: 4, flags: 0 }).available(0, [0, 0])
    .used(0, [{ id: 0, length: 7 }]);
  const chain = reusedChain(openRing(ring.memory, ring.config).snapshot(RECENT).chain(0));
  const { head, slot, state, written, readable, descriptors } = chain;
  assertEquals([head, slot, state, written, readable, descriptors], [0, 0, "reused", 7, 0, []]);
});
