/**
 * The device's side of a queue: takes buffers that the driver made available and gives them back.
 * For back-ends and the demo. The driver is hostile: every loop is bounded, values are copied before
 * they are checked, and what is wrong is a finding.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig, RingPosition } from "./config.ts";
import { PackedDevice } from "./packed_device.ts";
import { queueAreas, type Segment } from "./queue_areas.ts";
import { SplitDevice } from "./split_device.ts";

export type { Segment } from "./queue_areas.ts";

/** A buffer that the device holds. */
export interface TakenBuffer {
  /** Split: head. Packed: buffer id. */
  readonly id: number;
  /** Descriptors of the ring that it takes: 1 where it is indirect. */
  readonly count: number;
  /** What the driver gave, readable first; up to the fault where there is one. */
  readonly segments: readonly Segment[];
  /** Bytes of the readable segments. */
  readonly readable: number;
  /** Bytes of the writable segments. */
  readonly writable: number;
  /** What is wrong with it. Such a buffer can only be given back, with nothing written. */
  readonly findings: readonly Finding[];
}

/** Where a device stands: the next buffer to take, and the next to use. */
export interface DevicePosition {
  /** Where the next buffer is taken. */
  readonly available: RingPosition;
  /** Where the next used buffer is written. */
  readonly used: RingPosition;
}

/** The device's side of a queue, split or packed. */
export interface DeviceQueue {
  /** What it was opened with. */
  readonly config: RingConfig;
  /** Buffers taken and not yet given back. */
  readonly inFlight: number;
  /**
   * Next position to take and next position to use: what a back-end hands on when it stops, and what
   * the memory of a packed ring does not tell.
   */
  readonly position: DevicePosition;
  /**
   * What the driver did that makes going on impossible: a jump of the index, a head out of range,
   * a list without end. Then nothing is taken any more; a device would set DEVICE_NEEDS_RESET.
   */
  readonly broken: Finding | null;
  /** The next available buffer, or null. */
  take(): TakenBuffer | null;
  /**
   * Gives a buffer back; invisible until `publish`. With IN_ORDER it waits for the ones taken before.
   * `written` is the bytes written to its writable part. Throws RangeError for a buffer that is not
   * held, or for more bytes than it has.
   */
  giveBack(buffer: TakenBuffer, written: number): void;
  /** Makes what was given back used. True where the driver wants a call for it. */
  publish(): boolean;
  /** Asks for a kick at the next available buffer. True where one is there already: take, ask again. */
  enableKicks(): boolean;
  /** Asks for no kicks: a hint, kicks may still come. */
  disableKicks(): void;
}

/**
 * Opens the device's side. It starts at `config.start` and `config.used`, by default where a fresh
 * ring starts. Nothing is written before the first call.
 *
 * Throws RangeError where the configuration is none, GuestMemoryError where the ring is not all in
 * memory.
 */
export function openDeviceQueue(memory: WritableGuestMemory, config: RingConfig): DeviceQueue {
  const areas = queueAreas(memory, config);
  return config.format === "split"
    ? new SplitDevice(memory, config, areas)
    : new PackedDevice(memory, config, areas);
}

/**
 * Copies from the readable part of a buffer, as one stream (2.7.4.1), into `target`. Returns how
 * many bytes there were; fewer where the part or memory ends.
 */
export function readFrom(
  memory: GuestMemory,
  buffer: TakenBuffer,
  offset: number,
  target: Uint8Array,
): number {
  return eachPart(buffer.segments, false, offset, target, (address, part) => {
    return memory.copy(address, part) === null;
  });
}

/** Copies `source` into the writable part of a buffer, as one stream. Returns the bytes that fit. */
export function writeTo(
  memory: WritableGuestMemory,
  buffer: TakenBuffer,
  offset: number,
  source: Uint8Array,
): number {
  return eachPart(buffer.segments, true, offset, source, (address, part) => {
    memory.write(address, part);
    return true;
  });
}

function eachPart(
  segments: readonly Segment[],
  writable: boolean,
  offset: number,
  bytes: Uint8Array,
  move: (address: bigint, part: Uint8Array) => boolean,
): number {
  let skip = offset;
  let done = 0;
  for (const segment of segments) {
    if (segment.writable !== writable) continue;
    const from = Math.min(skip, segment.length);
    skip -= from;
    const part = bytes.subarray(done, done + segment.length - from);
    if (part.length > 0 && !move(segment.address + BigInt(from), part)) return done;
    done += part.length;
  }
  return done;
}
