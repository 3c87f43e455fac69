/**
 * Simulated rings, read when `Rounds` would: whatever a ring does steadily, what is counted is right,
 * and what can not be counted is a gap.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { RingConfig } from "../../lib/ring/config.ts";
import { positionModulus } from "../../lib/ring/positions.ts";
import { distance } from "../../lib/watch/distance.ts";
import type { RingRates } from "../../lib/watch/ring_rates.ts";
import { RingSampler } from "../../lib/watch/sampler.ts";

const CONFIGS = ([["packed", 16], ["packed", 64], ["packed", 256], ["split", 256]] as const).map((
  [format, size],
): RingConfig => {
  const places = { descriptor: 0n, driver: 0n, device: 0n, features: 0n };
  return { format, size, ...places, addressSpace: "guest" };
});

interface Simulation {
  readonly config: RingConfig;
  /** Entries used since the ring was made, at a time in milliseconds. */
  readonly used: (time: number) => number;
  /** Milliseconds between reports. */
  readonly interval: number;
  /** How late a reading is, from 0 to 1, one after the other. */
  readonly late: readonly number[];
}

/** A report, and what really was. */
interface Report {
  readonly said: RingRates;
  readonly rate: number;
  /** Milliseconds. */
  readonly from: number;
  readonly to: number;
}

/** Eight reports. A reading is up to 0.1 ms late, and now and then 3 ms. */
function simulate({ config, used, interval, late }: Simulation): Report[] {
  const modulus = positionModulus(config);
  const sampler = new RingSampler(config);
  const read = (time: number) => {
    const count = Math.floor(used(time));
    const positions = { available: (count + 3) % modulus, used: count % modulus };
    sampler.observe({ ...positions, inFlight: 3, exact: true }, time);
    return count;
  };
  const reports: Report[] = [];
  let time = late[0] * 100;
  let [start, before] = [time, read(time)];
  for (let turn = 0; reports.length < 8; turn++) {
    const pace = Math.min(50, interval / 20, sampler.pace());
    const slip = late[turn % late.length];
    time = Math.min(start + interval, time + distance(turn, pace)) +
      (slip > 0.98 ? 3 : slip * 0.1);
    const count = read(time);
    if (time < start + interval) continue;
    reports.push({
      said: sampler.report(time, null),
      rate: (count - before) * 1000 / (time - start),
      from: start,
      to: time,
    });
    [start, before] = [time, count];
  }
  return reports;
}

/**
 * Even numbers from 0 to 1. Not from fast-check, which likes a list of zeros: a clock that never is
 * late meets a ring that is as exact as itself only in a simulation.
 */
function even(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

const seed = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const late = fc.noBias(seed).map((seed) => Array.from({ length: 97 }, even(seed)));
const between = (least: number, most: number) =>
  fc.noBias(seed).map((seed) => least + (most - least) * even(seed)());
const interval = fc.constantFrom(100, 250, 1000);
const config = fc.constantFrom(...CONFIGS);
const RUNS = { numRuns: 2000, seed: 7 };

Deno.test("a steady ring of any rate is counted exactly, or there is a gap", () => {
  let [exact, gaps] = [0, 0];
  // From one entry in ten seconds to far more than any ring can do, evenly over the powers of ten.
  const power = between(-4, 7);
  fc.assert(
    fc.property(config, power, interval, late, (config, power, interval, late) => {
      const used = (time: number) => time * 10 ** power;
      for (const { said, rate } of simulate({ config, used, interval, late })) {
        if (said.gap) gaps++;
        else exact++;
        if (!said.gap) assert(Math.abs((said.usedRate as number) - rate) <= rate * 1e-9 + 1e-9);
        else if (said.usedRate !== null) {
          assert(Math.abs(said.usedRate - rate) < rate * 0.1 + 4000 / interval);
        }
      }
    }),
    RUNS,
  );
  assert(exact > 2000 && gaps > 2000, `${exact} exact, ${gaps} gaps`);
});

Deno.test("a ring far below what can be counted has no gap after its first report", () => {
  fc.assert(
    fc.property(config, interval, late, between(0, 1), (...given) => {
      const [config, interval, late, part] = given;
      // M/200 in a millisecond, where a reading may be 3 ms late.
      const perMillisecond = positionModulus(config) / 200 * part;
      const used = (time: number) => time * perMillisecond;
      const reports = simulate({ config, used, interval, late });
      assertEquals(reports.slice(1).filter(({ said }) => said.gap), []);
    }),
    RUNS,
  );
});

// A report in which a slow ring becomes fast can be wrong: `sampler.ts` says why. Those behind it not.
Deno.test("a ring that went slower before, or faster, is counted as right as one that did not", () => {
  const powers = fc.array(between(-3, 6), { minLength: 2, maxLength: 4 });
  fc.assert(
    fc.property(config, powers, late, (config, powers, late) => {
      // Each rate holds for three reports of 1,000 ms.
      const used = (time: number) => {
        let count = 0;
        for (let from = 0, n = 0; from < time; from += 3000, n++) {
          count += Math.min(3000, time - from) * 10 ** powers[n % powers.length];
        }
        return count;
      };
      for (const { said, rate, from, to } of simulate({ config, used, interval: 1000, late })) {
        if (Math.floor(from / 3000) !== Math.floor(to / 3000) || said.gap) continue;
        assert(Math.abs((said.usedRate as number) - rate) <= rate * 1e-9 + 1e-9);
      }
    }),
    RUNS,
  );
});
