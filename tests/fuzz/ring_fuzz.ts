/**
 * Reads one ring in every way there is, and holds what comes out against the oracle and, where the
 * ring was not damaged, against what was written into it.
 *
 * @module
 */
import type { RingConfig } from "../../lib/ring/config.ts";
import { PackedRing } from "../../lib/ring/packed_ring.ts";
import { PackedWalk } from "../../lib/ring/packed_walk.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { diagnose, VERDICTS } from "../../lib/ring/stall.ts";
import type { Ring, RingIndices, RingSnapshot, SnapshotOptions } from "../../lib/ring/snapshot.ts";
import { SplitRing } from "../../lib/ring/split_ring.ts";
import { SplitWalk } from "../../lib/ring/split_walk.ts";
import { readRing } from "../support/oracle/oracle.ts";
import { compareIndices, compareSnapshot, Disagreement } from "./compare.ts";
import type { Posted, Truth } from "./model.ts";
import { type RingCase, ringCase } from "./ring_case.ts";
import type { RingFixture } from "./ring_fixture.ts";
import type { World } from "./world.ts";

/** Milliseconds that one ring may take the walker: a hundred times what the largest takes. */
const PATIENCE = 5000;

/** Throws where the walker throws, dawdles, or disagrees. */
export function fuzzRing(seed: number): void {
  const one = ringCase(seed);
  const reused = walkBefore(one);
  one.damage();
  const { world, config, truth, random } = one;
  const options = optionsFor(random.below(8));
  const snapshot = compareRing(world, config, options, reused ?? undefined);
  if (truth !== null) checkTruth(snapshot, config, truth, options);
}

/** The ring of a seed as a fixture. */
export function fixtureOf(seed: number, note: string): RingFixture {
  const one = ringCase(seed);
  walkBefore(one);
  one.damage();
  const { world, config, random } = one;
  return { note, world, config, options: optionsFor(random.below(8)) };
}

/** Reads a ring, with `read` where that gives something, and holds it against the oracle. */
export function compareRing(
  { memory, oracle }: World,
  config: RingConfig,
  options: SnapshotOptions,
  read: (ring: Ring, options: SnapshotOptions) => RingSnapshot | null = () => null,
): RingSnapshot {
  const started = performance.now();
  const ring = openRing(memory, config);
  const snapshot = readAll(read(ring, options) ?? ring.snapshot(options));
  const indices = ring.indices();
  if (performance.now() - started > PATIENCE) throw new Disagreement("the walker took too long");
  const expected = readRing(oracle, config, options);
  if (indices !== null) checkDiagnosis(ring, indices, snapshot);
  compareIndices(indices, expected.glance);
  compareSnapshot(snapshot, expected);
  return snapshot;
}

/** Whatever a ring says, it can be said whose turn it is. */
function checkDiagnosis(ring: Ring, indices: RingIndices, snapshot: RingSnapshot): void {
  const quiet = { status: null, posted: false, halted: null, note: "", findings: [] };
  const { config } = ring;
  const fault = () => null;
  const armedAtZero = () => ring.isArmedAtZero();
  const reading = { kick: { pending: 0n }, call: null };
  const readings = [{ ...reading, indices: snapshot }, { ...reading, indices }];
  const { verdict, evidence } = diagnose({ ...quiet, config, readings, armedAtZero, fault });
  if (
    !VERDICTS.includes(verdict) || evidence.length === 0 || /undefined|NaN/.test(evidence.join())
  ) {
    throw new Disagreement(`diagnosis ${verdict}: ${evidence.join("; ")}`);
  }
}

/**
 * A walk over the ring as it was before the damage: what it leaves in its columns must not show in
 * the next. null where the configuration itself will be another.
 */
function walkBefore(
  { world: { memory }, sound, random }: RingCase,
): ((ring: Ring, options: SnapshotOptions) => RingSnapshot | null) | null {
  if (random.oneIn(2)) return null;
  const before = openRing(memory, sound);
  const same = (config: RingConfig) =>
    config.size === sound.size && config.features === sound.features &&
    config.format === sound.format;
  if (before instanceof SplitRing) {
    const walk = new SplitWalk(memory, sound);
    before.snapshotInto(walk);
    return (ring, options) =>
      ring instanceof SplitRing && same(ring.config) ? ring.snapshotInto(walk, options) : null;
  }
  if (!(before instanceof PackedRing)) return null;
  const walk = new PackedWalk(memory, sound);
  before.snapshotInto(walk);
  return (ring, options) =>
    ring instanceof PackedRing && same(ring.config) ? ring.snapshotInto(walk, options) : null;
}

function optionsFor(number: number): SnapshotOptions {
  if (number === 0) return { chains: "none" };
  if (number === 1) return { chains: "recent" };
  return number === 2 ? { chains: "recent", recentCount: 3 } : {};
}

/** Takes everything a caller can. */
function readAll(snapshot: RingSnapshot): RingSnapshot {
  for (let n = 0; n < snapshot.chainCount; n++) snapshot.chain(n);
  return snapshot;
}

/** What is true of a ring that both sides have kept in order. */
function checkTruth(
  snapshot: RingSnapshot,
  config: RingConfig,
  truth: Truth,
  options: SnapshotOptions,
): void {
  const fail = (what: string, got: unknown, want: unknown) => {
    throw new Disagreement(`truth: ${what} is ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);
  };
  if (snapshot.findings.length > 0) fail("findings", snapshot.findings, []);
  const { available, used, exact } = snapshot;
  if (available.index !== truth.available.index) fail("available", available, truth.available);
  if (config.format === "packed" && available.wrap !== truth.available.wrap) {
    fail("wrap", available.wrap, truth.available.wrap);
  }
  const told = config.start === undefined || config.used !== undefined;
  if (exact && told && truth.ordered && used.index !== truth.used.index) {
    fail("used", used, truth.used);
  }
  if (config.start !== undefined) return checkChains(snapshot, config, truth, options);
  if (exact && used.index !== truth.used.index) fail("used", used, truth.used);
  if (exact && truth.ordered) checkChains(snapshot, config, truth, options);
}

/** From a known position on, the chains are the buffers that were posted. */
function checkChains(
  snapshot: RingSnapshot,
  config: RingConfig,
  truth: Truth,
  options: SnapshotOptions,
): void {
  if (options.chains === "none") return;
  const { start } = config;
  const isEnd = start !== undefined &&
    truth.outstanding.some(({ end }) => end.index % 65536 === start.index);
  const skipped = start === undefined || !isEnd
    ? 0
    : 1 + truth.outstanding.findIndex(({ end }) =>
      end.index % 65536 === start.index && (config.format === "split" || end.wrap === start.wrap)
    );
  const expected = truth.outstanding.slice(skipped);
  const recent = snapshot.chainCount - expected.length;
  if (recent < 0 || (recent > 0 && options.chains !== "recent")) {
    throw new Disagreement(`truth: ${snapshot.chainCount} chains, not ${expected.length}`);
  }
  expected.forEach((posted, n) => checkPosted(snapshot, recent + n, posted));
}

function checkPosted(snapshot: RingSnapshot, n: number, { id, segments }: Posted): void {
  const chain = snapshot.chain(n);
  const got = chain.descriptors.map(({ address, length, writable }) =>
    `${address}+${length}${writable}`
  );
  const want = segments.map(({ address, length, writable }) => `${address}+${length}${writable}`);
  if (chain.id !== id || got.join() !== want.join()) {
    throw new Disagreement(`truth: chain ${n} of id ${chain.id} is ${got}, not ${id}: ${want}`);
  }
}
