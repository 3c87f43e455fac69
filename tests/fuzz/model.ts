/**
 * What the models of drivers and devices share.
 *
 * @module
 */
import type { RingConfig, RingPosition } from "../../lib/ring/config.ts";
import { someBuffer } from "./place.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** A part of a buffer. */
export interface Segment {
  readonly address: bigint;
  readonly length: number;
  readonly writable: boolean;
}

/** What is to be done, and with what. */
export interface Workload {
  readonly random: Random;
  readonly world: World;
  /** The device uses buffers in the order they came. */
  readonly inOrder: boolean;
  /** Guest addresses of indirect tables, each of `TABLE` entries; taken in turn. */
  readonly tables: bigint[];
}

/** Entries that a table has room for. */
export const TABLE = 6;

/** A buffer that the device has. */
export interface Posted {
  /** Split: head. Packed: buffer id. */
  readonly id: number;
  /** Descriptors of the ring. */
  readonly slots: readonly number[];
  readonly segments: readonly Segment[];
  /** The driver's position after it was posted. */
  readonly end: RingPosition;
}

/** A buffer, and what its driver and its device keep of it. */
export interface Kept extends Posted {
  /** The how many-th it is. */
  readonly number: number;
  /** Guest address of its table. */
  readonly table: bigint | null;
}

/** The newest buffer that was used, and the driver's position after it was posted. */
export type Newest = Pick<Kept, "number" | "end">;

/** How a ring stands, known from having written it. */
export interface Truth {
  readonly available: RingPosition;
  readonly used: RingPosition;
  /** Oldest first. */
  readonly outstanding: readonly Posted[];
  /** The ring from used to available holds the outstanding buffers and nothing else. */
  readonly ordered: boolean;
  /** How far the device may have fetched: not less than what it has used. */
  readonly fetchable: readonly RingPosition[];
}

/** The next buffer to post: segments of the ring's own, then a table's; never more than fit. */
export function shape(
  work: Workload,
  config: RingConfig,
  free: number,
): {
  direct: Segment[];
  table: { address: bigint; segments: Segment[]; entries: number } | null;
} {
  const { random, tables } = work;
  const allowed = (config.features >> 28n & 1n) === 1n && tables.length > 0;
  const indirect = allowed && free > 0 && random.oneIn(2);
  const room = indirect ? free - 1 : free;
  // A packed list is direct or one table; a split chain may be both (2.8.7, 2.7.5.3.2).
  const mixed = config.format === "split" && random.oneIn(3);
  const count = indirect && !mixed ? 0 : Math.min(room, random.between(indirect ? 0 : 1, 4));
  const most = Math.min(TABLE, config.size);
  const entries = indirect ? random.between(1, most) : 0;
  const inTable = config.format === "split" ? random.between(1, Math.max(1, entries)) : entries;
  const segments = someSegments(work, count + (indirect ? inTable : 0));
  const table = indirect
    ? { address: tables.shift() as bigint, segments: segments.slice(count), entries }
    : null;
  return { direct: segments.slice(0, count), table };
}

/** How far a device may have fetched that has used nothing beyond `newest`. */
export function fetchable(newest: Newest, outstanding: readonly Kept[]): RingPosition[] {
  const unseen = outstanding.filter(({ number }) => number > newest.number).map(({ end }) => end);
  return [newest.end, ...unseen];
}

/** A table that its driver has freed: another's for a while, and then a table again. */
export function release({ random, world, tables }: Workload, table: bigint): void {
  for (let n = random.oneIn(2) ? TABLE : 0; n > 0; n--) {
    const at = table + 16n * BigInt(n - 1);
    world.write("guest", at, 8, random.odd64());
    world.write("guest", at + 8n, 8, random.bits64());
  }
  if (random.oneIn(2)) tables.push(table);
}

/** Readable ones, then writable ones: 2.7.4.2. */
function someSegments({ random, world }: Workload, count: number): Segment[] {
  const readable = random.between(0, count);
  return Array.from(
    { length: count },
    (_, n) => ({ ...someBuffer(random, world), writable: n >= readable }),
  );
}
