/** Looks that keep nothing say what those say that do, whatever ring the columns served before. */
import { assert, assertEquals } from "@std/assert";
import { Glance } from "../../lib/ring/glance.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { RingSnapshot } from "../../lib/ring/snapshot.ts";
import { blkHeader, carveMemory, workRing } from "../support/carve_guest.ts";
import { random } from "../support/queue_pair.ts";

const LAYOUTS = ["packed", 64, 4096] as const;

/** Rings of all layouts and two sizes in one memory, each with something else in it. */
function rings(room = 512) {
  const memory = carveMemory();
  const next = random(7);
  const all = LAYOUTS.flatMap((layout) => [16, 16, 64].map((size) => ({ layout, size })));
  const opened = all.map(({ layout, size }, n) => {
    const eventIndex = n % 2 === 0;
    const place = { layout, size, descriptor: BigInt(n + 1) * 0x10000n, eventIndex };
    const ring = workRing(memory, place);
    for (let done = next(40); done > 0; done--) ring.run({ out: blkHeader(0, n), room: [512] });
    for (let left = n % 5; left > 0; left--) {
      const cut = left % 2 === 0 ? [4] : [];
      ring.post({ out: blkHeader(0, left), room: [room, 1], cut }, left % 3 === 0);
    }
    return openRing(memory, ring.config);
  });
  return { memory, opened };
}

/** What does not depend on the moment. */
function saidBy(snapshot: RingSnapshot) {
  const { available, used, inFlight, exact, raced, findings, totals, chainCount } = snapshot;
  const chains = Array.from({ length: chainCount }, (_, n) => snapshot.chain(n));
  return { available, used, inFlight, exact, raced, findings, totals, chains };
}

Deno.test("columns that are used again say what new ones say, ring after ring", () => {
  const { memory, opened } = rings();
  const glance = new Glance();
  // One of them is broken: its first chain names what is no memory.
  memory.write(opened[4].config.descriptor, new Uint8Array(8).fill(0xee));
  let findings = 0;
  for (const ring of [...opened, ...opened.toReversed()]) {
    const said = saidBy(glance.at(ring));
    assertEquals(said, saidBy(ring.snapshot()));
    assert(said.chains.length > 0 || opened.indexOf(ring) % 5 === 0);
    findings += said.findings.length;
  }
  assert(findings > 0);
});

Deno.test("columns of one memory are not those of another", () => {
  const [one, other] = [rings(512), rings(1024)];
  const glance = new Glance();
  let tables = 0;
  for (const [n, ring] of one.opened.entries()) {
    for (const each of [ring, other.opened[n]]) {
      const said = saidBy(glance.at(each));
      assertEquals(said, saidBy(each.snapshot()));
      tables += said.chains.filter(({ indirect }) => indirect).length;
    }
  }
  assert(tables > 4);
});

Deno.test("a split ring stands until a word changes that its indices tell of", () => {
  const { opened } = rings();
  const changed = new Set<string>();
  for (const ring of opened) {
    const then = ring.indices();
    if (ring.stands === undefined || then === null) continue;
    assertEquals(ring.stands(then), true);
    for (const side of ["available", "used"] as const) {
      for (const field of ["index", "flags", "event"] as const) {
        const value = then[side][field];
        if (value === null) continue;
        const other = { ...then, [side]: { ...then[side], [field]: (value + 1) & 0xffff } };
        assertEquals(ring.stands(other), false, `${side} ${field}`);
        changed.add(`${side} ${field}`);
      }
    }
  }
  assertEquals(changed.size, 6);
});
