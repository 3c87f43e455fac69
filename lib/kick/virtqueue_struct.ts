/**
 * QEMU's `struct VirtQueue` (hw/virtio/virtio.c), recognised without symbols. Offsets differ by
 * version, so its parts are found by what they must be:
 *
 * ```
 * VRing        u32 num, num_default, align; u64 desc@16, avail@24, used@32   (the tuple searched for)
 * ...          u16 queue_index, u32 inuse, u16 vector
 * u64          handle_output          points into a program file
 * u64          vdev                   points into writable memory; the same for a device's queues
 * EventNotifier guest_notifier        int rfd, wfd; bool initialized (since 7.1)
 * EventNotifier host_notifier         the ioeventfd
 * ```
 *
 * What is read here is another process's memory, and may even be guest memory made to look so:
 * everything is checked, and whoever uses the result must find exactly one.
 *
 * @module
 */
import type { RingConfig } from "../ring/config.ts";

/** Bytes that {@linkcode parseVirtQueue} wants from the struct's start. */
export const VIRTQUEUE_LENGTH = 256;

/** Offset of `desc` in the struct. */
export const DESC_OFFSET = 16;

/** A queue whose struct is looked for. */
export interface WantedQueue {
  /** Name of its device. */
  readonly device: string;
  readonly index: number;
  /** Its areas as guest addresses. */
  readonly ring: Pick<RingConfig, "size" | "descriptor" | "driver" | "device">;
}

/** What is known of the process that the bytes come from. */
export interface ProcessShape {
  /** In a read-only or executable mapping of a file. */
  isCode(address: bigint): boolean;
  /** In writable private memory. */
  isData(address: bigint): boolean;
  isEventfd(fd: number): boolean;
}

/** The parts of a VirtQueue that matter here. */
export interface VirtQueueStruct {
  /** Identifies the device: the same for all of its queues. */
  readonly vdev: bigint;
  /** ioeventfd, or null where QEMU has not set one up for the queue. */
  readonly hostNotifier: number | null;
  /** irqfd or vhost's call fd, or null. */
  readonly guestNotifier: number | null;
}

/** Size of EventNotifier: since QEMU 7.1 with `initialized`, before without. */
const NOTIFIER_SIZES = [12, 8] as const;

/** Where handle_output can stand; 88 in QEMU 7.2 to 11.1. */
const CODE_POINTER = { first: 64, last: 152 };

/**
 * Parses the bytes from a struct's start. Returns null where this is no VirtQueue of that queue, or
 * not clearly one.
 */
export function parseVirtQueue(
  bytes: Uint8Array,
  queue: WantedQueue,
  shape: ProcessShape,
): VirtQueueStruct | null {
  if (bytes.length < VIRTQUEUE_LENGTH) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isRing(view, queue)) return null;
  const vdevAt = findDevice(view, queue.index, shape);
  if (vdevAt === null) return null;
  const notifiers = NOTIFIER_SIZES
    .map((size) => parseNotifiers(view, vdevAt + 8, size, shape))
    .filter((found) => found !== null);
  if (notifiers.length === 0) return null;
  // Two unset notifiers of zeros read the same in both sizes.
  const [found] = notifiers;
  if (notifiers.some((other) => other.hostNotifier !== found.hostNotifier)) return null;
  return { vdev: view.getBigUint64(vdevAt, true), ...found };
}

function isRing(view: DataView, { ring }: WantedQueue): boolean {
  return view.getUint32(0, true) === ring.size &&
    view.getBigUint64(DESC_OFFSET, true) === ring.descriptor &&
    view.getBigUint64(DESC_OFFSET + 8, true) === ring.driver &&
    view.getBigUint64(DESC_OFFSET + 16, true) === ring.device;
}

/**
 * Offset of `vdev`: after the first code pointer, or after two (handle_aio_output, up to 6.2). The
 * queue's index stands 16 bytes before the first.
 */
function findDevice(view: DataView, index: number, shape: ProcessShape): number | null {
  for (let at = CODE_POINTER.first; at <= CODE_POINTER.last; at += 8) {
    if (!shape.isCode(view.getBigUint64(at, true))) continue;
    if (view.getUint16(at - 16, true) !== index) return null;
    const second = view.getBigUint64(at + 8, true);
    const vdev = shape.isCode(second) || second === 0n ? at + 16 : at + 8;
    return shape.isData(view.getBigUint64(vdev, true)) ? vdev : null;
  }
  return null;
}

function parseNotifiers(view: DataView, at: number, size: 8 | 12, shape: ProcessShape) {
  const guest = parseNotifier(view, at, size, shape);
  const host = parseNotifier(view, at + size, size, shape);
  if (guest === undefined || host === undefined) return null;
  return { guestNotifier: guest, hostNotifier: host };
}

/** The fd, null for an unset notifier, undefined where these bytes are no EventNotifier. */
function parseNotifier(
  view: DataView,
  at: number,
  size: 8 | 12,
  shape: ProcessShape,
): number | null | undefined {
  const [read, write] = [view.getInt32(at, true), view.getInt32(at + 4, true)];
  const set = size === 12 ? view.getUint8(at + 8) : null;
  if (read !== write || (set !== null && set > 1)) return undefined;
  if (read === -1 || read === 0) return set === 1 ? undefined : null;
  if (set === 0) return null; // cleaned up, with its fd's number left over
  return shape.isEventfd(read) ? read : undefined;
}
