/**
 * A ring that rests, and is not observed while it stands, says what one says that was observed each
 * time: the same rates, ages and doubts, whenever it moves again.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { RingConfig } from "../../lib/ring/config.ts";
import { positionModulus } from "../../lib/ring/positions.ts";
import type { IndexWords, Ring, RingPositions } from "../../lib/ring/snapshot.ts";
import { RingBoard } from "../../lib/watch/board.ts";
import type { RingRates } from "../../lib/watch/ring_rates.ts";
import { RingSampler } from "../../lib/watch/sampler.ts";

/** Of a packed ring positions come round soon: it is often in doubt whether one has. */
const CONFIG: RingConfig = {
  format: "packed",
  size: 64,
  descriptor: 0n,
  driver: 0n,
  device: 0n,
  addressSpace: "guest",
  features: 0n,
};

/** Where a simulated ring stands: the words of its two indices, as guest memory has them. */
interface Stand {
  readonly words: Uint16Array;
  /** Whether the board may look at the words. */
  readonly inPlace: boolean;
}

const [AVAILABLE, USED] = [0, 1];
const MODULUS = positionModulus(CONFIG);

function ringOf({ words, inPlace }: Stand): Ring {
  const positions = (into: RingPositions) => {
    into.available = words[AVAILABLE];
    into.used = words[USED];
    into.inFlight = (into.available - into.used + MODULUS) % MODULUS;
    into.exact = true;
    return true;
  };
  const indexWords = (into: IndexWords) => {
    if (inPlace) Object.assign(into, { words, available: AVAILABLE, used: USED });
    return inPlace;
  };
  return { config: CONFIG, findings: [], positions, indexWords } as unknown as Ring;
}

/** What a ring does before a round: how many buffers are made available, and used. */
type Move = readonly [available: number, used: number];

/** One round; behind some there is a report. */
interface Round {
  readonly after: number;
  readonly move: Move | null;
  readonly report: boolean;
  /** Before the report the ring is woken, as for a whole reading. */
  readonly wake: boolean;
}

/** Both kinds of reports on one ring. */
function* reports(rounds: readonly Round[], inPlace: boolean) {
  const stand = { words: new Uint16Array(2), inPlace };
  const ring = ringOf(stand);
  const board = new RingBoard([{ ring, sampler: new RingSampler(CONFIG) }]);
  const [{ sampler }] = board.rings;
  const observed = new RingSampler(CONFIG);
  const at: RingPositions = { available: 0, used: 0, inFlight: 0, exact: true };
  let [now, rested] = [0, 0];
  for (const { after, move, report, wake } of rounds) {
    now += after;
    if (move !== null) step(stand.words, move);
    ring.positions(at);
    observed.observe(at, now);
    if (!report) {
      board.round(now);
      continue;
    }
    board.wakeMoved();
    if (wake) board.wake(0);
    board.observe(board.awake, now);
    const awake = board.awake.length > 0 ? sampler.report(now, null) : null;
    board.settle(now);
    rested += awake === null ? 1 : 0;
    // Also one that rests since this report says what the log says.
    const said = sampler.resting === null ? awake : restingRates(sampler);
    yield { said: said ?? {}, wanted: observed.report(now, null), rested };
  }
}

function step(words: Uint16Array, [available, used]: Move): void {
  words[AVAILABLE] = (words[AVAILABLE] + available) % MODULUS;
  words[USED] = (words[USED] + used) % MODULUS;
}

function restingRates(sampler: RingSampler): Partial<RingRates> {
  const said = sampler.resting;
  if (said === null) throw new Error("neither awake nor resting");
  return {
    elapsed: said.elapsed,
    samples: said.samples,
    usedAverage: sampler.usedAverage,
    waiting: sampler.waiting(said.time),
    oldest: sampler.oldest(said.time),
    availableRate: 0,
    usedRate: 0,
    gap: false,
  };
}

const move = fc.tuple(fc.nat(100), fc.nat(100));
const round: fc.Arbitrary<Round> = fc.record({
  // Whole milliseconds: sums are then exact in any order.
  after: fc.integer({ min: 1, max: 40 }),
  move: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: move }),
  report: fc.nat(2).map((n) => n === 0),
  wake: fc.nat(5).map((n) => n === 0),
});
const rounds = fc.array(round, { minLength: 20, maxLength: 200 });

Deno.test("a ring that rested says what one says that was observed", () => {
  let most = 0;
  fc.assert(
    fc.property(rounds, fc.boolean(), (rounds, inPlace) => {
      for (const { said, wanted, rested } of reports(rounds, inPlace)) {
        most = Math.max(most, rested);
        for (const name of Object.keys(said) as (keyof RingRates)[]) {
          const [one, other] = [said[name], wanted[name]];
          if (typeof one === "number" && typeof other === "number") {
            assertAlmostEquals(one, other, 1e-9, name);
          } else assertEquals(one, other, name);
        }
      }
    }),
    { numRuns: 1000, seed: 11 },
  );
  assert(most > 5, "no ring ever rested");
});

Deno.test("a ring that moved is awake at once, one that stood for a report rests", () => {
  const stand = { words: Uint16Array.of(5, 3), inPlace: true };
  const board = new RingBoard([{ ring: ringOf(stand), sampler: new RingSampler(CONFIG) }]);
  const [{ sampler }] = board.rings;
  const settleAt = (now: number) => {
    board.observe(board.awake, now);
    sampler.report(now, null);
    return board.settle(now);
  };
  board.round(0);
  board.round(10);
  board.round(15);
  assertEquals(settleAt(20), [0]);
  assertEquals(board.awake, []);
  stand.words[USED]++;
  board.round(30);
  assertEquals(board.awake, [0]);
  assertEquals(sampler.used, 4);
});
