/**
 * Positions as plain numbers that come round: an index of a split ring modulo 65536; of a packed ring
 * the slot, with the size added in laps whose wrap counter is 0 (virtio 1.4, 2.8.1).
 *
 * @module
 */
import type { RingConfig } from "./config.ts";
import type { RingIndices, RingPositions } from "./snapshot.ts";

/** Positions of a ring before they come round: 65536 for a split ring, twice the size for a packed one. */
export function positionModulus({ format, size }: RingConfig): number {
  return format === "split" ? 1 << 16 : size * 2;
}

/** Fills `into` from indices. */
export function fillPositions(
  into: RingPositions,
  { available, used, inFlight, exact }: RingIndices,
  size: number,
): void {
  into.available = available.wrap === false ? available.index + size : available.index;
  into.used = used.wrap === false ? used.index + size : used.index;
  into.inFlight = inFlight;
  into.exact = exact;
}
