/**
 * What the driver's sides of split and packed queues share: checks of what is added, indirect
 * tables, and the findings about a device that uses what it was not given.
 *
 * @module
 */
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { TableArea } from "./driver_queue.ts";
import { putSegment, type QueueAreas, type Segment } from "./queue_areas.ts";
import { DESC_F, DESCRIPTOR_LENGTH } from "./spec.ts";

/** Throws RangeError for segments that may not be added: 2.7.4.2, 2.7.5.2, 2.7.5.3.1, 2.8.5. */
export function checkSegments(
  segments: readonly Segment[],
  areas: QueueAreas,
  tables: TableArea | null,
  indirect: boolean,
): void {
  const refuse = (why: string) => {
    throw new RangeError(`buffer of ${segments.length} segments: ${why}`);
  };
  const most = indirect ? Math.min(tables?.entries ?? 0, areas.size) : areas.size;
  if (segments.length === 0) refuse("it needs one at least");
  if (indirect && (tables === null || !areas.indirect)) refuse("no indirect tables here");
  if (segments.length > most) refuse(`at most ${most} fit`);
  let writable = false;
  for (const segment of segments) {
    if (!(segment.length > 0 && segment.length < 2 ** 32)) refuse(`length ${segment.length}`);
    if (writable && !segment.writable) refuse("readable after writable");
    writable = segment.writable;
  }
}

/**
 * Writes the segments as table number `index` and gives the segment that refers to it. Split tables
 * are linked, in packed ones order is all (2.7.5.3, 2.8.7).
 */
export function writeTable(
  memory: WritableGuestMemory,
  tables: TableArea,
  index: number,
  segments: readonly Segment[],
  linked: boolean,
): Segment {
  const words = new Uint32Array(segments.length * 4);
  segments.forEach((segment, entry) => {
    const flags = segment.writable ? DESC_F.WRITE : 0;
    const more = linked && entry + 1 < segments.length;
    putSegment(words.subarray(entry * 4), segment);
    words[entry * 4 + 3] = linked
      ? more ? flags | DESC_F.NEXT | (entry + 1) << 16 : flags
      : flags << 16;
  });
  const address = tables.address + BigInt(index * tables.entries * DESCRIPTOR_LENGTH);
  memory.write(address, new Uint8Array(words.buffer));
  return { address, length: words.byteLength, writable: false };
}

/** Keys of what is held, oldest first, up to and with `last`: maps keep the order of insertion. */
export function oldestUpTo(held: ReadonlyMap<number, unknown>, last: number): number[] {
  const keys: number[] = [];
  for (const key of held.keys()) {
    keys.push(key);
    if (key === last) break;
  }
  return keys;
}
