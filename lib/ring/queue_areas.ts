/**
 * What both sides of a queue start from: its three areas, checked.
 *
 * @module
 */
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import { checkConfig } from "./check_config.ts";
import { FEATURE, type RingConfig } from "./config.ts";
import { shareArea, type SharedArea } from "./shared_area.ts";
import { areaShapes } from "./spec.ts";

/** A part of a buffer. Readable and writable are from the device's side. */
export interface Segment {
  /** Guest address of the first byte. */
  readonly address: bigint;
  /** Bytes; less than 2^32. */
  readonly length: number;
  /** The device may write it; else it may read it. */
  readonly writable: boolean;
}

/** A queue's areas and what was negotiated, for either side. */
export interface QueueAreas {
  readonly size: number;
  readonly descriptor: SharedArea;
  readonly driver: SharedArea;
  readonly device: SharedArea;
  readonly eventIndex: boolean;
  readonly indirect: boolean;
  readonly inOrder: boolean;
}

/**
 * Shares the areas of a ring. Throws RangeError where the configuration breaks virtio 1.4, 2.7 or
 * 2.8 (the walker's findings say how), GuestMemoryError where an area can not be written.
 */
export function queueAreas(memory: WritableGuestMemory, config: RingConfig): QueueAreas {
  const [fault] = checkConfig(memory.table, config).findings;
  if (fault !== undefined) {
    throw new RangeError(`${fault.place}: ${fault.text} (virtio 1.4, ${fault.section})`);
  }
  const shapes = areaShapes(config.format, config.size);
  const share = (which: "descriptor" | "driver" | "device") => {
    const { length } = shapes[which];
    return shareArea(memory, { space: config.addressSpace, address: config[which], length });
  };
  return {
    size: config.size,
    descriptor: share("descriptor"),
    driver: share("driver"),
    device: share("device"),
    eventIndex: has(config, FEATURE.EVENT_IDX),
    indirect: has(config, FEATURE.INDIRECT_DESC),
    inOrder: has(config, FEATURE.IN_ORDER),
  };
}

function has({ features }: RingConfig, feature: bigint): boolean {
  return (features & feature) !== 0n;
}

/** Words 0 to 2 of a descriptor: address and length; the same in both formats (2.7.5, 2.8.13). */
export function putSegment(words: Uint32Array, { address, length }: Segment): void {
  words[0] = Number(address & 0xffff_ffffn);
  words[1] = Number(address >> 32n);
  words[2] = length;
}

/** The address in words 0 and 1 of a descriptor. */
export function addressIn(words: Uint32Array, at = 0): bigint {
  return (BigInt(words[at + 1]) << 32n) | BigInt(words[at]);
}
