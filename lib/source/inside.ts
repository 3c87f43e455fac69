/**
 * What `pci:` and `mmio:` share: a device of the guest that we run in, held with its regions.
 *
 * @module
 */
import type { Mapping } from "../../ffi/mapping.ts";
import { deviceName, queueName } from "../device/names.ts";
import { guestAddress } from "../address.ts";
import type { BusPlace, Device, Queue } from "../guest/guest.ts";
import type { Kick, KickSide } from "../kick/kick.ts";
import { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import type { Region } from "../memory/region.ts";
import { RegionTable } from "../memory/region_table.ts";
import { queueNames, type VirtioNode } from "../transport/virtio_sysfs.ts";
import type { Attachment, Target } from "./source.ts";

/** Why rings are not shown. */
const NO_RING = "inside a guest the kernel tells no ring addresses";

/** What an attachment is made of. */
export interface InsideParts {
  readonly target: Target;
  readonly write: boolean;
  /** Reads the device again. Throws SourceError where it is gone. */
  look(): Look;
  readonly regions: readonly Region[];
  readonly resources: DisposableStack;
  kicks(device: Device, queue: Queue, side: KickSide): readonly Kick[];
}

/** One reading of a device. */
export interface Look {
  readonly devices: readonly Device[];
  readonly note: string;
}

/** An attachment to one device. */
export class InsideAttachment implements Attachment {
  readonly target: Target;
  readonly memory: GuestMemory;
  readonly writable: WritableGuestMemory | null;
  #seen: Look;

  /** Takes over the resources; they are disposed where the device can not be read. */
  constructor(private readonly parts: InsideParts) {
    using undo = new DisposableStack();
    const resources = undo.use(parts.resources);
    this.target = parts.target;
    const name = `regions of ${parts.target.what}`;
    const table = new RegionTable(parts.regions);
    this.writable = parts.write ? new WritableGuestMemory(table, name) : null;
    this.memory = this.writable ?? new GuestMemory(table, name);
    this.#seen = parts.look();
    this.parts = { ...parts, resources: resources.move() };
    undo.move();
  }

  get devices(): readonly Device[] {
    return this.#seen.devices;
  }

  get note(): string {
    return this.#seen.note;
  }

  kicks(device: Device, queue: Queue, side: KickSide): readonly Kick[] {
    return this.parts.kicks(device, queue, side);
  }

  // deno-lint-ignore require-await -- a device that is gone is a rejection, not an exception
  async refresh(): Promise<void> {
    this.#seen = this.parts.look();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.parts.resources.dispose();
    return Promise.resolve();
  }
}

/** A region of a device: `mapping` from its first byte on, less `inPage` bytes. */
export function deviceRegion(
  mapping: Mapping,
  name: string,
  start: bigint,
  inPage: number,
): Region {
  return {
    guest: guestAddress(start),
    length: BigInt(mapping.length - inPage),
    backing: mapping,
    offset: inPage,
    access: mapping.writable ? "rw" : "ro",
    name,
    user: null,
  };
}

/** What tells how many queues a device has. */
export interface QueueHints {
  /** By its registers; null where they can not be read. */
  readonly numQueues: number | null;
  /** /proc/interrupts: a device has one per queue, or fewer. */
  readonly interrupts: string;
  /** The target: a queue that it names by number is taken to be there. */
  readonly target: Target | null;
}

/** A virtio device as the other verbs see it. */
export function virtioDevice(
  bus: BusPlace,
  id: number,
  node: VirtioNode | null,
  hints: QueueHints,
): Device {
  const features = node?.features ?? 0n;
  const context = { features, queueCount: hints.numQueues };
  return {
    name: deviceName(id),
    type: id,
    bus,
    status: node?.status ?? null,
    features,
    vhost: null,
    queues: Array.from({ length: countQueues(node, hints) }, (_, index) => ({
      index,
      name: queueName(id, index, context),
      ring: null,
      note: NO_RING,
    })),
    note: node === null ? "no virtio driver runs it" : "",
  };
}

function countQueues(node: VirtioNode | null, hints: QueueHints): number {
  const { numQueues, interrupts, target } = hints;
  if (numQueues !== null) return Math.min(numQueues, 65536);
  const seen = node === null ? 0 : queueNames(interrupts, node.name).length;
  const named = /^[0-9]{1,5}$/.test(target?.queue ?? "") ? Number(target?.queue) + 1 : 0;
  return Math.min(Math.max(seen, named, 1), 65536);
}
