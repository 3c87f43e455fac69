/**
 * The driver's side of a queue: makes buffers available and takes them back when they were used.
 * For fake guests: the demo's, and those of tests.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import { GuestMemoryError } from "../errors.ts";
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "./config.ts";
import { PackedDriver } from "./packed_driver.ts";
import { queueAreas, type Segment } from "./queue_areas.ts";
import { SplitDriver } from "./split_driver.ts";

export type { Segment } from "./queue_areas.ts";

/** A buffer that came back. */
export interface UsedBuffer<T> {
  /** What was given to `add`. */
  readonly token: T;
  /** Bytes the device says it wrote; null where an in-order batch does not tell (2.7.9). */
  readonly written: number | null;
}

/** How a buffer is added. */
export interface AddOptions {
  /** Puts the segments into an indirect table; needs `tables` and VIRTIO_F_INDIRECT_DESC. */
  readonly indirect?: boolean;
}

/** The driver's side of a queue, split or packed. `T` is what the caller knows a buffer by. */
export interface DriverQueue<T> {
  /** What it was opened with. */
  readonly config: RingConfig;
  /** Descriptors that are free. */
  readonly free: number;
  /** Buffers added and not yet reaped. */
  readonly inFlight: number;
  /** What the device did that the standard forbids; then nothing is reaped any more. */
  readonly broken: Finding | null;
  /**
   * Adds a buffer, readable segments first; invisible until `publish`. False where descriptors are
   * short. Throws RangeError for segments that no ring takes.
   */
  add(segments: readonly Segment[], token: T, options?: AddOptions): boolean;
  /** Makes what was added available. True where the device wants a kick for it. */
  publish(): boolean;
  /** The next buffer that the device used, or null. */
  reap(): UsedBuffer<T> | null;
  /** Asks for a call at the next used buffer. True where one is there already: reap, ask again. */
  enableCalls(): boolean;
  /** Asks for no calls: a hint, calls may still come. */
  disableCalls(): void;
}

/** What a driver may need beside the ring. */
export interface DriverOptions {
  /** Where indirect tables go: room for one table per descriptor. */
  readonly tables?: TableArea;
}

/** Guest memory for indirect tables: `size` tables of `entries` descriptors, 16 bytes each. */
export interface TableArea {
  /** Guest address of the first table; a multiple of 16. */
  readonly address: bigint;
  /** Descriptors of one table: the longest buffer that can be indirect. */
  readonly entries: number;
}

/**
 * Opens the driver's side and initialises the ring's memory: 2.7.13 and 2.8.21. A split ring may
 * start at another index than 0 (`config.start`); a packed one always starts at slot 0.
 *
 * Throws RangeError where the configuration is none, GuestMemoryError where the ring or the tables
 * are not all in memory.
 */
export function openDriverQueue<T>(
  memory: WritableGuestMemory,
  config: RingConfig,
  options: DriverOptions = {},
): DriverQueue<T> {
  const areas = queueAreas(memory, config);
  const tables = options.tables ?? null;
  if (tables !== null) checkTables(memory, config.size, tables);
  return config.format === "split"
    ? new SplitDriver<T>(memory, config, areas, tables)
    : new PackedDriver<T>(memory, config, areas, tables);
}

function checkTables(memory: WritableGuestMemory, size: number, tables: TableArea): void {
  const length = BigInt(size * tables.entries * 16);
  const status = memory.status(tables.address, length);
  if (status === "ok") return;
  throw new GuestMemoryError("map", memory.name, tables.address, length, status);
}
