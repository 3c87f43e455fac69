/**
 * A second, naive reader of virtio rings to hold the walker against.
 *
 * @module
 */
import type { RingConfig } from "../../../lib/ring/config.ts";
import type { SnapshotOptions } from "../../../lib/ring/snapshot.ts";
import type { OracleMemory } from "./memory.ts";
import { readPacked } from "./packed.ts";
import type { OracleReport } from "./report.ts";
import { readSplit } from "./split.ts";

export type { OracleMemory, OracleRange } from "./memory.ts";
export type { OracleChain, OracleIndices, OracleReport } from "./report.ts";

/** What a ring holds, read the slow way. */
export function readRing(
  memory: OracleMemory,
  config: RingConfig,
  options: SnapshotOptions = {},
): OracleReport {
  return config.format === "split"
    ? readSplit(memory, config, options)
    : readPacked(memory, config, options);
}
