/**
 * The snapshot of a ring that can not be read.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { RingConfig } from "./config.ts";
import { finding } from "./sections.ts";
import type { RingSide, RingSnapshot } from "./snapshot.ts";

const NOTHING: RingSide = { index: 0, flags: 0, event: null, wrap: null, eventWrap: null };

/** Whether a snapshot is of a ring that could not be read: its positions say nothing. */
export function isUnreadable({ available }: RingSnapshot): boolean {
  return available === NOTHING;
}

/** No chains, and findings that say why; `errno` where the host refused to read. */
export function unreadable(
  config: RingConfig,
  findings: readonly Finding[],
  time: number,
  errno: string | null = null,
): RingSnapshot {
  const text = `the ring's memory can not be read${errno === null ? "" : ` (${errno})`}`;
  const why =
    findings.some((one) => one.code === "size-invalid" || one.code === "ring-outside-memory")
      ? findings
      : [...findings, finding(config.format, "ring-outside-memory", "ring", text)];
  return {
    config,
    time,
    available: NOTHING,
    used: NOTHING,
    inFlight: 0,
    exact: false,
    raced: false,
    suppression: { kickWanted: false, callWanted: false, by: "flags" },
    chainCount: 0,
    totals: { descriptors: 0, readable: 0, writable: 0 },
    findings: why,
    chain(n: number): never {
      throw new RangeError(`chain ${n} of 0`);
    },
  };
}
