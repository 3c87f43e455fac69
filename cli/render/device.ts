/**
 * Devices and queues in words.
 *
 * @module
 */
import type { Device, Queue } from "../../lib/guest/guest.ts";

/** `virtio-blk`: a device's name in its guest without the number, where it is a virtio device. */
export function deviceTypeText({ name, type, bus }: Device): string {
  if (bus.kind === "xen" && !name.startsWith("virtio")) return name.replace(/-[0-9]+$/, "");
  const bare = name.replace(/[0-9]+$/, "");
  return type === 0 || bare.startsWith("virtio-") ? bare : `virtio-${bare}`;
}

/** `virtio-blk, queue 0 (request0)`. */
export function queueTitle(device: Device, queue: Queue): string {
  return `${deviceTypeText(device)}, queue ${queue.index} (${queue.name})`;
}
