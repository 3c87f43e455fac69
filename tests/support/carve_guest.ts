/**
 * A guest drawn for a scan: memory with rings in it as drivers allocate them, made to move by the
 * library's own two sides of a queue.
 *
 * @module
 */
import { guestAddress } from "../../lib/address.ts";
import { carve, type Carving } from "../../lib/carve/carve.ts";
import type { NamedRing } from "../../lib/carve/names.ts";
import { type Backing, BufferBacking, type WritableBacking } from "../../lib/memory/backing.ts";
import { type GuestMemory, WritableGuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { FEATURE, type RingConfig } from "../../lib/ring/config.ts";
import { type DeviceQueue, openDeviceQueue, writeTo } from "../../lib/ring/device_queue.ts";
import { type DriverQueue, openDriverQueue, type Segment } from "../../lib/ring/driver_queue.ts";

/** How a driver places a ring. */
export interface RingPlace {
  /** `packed`, or how the used ring of a split one is aligned. */
  readonly layout: "packed" | 64 | 4096;
  readonly size: number;
  readonly descriptor: bigint;
  readonly eventIndex?: boolean;
}

/** One request: bytes to read, room to write, and what the device answers. */
export interface Request {
  readonly out?: Uint8Array;
  /** Lengths of the writable buffers. */
  readonly room?: readonly number[];
  readonly answer?: Uint8Array;
  /** Cuts `out` into buffers of these lengths; the rest is one more. */
  readonly cut?: readonly number[];
}

/** A ring that can be worked. */
export interface WorkedRing {
  readonly config: RingConfig;
  readonly driver: DriverQueue<number>;
  readonly device: DeviceQueue;
  /** Adds a request; it waits for the device. */
  post(request: Request, indirect?: boolean): void;
  /** The device answers everything that waits. */
  serve(): void;
  /** `post` and `serve`. */
  run(request: Request, indirect?: boolean): void;
}

/** Bytes of the drawn guest. */
export const SIZE = 16 << 20;
/** Where its second half is. */
export const HIGH = 0x1_0000_0000n;

/** Memory in two regions over one buffer of {@linkcode SIZE} bytes, whose backing a test may wrap. */
export function carveMemory(
  wrap: (backing: BufferBacking) => Backing = (backing) => backing,
  buffer = new ArrayBuffer(SIZE),
): WritableGuestMemory {
  const backing = wrap(new BufferBacking(buffer, "drawn"));
  const half = SIZE / 2;
  const region = (guest: bigint, offset: number, name: string) => ({
    guest: guestAddress(guest),
    length: BigInt(half),
    backing,
    offset,
    access: "rw" as const,
    name,
    user: null,
  });
  return new WritableGuestMemory(
    new RegionTable([region(0n, 0, "low"), region(HIGH, half, "high")]),
  );
}

/** Addresses of the three areas of a ring as drivers put them. */
export function ringConfig({ layout, size, descriptor, eventIndex }: RingPlace): RingConfig {
  const base = FEATURE.VERSION_1 | FEATURE.INDIRECT_DESC;
  const features = eventIndex ? base | FEATURE.EVENT_IDX : base;
  const common = { size, descriptor, addressSpace: "guest" as const };
  if (layout === "packed") {
    const first = (descriptor + BigInt(16 * size) + 4095n) / 4096n * 4096n;
    const places = { driver: first, device: first + 4096n };
    return { ...common, ...places, format: "packed", features: features | FEATURE.RING_PACKED };
  }
  const driver = descriptor + BigInt(16 * size);
  const end = driver + BigInt(6 + 2 * size);
  const device = (end + BigInt(layout) - 1n) / BigInt(layout) * BigInt(layout);
  return { ...common, driver, device, format: "split", features };
}

/** A backing of which parts behave otherwise; nothing of it can be had in place. */
export function altered(
  backing: BufferBacking,
  parts: Partial<Pick<WritableBacking, "copy" | "nextData">>,
): WritableBacking {
  return {
    length: backing.length,
    label: "altered",
    pageSize: 4096,
    live: () => null,
    liveWritable: () => null,
    store: (offset, source) => backing.store(offset, source),
    copy: parts.copy ?? ((offset, target) => backing.copy(offset, target)),
    nextData: parts.nextData ?? ((offset) => backing.nextData(offset)),
  };
}

let buffers = 0n;

/** Opens both sides of a ring. Buffers of all rings lie apart, tables behind the ring. */
export function workRing(memory: WritableGuestMemory, place: RingPlace): WorkedRing {
  const config = ringConfig(place);
  const tables = { address: config.descriptor + 0x80000n, entries: 8 };
  const driver = openDriverQueue<number>(memory, config, { tables });
  const device = openDeviceQueue(memory, config);
  const answers = new Map<number, Uint8Array>();
  let count = 0;
  const post = (request: Request, indirect = false) => {
    const segments = segmentsOf(memory, request);
    answers.set(count, request.answer ?? new Uint8Array(0));
    if (!driver.add(segments, count++, { indirect })) throw new Error("the ring is full");
    driver.publish();
  };
  let served = 0;
  const serve = () => {
    for (let buffer = device.take(); buffer !== null; buffer = device.take()) {
      device.giveBack(
        buffer,
        writeTo(memory, buffer, 0, answers.get(served++) ?? new Uint8Array(0)),
      );
    }
    device.publish();
    while (driver.reap() !== null);
    if (place.eventIndex) {
      driver.enableCalls();
      device.enableKicks();
    }
  };
  const run = (request: Request, indirect?: boolean) => {
    post(request, indirect);
    serve();
  };
  return { config, driver, device, post, serve, run };
}

/** Buffers in the second half of memory, each at a new place. */
function segmentsOf(memory: WritableGuestMemory, { out, room = [], cut = [] }: Request): Segment[] {
  const segments: Segment[] = [];
  const place = (length: number) => {
    const at = HIGH + 0x100000n + buffers % 0x600000n;
    buffers += BigInt(Math.ceil(length / 64) * 64);
    return at;
  };
  let rest = out ?? new Uint8Array(0);
  for (const length of [...cut, rest.length - cut.reduce((sum, n) => sum + n, 0)]) {
    if (length <= 0) continue;
    const address = place(length);
    memory.write(address, rest.subarray(0, length));
    rest = rest.subarray(length);
    segments.push({ address, length, writable: false });
  }
  for (const length of room) segments.push({ address: place(length), length, writable: true });
  return segments;
}

/** Runs a scan to its end. `between` is called once, when all memory was read. */
export function carveAll(memory: GuestMemory, between: () => void = () => {}): Carving {
  const steps = carve(memory);
  let waiting = true;
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (waiting && step.value.behind === memory.table.size) {
      waiting = false;
      between();
    }
  }
}

/** The ring that was found at these addresses; throws with all that were found. */
export function foundAt({ rings }: Carving, descriptor: bigint): NamedRing {
  const ring = rings.find(({ config }) => config.descriptor === descriptor);
  if (ring !== undefined) return ring;
  const all = rings.map(({ config, score }) => `${config.descriptor.toString(16)} ${score}`);
  throw new Error(`no ring at ${descriptor.toString(16)}: ${all.join()}`);
}

/** `struct virtio_blk_req`: type, reserved, sector (virtio 1.4, 5.2.6). */
export function blkHeader(type: number, sector: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return new Uint8Array(view.buffer);
}

/** A net header of 12 bytes and a frame with an ARP request of 28 bytes behind it. */
export function arpPacket(buffers = 0): Uint8Array {
  const bytes = new Uint8Array(12 + 14 + 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(10, buffers, true);
  bytes.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34, 0x56], 12);
  view.setUint16(24, 0x0806);
  view.setUint32(26, 0x0001_0800);
  view.setUint32(30, 0x0604_0001);
  return bytes;
}
