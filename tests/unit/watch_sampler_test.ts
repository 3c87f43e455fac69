import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { RingConfig, RingFormat } from "../../lib/ring/config.ts";
import { positionModulus } from "../../lib/ring/positions.ts";
import type { RingPositions } from "../../lib/ring/snapshot.ts";
import type { RingRates } from "../../lib/watch/ring_rates.ts";
import { RingSampler } from "../../lib/watch/sampler.ts";

function config(format: RingFormat, size: number): RingConfig {
  const addresses = { descriptor: 0n, driver: 0n, device: 0n };
  return { format, size, ...addresses, addressSpace: "guest", features: 0n };
}

/** Positions of a ring of which `available` and `used` entries went by since it was made. */
function positions(config: RingConfig, available: number, used: number): RingPositions {
  const modulus = positionModulus(config);
  const inFlight = available - used;
  return { available: available % modulus, used: used % modulus, inFlight, exact: true };
}

/** A sampler that takes counts. */
function sampling(format: RingFormat, size: number) {
  const ring = config(format, size);
  const sampler = new RingSampler(ring);
  return {
    observe: (available: number, used: number, time: number) =>
      sampler.observe(positions(ring, available, used), time),
    blind: (time: number) => sampler.observe(null, time),
    report: (time: number) => sampler.report(time, null),
    pace: () => sampler.pace(),
  };
}

/** A ring at a steady rate, read at these times (ms); 3 entries are always with the device. */
function steady(
  format: RingFormat,
  size: number,
  perSecond: number,
  times: readonly number[],
): RingRates {
  const sampler = sampling(format, size);
  for (const time of times) {
    const used = Math.floor(time * perSecond / 1000);
    sampler.observe(used + 3, used, time);
  }
  return sampler.report(times[times.length - 1]);
}

/** Times from 0 to 1000 ms, `short` and `long` apart in turn. */
function inTurn(short: number, long: number): number[] {
  const times = [0];
  for (let turn = 0; times[times.length - 1] < 1000; turn++) {
    times.push(times[times.length - 1] + (turn % 2 === 0 ? short : long));
  }
  return times;
}

Deno.test("a rate is counted over index wraps", () => {
  const rates = steady("split", 256, 500_000, inTurn(3, 10));
  assertEquals(rates.gap, false);
  assertAlmostEquals(rates.usedRate as number, 500_000, 500);
  assertAlmostEquals(rates.availableRate as number, 500_000, 500);
  assertEquals(rates.inFlightWorst, 3);
});

Deno.test("a packed ring is counted over its wrap counter", () => {
  const rates = steady("packed", 64, 4000, inTurn(1, 3));
  assertEquals(rates.gap, false);
  assertAlmostEquals(rates.usedRate as number, 4000, 50);
});

Deno.test("an index that laps between two readings gives no rate", () => {
  const rates = steady("packed", 64, 100_000, inTurn(3, 10));
  assertEquals([rates.gap, rates.usedRate, rates.availableRate], [true, null, null]);
});

Deno.test("a ring that laps exactly between the long readings does not look as if it stood still", () => {
  // 128 entries in every 10 ms: modulo 128 nothing moved.
  const rates = steady("packed", 64, 12_800, inTurn(3, 10));
  assertEquals(rates.gap, true);
  assert(rates.usedRate === null || Math.abs(rates.usedRate - 12_800) < 200);
});

Deno.test("one long hiccup is left out and marked; the rest still counts", () => {
  const times = inTurn(1, 3).filter((time) => time <= 500 || time >= 560);
  const rates = steady("packed", 64, 4000, times);
  assertEquals(rates.gap, true);
  assertAlmostEquals(rates.usedRate as number, 4000, 60);
});

Deno.test("bursts are not taken for laps", () => {
  const sampler = sampling("packed", 64);
  let used = 0;
  for (const [turn, time] of inTurn(3, 10).entries()) {
    if (turn % 4 === 1) used += 30;
    sampler.observe(used, used, time);
  }
  assertEquals(sampler.report(1000).gap, false);
});

Deno.test("waiting is counted from the last use, while something is with the device", () => {
  const sampler = sampling("split", 256);
  sampler.observe(5, 3, 0);
  sampler.observe(6, 4, 100);
  sampler.observe(9, 4, 400);
  assertEquals(sampler.report(600).waiting, 500);
  sampler.observe(9, 9, 700);
  assertEquals(sampler.report(800).waiting, 0);
  sampler.observe(10, 9, 900);
  sampler.observe(10, 9, 1000);
  assertEquals(sampler.report(1000).waiting, 100);
});

Deno.test("a report starts anew, the average goes on", () => {
  const sampler = sampling("split", 256);
  for (const time of [0, 100, 200]) sampler.observe(time, time, time);
  assertEquals(sampler.report(200).usedRate, 1000);
  for (const time of [300, 400]) sampler.observe(200, 200, time);
  const second = sampler.report(400);
  assertEquals([second.usedRate, second.usedAverage, second.samples], [0, 500, 2]);
});

Deno.test("a ring that can not be read breaks the count, and is not counted", () => {
  const sampler = sampling("split", 256);
  sampler.observe(10, 10, 0);
  sampler.blind(100);
  const blind = sampler.report(100);
  assertEquals([blind.oldest, blind.usedRate], [null, null]);
  sampler.observe(9000, 9000, 200);
  assertEquals(sampler.report(200).usedRate, null);
});

Deno.test("a fast ring asks to be read more often than a slow one", () => {
  const pace = (perSecond: number) => {
    const sampler = sampling("packed", 64);
    for (const time of [0, 10, 12]) {
      const used = Math.floor(time * perSecond / 1000);
      sampler.observe(used, used, time);
    }
    return sampler.pace();
  };
  assertEquals(pace(0), Infinity);
  assertEquals(pace(4000), 4);
  assertEquals(pace(8000), 2);
});
