/**
 * Where a driver puts its next buffer, seen from inside its guest: what a notification has to say with
 * NOTIFICATION_DATA (virtio 1.4, 2.9). The driver tells nobody; its ring does.
 *
 * @module
 */
import { FEATURE, type RingPosition } from "../ring/config.ts";
import { driverPosition } from "../ring/packed_position.ts";
import { AVAIL } from "../ring/spec.ts";
import type { QueueNotify } from "../transport/common_config.ts";
import { type KernelMemorySys, readPhysical } from "../transport/kernel_memory.ts";

/** VIRTIO_F_ACCESS_PLATFORM (6, bit 33): ring addresses may be behind an IOMMU. */
const ACCESS_PLATFORM = 1n << 33n;

/** Bytes of a packed descriptor. */
const DESCRIPTOR = 16;

/** The next position; a string says why it is not known. Reads memory, and writes nothing. */
export function nextPosition(
  sys: KernelMemorySys,
  { size, descriptor, driver }: Pick<QueueNotify, "size" | "descriptor" | "driver">,
  features: bigint,
): RingPosition | string {
  if ((features & ACCESS_PLATFORM) !== 0n) return unknown("its addresses are the platform's");
  if (descriptor === 0n || driver === 0n) return unknown("the queue has no addresses");
  return (features & FEATURE.RING_PACKED) === 0n
    ? splitPosition(sys, driver)
    : packedPosition(sys, descriptor, size);
}

function splitPosition(sys: KernelMemorySys, driver: bigint): RingPosition | string {
  const bytes = new Uint8Array(2);
  const why = readPhysical(sys, driver + BigInt(AVAIL.IDX), bytes);
  return why === null ? { index: bytes[0] | (bytes[1] << 8), wrap: true } : unknown(why);
}

function packedPosition(
  sys: KernelMemorySys,
  descriptor: bigint,
  size: number,
): RingPosition | string {
  const words = new Uint32Array((Math.min(size, 32768) * DESCRIPTOR) / 4);
  const why = readPhysical(sys, descriptor, new Uint8Array(words.buffer));
  if (why !== null) return unknown(why);
  const { index, wrap } = driverPosition(words, words.length / 4);
  return { index, wrap };
}

function unknown(why: string): string {
  return `NOTIFICATION_DATA is negotiated, and the driver's position is not known here: ${why}`;
}
