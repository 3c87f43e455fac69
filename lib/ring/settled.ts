/**
 * A reading that proves something: where what moves was caught in the middle, another look.
 *
 * @module
 */
import type { Ring, RingSnapshot, SnapshotOptions } from "./snapshot.ts";

/** Looks at most; a ring that moves at each of them is reported as it was seen last, raced. */
const LOOKS = 64;

/**
 * Reads a ring. A buffer that is used while its descriptors are read, and its table freed, looks as if
 * the guest had broken the standard: a raced reading with findings is made again, and is given only
 * where the ring is never still for as long as a look takes.
 */
export function settledSnapshot(ring: Ring, options: SnapshotOptions = {}): RingSnapshot {
  let snapshot = ring.snapshot(options);
  for (let looks = 1; looks < LOOKS; looks++) {
    if (!snapshot.raced || snapshot.findings.length === 0) return snapshot;
    snapshot = ring.snapshot(options);
  }
  return snapshot;
}
