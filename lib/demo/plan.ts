/**
 * What the demo's guest looks like: memory, devices, rings.
 *
 * ```text
 * guest address   0        8 MiB          32 MiB        4 GiB          4 GiB + 32 MiB
 *                 ├─ rings ─┼─ even slots ─┤    hole     ├─ odd slots ───┤
 * memfd offset    0                       32 MiB                      64 MiB
 * ```
 *
 * @module
 */
import { hex } from "../address.ts";
import { FEATURE, type RingConfig, type RingFormat } from "../ring/config.ts";
import type { TableArea } from "../ring/driver_queue.ts";
import { areaShapes } from "../ring/spec.ts";

/** Bytes of the memfd. Sparse: only what rings and buffers use is there. */
export const MEMORY_LENGTH: number = 64 << 20;

const HALF = MEMORY_LENGTH / 2;
const HIGH = 1n << 32n;

/** The two regions, as a layout lists them. */
export const MEMORY: readonly { name: string; gpa: bigint; size: number; offset: number }[] = [
  { name: "ram.low", gpa: 0n, size: HALF, offset: 0 },
  { name: "ram.high", gpa: HIGH, size: HALF, offset: HALF },
];

/** Bytes of a slot: the memory of one request. */
export const SLOT_LENGTH = 0x2000;

/** Where rings begin, and bytes for the ring and tables of one queue. */
const [RINGS, RING_STRIDE] = [0x10_0000n, 0x4_0000n];
/** Where slots begin in each region, and bytes for the slots of one queue there. */
const [SLOTS, SLOT_STRIDE] = [0x80_0000n, 0x20_0000n];

/** What a queue carries. */
export type Role = "blk" | "rx" | "tx" | "ctrl";

/** One queue of the demo. */
export interface QueuePlan {
  /** Number among all queues of the demo. */
  readonly number: number;
  readonly device: string;
  readonly index: number;
  readonly role: Role;
  readonly config: RingConfig;
  readonly tables: TableArea;
}

/** One device of the demo. */
export interface DevicePlan {
  readonly name: string;
  readonly type: string;
  readonly features: bigint;
  readonly queues: readonly QueuePlan[];
}

/** Device features by number: virtio 1.4, 5.1.3 and 5.2.3. */
const NET = { MAC: 5n, STATUS: 16n, CTRL_VQ: 17n, CTRL_RX: 18n };
const BLK = { SEG_MAX: 2n, BLK_SIZE: 6n, FLUSH: 9n };

const BLK_FEATURES = bits(Object.values(BLK)) | FEATURE.VERSION_1 | FEATURE.INDIRECT_DESC;
const NET_FEATURES = bits([NET.MAC, NET.STATUS]) | FEATURE.VERSION_1 | FEATURE.INDIRECT_DESC;
const CTRL_FEATURES = bits([NET.CTRL_VQ, NET.CTRL_RX]);

interface Shape {
  readonly name: string;
  readonly type: string;
  readonly format: RingFormat;
  readonly features: bigint;
  readonly queues: readonly { role: Role; size: number }[];
}

/** Both formats with both ways to suppress notifications, and both kinds of device. */
const SHAPES: readonly Shape[] = [
  {
    name: "blk0",
    type: "blk",
    format: "split",
    features: BLK_FEATURES | FEATURE.EVENT_IDX,
    queues: [{ role: "blk", size: 128 }],
  },
  {
    name: "blk1",
    type: "blk",
    format: "packed",
    features: BLK_FEATURES | FEATURE.RING_PACKED,
    queues: [{ role: "blk", size: 64 }],
  },
  {
    name: "net0",
    type: "net",
    format: "packed",
    features: NET_FEATURES | CTRL_FEATURES | FEATURE.RING_PACKED | FEATURE.EVENT_IDX,
    queues: [{ role: "rx", size: 64 }, { role: "tx", size: 64 }, { role: "ctrl", size: 16 }],
  },
  {
    name: "net1",
    type: "net",
    format: "split",
    features: NET_FEATURES,
    queues: [{ role: "rx", size: 64 }, { role: "tx", size: 64 }],
  },
];

/** The devices. */
export const DEVICES: readonly DevicePlan[] = planDevices();

/** All queues, by number. */
export const QUEUES: readonly QueuePlan[] = DEVICES.flatMap((device) => device.queues);

function planDevices(): DevicePlan[] {
  let number = 0;
  return SHAPES.map((shape) => ({
    name: shape.name,
    type: shape.type,
    features: shape.features,
    queues: shape.queues.map(({ role, size }, index) =>
      planQueue(shape, role, size, index, number++)
    ),
  }));
}

function planQueue(
  { name, format, features }: Shape,
  role: Role,
  size: number,
  index: number,
  number: number,
): QueuePlan {
  const base = RINGS + BigInt(number) * RING_STRIDE;
  const areas = format === "split" ? splitAreas(base, size) : packedAreas(base);
  const config: RingConfig = { format, size, ...areas, addressSpace: "guest", features };
  const tables = { address: base + 0x2_0000n, entries: 8 };
  return { number, device: name, index, role, config, tables };
}

type Areas = Pick<RingConfig, "descriptor" | "driver" | "device">;

/** One block, as Linux allocates it: the used ring begins at the next cache line. */
function splitAreas(descriptor: bigint, size: number): Areas {
  const shapes = areaShapes("split", size);
  const driver = descriptor + BigInt(shapes.descriptor.length);
  const end = driver + BigInt(shapes.driver.length);
  return { descriptor, driver, device: (end + 63n) & ~63n };
}

/** Pages of their own for the event areas, as Linux allocates them, too. */
function packedAreas(descriptor: bigint): Areas {
  return { descriptor, driver: descriptor + 0x1_0000n, device: descriptor + 0x1_8000n };
}

/** Guest address of a slot of a queue: even ones in low memory, odd ones in high. */
export function slotAddress(queue: number, slot: number): bigint {
  const offset = SLOTS + BigInt(queue) * SLOT_STRIDE + BigInt((slot >> 1) * SLOT_LENGTH);
  return slot % 2 === 0 ? offset : HIGH + offset;
}

/** fds of a queue's notifications, as numbers of the process. */
export interface QueueFds {
  readonly kick: number;
  readonly call: number;
}

/** Status byte of a device that runs: ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK. */
export const STATUS_OK = 15;
/** DEVICE_NEEDS_RESET, beside them. */
export const STATUS_NEEDS_RESET = 64;

/** The layout that the demo publishes. `broken` is the name of a device that needs a reset. */
export function demoLayout(
  name: string,
  memoryFd: number,
  fds: readonly QueueFds[],
  broken: string | null,
): Record<string, unknown> {
  return {
    format: "ring-image/1",
    kind: "demo",
    name,
    memory: MEMORY.map(({ name, gpa, size, offset }) => ({
      name,
      fd: memoryFd,
      gpa: hex(gpa),
      size,
      offset,
    })),
    devices: DEVICES.map((device) => ({
      name: device.name,
      type: device.type,
      status: device.name === broken ? STATUS_OK | STATUS_NEEDS_RESET : STATUS_OK,
      features: hex(device.features),
      queues: device.queues.map((queue) => queueLayout(queue, fds[queue.number])),
    })),
  };
}

function queueLayout({ index, config }: QueuePlan, fds: QueueFds): Record<string, unknown> {
  return {
    index,
    layout: config.format,
    queue_size: config.size,
    desc: hex(config.descriptor),
    driver: hex(config.driver),
    device: hex(config.device),
    kick_fd: fds.kick,
    call_fd: fds.call,
  };
}

function bits(numbers: readonly bigint[]): bigint {
  return numbers.reduce((sum, bit) => sum | (1n << bit), 0n);
}
