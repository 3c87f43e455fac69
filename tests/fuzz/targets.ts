/**
 * What is fuzzed: each target takes a seed and throws where something is wrong.
 *
 * @module
 */
import { fuzzDecoder } from "./decoder_fuzz.ts";
import { fuzzLayout } from "./layout_fuzz.ts";
import { fuzzRing } from "./ring_fuzz.ts";
import { fuzzScreen } from "./screen_fuzz.ts";
import { fuzzTerminal } from "./terminal_fuzz.ts";
import { fuzzWire } from "./wire_fuzz.ts";
import { fuzzXen } from "./xen_fuzz.ts";

/** A target's function by its name. */
export const TARGETS = {
  rings: fuzzRing,
  layouts: fuzzLayout,
  wire: fuzzWire,
  decoders: fuzzDecoder,
  xen: fuzzXen,
  terminal: fuzzTerminal,
  screen: fuzzScreen,
} as const;

/** Name of a target. */
export type TargetName = keyof typeof TARGETS;

/** Cases of each target for every million rings. */
export const SHARE: Record<TargetName, number> = {
  rings: 1,
  layouts: 0.25,
  wire: 0.5,
  decoders: 0.25,
  xen: 0.1,
  terminal: 0.1,
  screen: 0.01,
};

/** A stretch of seeds of one target. */
export interface Job {
  readonly target: TargetName;
  readonly from: number;
  readonly count: number;
}

/** A seed that something is wrong with. */
export interface Failure {
  readonly target: TargetName;
  readonly seed: number;
  readonly message: string;
}

/** Milliseconds that one case may take on a machine that is busy. */
const PATIENCE = 20_000;

/** Runs a stretch; at most ten failures are listed. */
export function runJob({ target, from, count }: Job): Failure[] {
  const failures: Failure[] = [];
  for (let seed = from; seed < from + count && failures.length < 10; seed++) {
    const message = runSeed(target, seed);
    if (message !== null) failures.push({ target, seed, message });
  }
  return failures;
}

/** Runs one seed: null, or what is wrong. */
export function runSeed(target: TargetName, seed: number): string | null {
  const started = performance.now();
  try {
    TARGETS[target](seed);
  } catch (error) {
    const known = error instanceof Error && error.name === "Disagreement";
    return known ? error.message : String((error as Error)?.stack ?? error);
  }
  const took = performance.now() - started;
  return took > PATIENCE ? `took ${Math.round(took / 1000)} seconds` : null;
}
