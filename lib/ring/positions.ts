/**
 * Positions as plain numbers that come round: an index of a split ring modulo 65536; of a packed ring
 * the slot, with the size added in laps whose wrap counter is 0 (virtio 1.4, 2.8.1).
 *
 * @module
 */
import type { RingConfig } from "./config.ts";
import type {
  IndicesToFill,
  RingIndices,
  RingPositions,
  RingSide,
  SideToFill,
} from "./snapshot.ts";

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

/** To be filled. */
export function newIndices(): IndicesToFill {
  const side = (): RingSide => ({ index: 0, flags: 0, event: null, wrap: null, eventWrap: null });
  return { available: side(), used: side(), inFlight: 0, exact: true, raced: false, time: 0 };
}

/** Makes `into` say what `from` says. */
export function copyIndices(into: IndicesToFill, from: RingIndices): void {
  copySide(into.available, from.available);
  copySide(into.used, from.used);
  into.inFlight = from.inFlight;
  into.exact = from.exact;
  into.raced = from.raced;
  into.time = from.time;
}

/** What `indices` says now, for whoever keeps it. */
export function copyOfIndices(indices: RingIndices | null): RingIndices | null {
  if (indices === null) return null;
  const copy = newIndices();
  copyIndices(copy, indices);
  return copy;
}

function copySide(into: SideToFill, from: RingSide): void {
  into.index = from.index;
  into.flags = from.flags;
  into.event = from.event;
  into.wrap = from.wrap;
  into.eventWrap = from.eventWrap;
}
