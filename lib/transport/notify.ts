/**
 * Where and what a driver writes to notify a queue: virtio 1.4, 2.9 and 4.1.4.4, 4.1.5.2, 4.2.3.3.
 *
 * @module
 */
import { hex } from "../address.ts";
import { FEATURE, type RingFormat, type RingPosition } from "../ring/config.ts";
import type { VirtioCapability } from "./pci_capabilities.ts";
import type { Width } from "./register_file.ts";

/** VIRTIO_F_NOTIF_CONFIG_DATA: the value comes from the queue's configuration (6, bit 39). */
export const NOTIF_CONFIG_DATA = 1n << 39n;

/** One write. */
export interface NotifyWrite {
  readonly value: number;
  readonly width: Width;
}

/** What is known of the queue. */
export interface NotifyQueue {
  readonly index: number;
  /** `queue_notif_config_data` of the common configuration; null where it could not be read. */
  readonly configData: number | null;
  /**
   * Where the driver puts its next buffer: split, the available index (16 bits); packed, slot and
   * wrap counter. Null where it is not known: then NOTIFICATION_DATA can not be honoured.
   */
  readonly next: RingPosition | null;
  readonly format: RingFormat;
}

/**
 * The write that the negotiated features ask for. A string says why it can not be made. `bus` decides
 * the width without NOTIFICATION_DATA: 16 bits on PCI, 32 on MMIO.
 */
export function notifyWrite(
  queue: NotifyQueue,
  features: bigint,
  bus: "pci" | "mmio",
): NotifyWrite | string {
  const configured = (features & NOTIF_CONFIG_DATA) !== 0n;
  if (configured && queue.configData === null) {
    return "NOTIF_CONFIG_DATA is negotiated, and the queue's value can not be read";
  }
  const name = configured ? queue.configData as number : queue.index;
  if ((features & FEATURE.NOTIFICATION_DATA) === 0n) {
    return { value: name, width: bus === "pci" ? 16 : 32 };
  }
  if (queue.next === null) {
    return "NOTIFICATION_DATA is negotiated, and the driver's position is not known here";
  }
  return { value: notificationData(name, queue.next, queue.format), width: 32 };
}

/**
 * The 32 bits of NOTIFICATION_DATA (2.9): queue in bits 0 to 15, next_off in 16 to 30, next_wrap in
 * 31. Split rings have no wrap counter: bit 31 is the available index' highest bit.
 */
export function notificationData(queue: number, next: RingPosition, format: RingFormat): number {
  const wrap = format === "packed" ? Number(next.wrap) : (next.index >>> 15) & 1;
  return ((queue & 0xffff) | ((next.index & 0x7fff) << 16) | (wrap << 31)) >>> 0;
}

/**
 * Offset in its BAR of a queue's notification address (4.1.4.4). A string says why there is none.
 * `notifyOff` is the queue's `queue_notify_off`.
 */
export function notifyOffset(
  capability: Pick<VirtioCapability, "offset" | "length" | "multiplier">,
  notifyOff: number,
  width: Width,
): bigint | string {
  const within = BigInt(notifyOff) * BigInt(capability.multiplier ?? 0);
  if (within + BigInt(width / 8) > capability.length) {
    return `queue_notify_off ${notifyOff} is past the end of the notify area`;
  }
  const offset = capability.offset + within;
  // 4.1.4.4.1: 2 bytes, and 4 with NOTIFICATION_DATA. Elsewhere there is no register of that width.
  return offset % BigInt(width / 8) === 0n
    ? offset
    : `notification address ${hex(offset)} is no multiple of ${width / 8}`;
}
