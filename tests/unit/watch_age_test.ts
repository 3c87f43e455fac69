import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AgeTracker } from "../../lib/watch/age.ts";

Deno.test("the oldest mark that used has not passed is the age", () => {
  //  time  0    10   20   30
  //  avail 2    5    5    7
  //  used  0    0    2    5
  const age = new AgeTracker();
  age.start(2, 0);
  age.step(3, 0, 10);
  assertEquals(age.oldest(15), 15);
  age.step(0, 2, 20);
  assertEquals(age.oldest(20), 10);
  age.step(2, 3, 30);
  assertEquals(age.oldest(34), 4);
  age.step(0, 2, 40);
  assertEquals(age.oldest(50), 0);
});

Deno.test("what was there at the first reading is as old as the watching, at least", () => {
  const age = new AgeTracker();
  age.start(4, 100);
  for (let now = 200; now <= 5000; now += 100) age.step(1, 0, now);
  assertEquals(age.oldest(5000), 4900);
});

Deno.test("a new start forgets", () => {
  const age = new AgeTracker();
  age.start(4, 0);
  age.start(3, 700);
  assertEquals(age.oldest(1000), 300);
  age.start(0, 1000);
  assertEquals(age.oldest(2000), 0);
});

/** What happened between two readings: milliseconds, requests made available, requests used. */
const steps = fc.array(
  fc.record({
    time: fc.integer({ min: 1, max: 100 }),
    more: fc.integer({ min: 0, max: 40 }),
    done: fc.integer({ min: 0, max: 40 }),
  }),
  { minLength: 1, maxLength: 200 },
);

Deno.test("it is never older than it is, and with few marks no younger than a reading ago", () => {
  fc.assert(fc.property(steps, fc.boolean(), (steps, inOrder) => {
    const age = new AgeTracker();
    age.start(0, 0);
    /** When the requests that are out were made available: oldest first where in order. */
    let out: number[] = [];
    let now = 0;
    let readings = 0;
    for (const { time, more, done } of steps) {
      const before = now;
      now += time;
      // All of it happened as early as it can have: right after the reading before.
      out.push(...Array(more).fill(before));
      const used = Math.min(done, out.length);
      out = inOrder ? out.slice(used) : out.slice(0, out.length - used);
      age.step(more, used, now);
      readings = out.length === 0 ? 0 : readings + 1;
      const truth = out.length === 0 ? 0 : now - out[0];
      assert(age.oldest(now) <= truth, `${age.oldest(now)} of ${truth}`);
      if (inOrder && readings < 16) assert(age.oldest(now) >= truth - 100);
    }
  }));
});
