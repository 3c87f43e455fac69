/**
 * A driver and a device over the same buffer, for tests of queues.
 *
 * @module
 */
import { guestAddress, userAddress } from "../../lib/address.ts";
import { type Backing, BufferBacking, type WritableBacking } from "../../lib/memory/backing.ts";
import { WritableGuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { FEATURE, type RingConfig, type RingFormat } from "../../lib/ring/config.ts";
import { type DeviceQueue, openDeviceQueue } from "../../lib/ring/device_queue.ts";
import { type DriverQueue, openDriverQueue } from "../../lib/ring/driver_queue.ts";

/** Addresses of the parts. Two regions: rings and tables in the first, buffers in both. */
export const PLACE = {
  descriptor: 0x10000n,
  driver: 0x100000n,
  device: 0x120000n,
  tables: 0x200000n,
  low: 0x400000n,
  high: 0x1_0000_0000n,
} as const;

/** User address of guest address 0. */
export const USER_BASE = 0x7f00_0000_0000n;

const HALF = 8 << 20;

/** How a pair is made. */
export interface PairOptions {
  readonly format: RingFormat;
  readonly size: number;
  readonly eventIndex?: boolean;
  readonly inOrder?: boolean;
  readonly addressSpace?: "guest" | "user";
  readonly start?: RingConfig["start"];
  /** Keeps ring accesses from being done in place. */
  readonly copied?: boolean;
}

/** Both sides and the memory between them. */
export interface Pair<T> {
  readonly memory: WritableGuestMemory;
  readonly config: RingConfig;
  readonly driver: DriverQueue<T>;
  readonly device: DeviceQueue;
}

/** Memory of 16 MiB in two regions. */
export function queueMemory(copied = false): WritableGuestMemory {
  const whole: WritableBacking = new BufferBacking(new ArrayBuffer(2 * HALF));
  const backing: Backing = copied ? notLive(whole) : whole;
  const region = (guest: bigint, offset: number, name: string) => ({
    guest: guestAddress(guest),
    length: BigInt(HALF),
    backing,
    offset,
    access: "rw" as const,
    name,
    user: userAddress(USER_BASE + BigInt(offset)),
  });
  const regions = [region(0n, 0, "low"), region(PLACE.high, HALF, "high")];
  return new WritableGuestMemory(new RegionTable(regions));
}

/** Features as a real pair would negotiate them. */
export function featuresOf(options: PairOptions): bigint {
  return FEATURE.VERSION_1 | FEATURE.INDIRECT_DESC |
    (options.format === "packed" ? FEATURE.RING_PACKED : 0n) |
    (options.eventIndex ? FEATURE.EVENT_IDX : 0n) |
    (options.inOrder ? FEATURE.IN_ORDER : 0n);
}

/** Opens both sides of a fresh queue. */
export function queuePair<T>(options: PairOptions): Pair<T> {
  const memory = queueMemory(options.copied);
  const space = options.addressSpace ?? "guest";
  const base = space === "user" ? USER_BASE : 0n;
  const config: RingConfig = {
    format: options.format,
    size: options.size,
    descriptor: base + PLACE.descriptor,
    driver: base + PLACE.driver,
    device: base + PLACE.device,
    addressSpace: space,
    features: featuresOf(options),
    ...(options.start === undefined ? {} : { start: options.start }),
  };
  const driver = openDriverQueue<T>(memory, config, {
    tables: { address: PLACE.tables, entries: 8 },
  });
  return { memory, config, driver, device: openDeviceQueue(memory, config) };
}

/** The same bytes, of which nothing can be had in place. */
function notLive(backing: WritableBacking): WritableBacking {
  return {
    length: backing.length,
    label: backing.label,
    pageSize: backing.pageSize,
    copy: (offset, target) => backing.copy(offset, target),
    store: (offset, source) => backing.store(offset, source),
    nextData: (offset) => backing.nextData(offset),
    live: () => null,
    liveWritable: () => null,
  };
}

/** A small seeded generator of integers in [0, limit): xorshift32. */
export function random(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
