import { assert, assertEquals } from "@std/assert";
import type { Finding } from "../../lib/finding.ts";
import type { Ring, RingSnapshot } from "../../lib/ring/snapshot.ts";
import { type Inspected, Inspector, newInspection } from "../../lib/watch/inspect.ts";

const LOOP: Finding = { code: "loop", place: "descriptor 7", section: "2.7.5.2", text: "" };

/** A ring whose looks give these findings one after the other, the last for ever. */
function ring(
  looks: readonly (readonly Finding[])[],
  { raced = false, inFlight = 1, cost = () => {}, faults = [] as readonly Finding[] } = {},
): Inspected & { looks: number } {
  const side = { index: 5, flags: 0, event: null, wrap: null, eventWrap: null };
  const indices = { available: side, used: side, inFlight, exact: true, raced, time: 0 };
  const one = { inspection: newInspection(), indices, looks: 0, ring: null as unknown as Ring };
  one.ring = {
    findings: faults,
    snapshot: () => {
      cost();
      const findings = looks[Math.min(one.looks++, looks.length - 1)];
      return { ...indices, findings } as unknown as RingSnapshot;
    },
  } as Ring;
  return one;
}

/** A clock that moves only when told. */
function handClock() {
  let now = 0;
  return { read: () => now, pass: (milliseconds: number) => now += milliseconds };
}

Deno.test("a finding counts when it stands in two looks, and goes when it goes", () => {
  const one = ring([[LOOP], [LOOP], []]);
  const inspector = new Inspector();
  const { read } = handClock();
  assertEquals(one.inspection.lasting, []);
  inspector.look([one], read);
  assertEquals(one.inspection.lasting, []);
  inspector.look([one], read);
  assertEquals(one.inspection.lasting, [LOOP]);
  inspector.look([one], read);
  assertEquals(one.inspection.lasting, []);
});

Deno.test("a raced look proves nothing", () => {
  const one = ring([[LOOP]], { raced: true });
  const inspector = new Inspector();
  for (let turn = 0; turn < 5; turn++) inspector.look([one], handClock().read);
  assertEquals([one.inspection.last, one.looks], [[], 5]);
});

Deno.test("an empty ring is not looked at, but where its configuration is at fault", () => {
  const inspector = new Inspector();
  const rings = [ring([[]], { inFlight: 0 }), ring([[LOOP]], { inFlight: 0, faults: [LOOP] })];
  for (let turn = 0; turn < 5; turn++) inspector.look(rings, handClock().read);
  assertEquals([rings[0].looks, rings[1].looks > 1], [0, true]);
  assertEquals(rings[1].inspection.lasting, [LOOP]);
});

Deno.test("looks take 2 % of the time at most, and every ring has its turn", () => {
  const clock = handClock();
  const rings = Array.from({ length: 100 }, () => ring([[]], { cost: () => clock.pass(0.1) }));
  const inspector = new Inspector();
  let spent = 0;
  while (clock.read() < 10_000) {
    const before = clock.read();
    inspector.look(rings, clock.read);
    spent += clock.read() - before;
    clock.pass(1);
  }
  assert(spent < 10_000 * 0.021, `${spent} ms`);
  const looks = rings.map((one) => one.looks);
  assert(Math.min(...looks) > 0 && Math.max(...looks) - Math.min(...looks) <= 1, looks.join());
});
