/**
 * A ring with all of its memory as JSON: what a failing seed becomes, since a seed means another
 * ring as soon as the generator changes.
 *
 * @module
 */
import { brotliCompressSync, brotliDecompressSync } from "node:zlib";
import type { RingConfig } from "../../lib/ring/config.ts";
import type { SnapshotOptions } from "../../lib/ring/snapshot.ts";
import { openWorld, type World } from "./world.ts";
import type { WorldPlan } from "./world_plan.ts";

/** A ring that was read wrong once. */
export interface RingFixture {
  /** What was wrong. */
  readonly note: string;
  readonly world: World;
  readonly config: RingConfig;
  readonly options: SnapshotOptions;
}

/** As text, a few hundred bytes mostly. */
export function fixtureText({ note, world, config, options }: RingFixture): string {
  const bytes = world.bytes.map((one) => brotliCompressSync(one.slice()).toString("base64"));
  return JSON.stringify({ note, config, options, plan: world.plan, bytes }, plain, 1) + "\n";
}

/** The ring of a text, in memory of its own. */
export function parseFixture(text: string): RingFixture {
  const { note, config, options, plan, bytes } = JSON.parse(text, revived) as {
    note: string;
    config: RingConfig;
    options: SnapshotOptions;
    plan: WorldPlan;
    bytes: string[];
  };
  const world = openWorld(plan);
  world.bytes.forEach((target, n) =>
    target.set(brotliDecompressSync(Uint8Array.fromBase64(bytes[n])))
  );
  return { note, config, options, world };
}

/** Numbers that JSON has not: bigint as `0x`, NaN by name. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return "0x" + value.toString(16);
  return typeof value === "number" && Number.isNaN(value) ? "NaN" : value;
}

function revived(key: string, value: unknown): unknown {
  if (value === "NaN" && key === "size") return NaN;
  return typeof value === "string" && /^0x[0-9a-f]+$/.test(value) ? BigInt(value) : value;
}
