/**
 * Constants of virtqueues, named as in OASIS virtio 1.4, under the section that defines them.
 *
 * @module
 */

/** 2.7, 2.8: a queue has at most this many entries. */
export const MAX_QUEUE_SIZE = 32768;

/** 2.7.5 and 2.8.13: both descriptors are 16 bytes: address u64, length u32, then two u16. */
export const DESCRIPTOR_LENGTH = 16;

/** Flags of a descriptor: 2.7.5 (split, `virtq_desc.flags`) and 2.8.1, 2.8.13 (packed). */
export const DESC_F = {
  /** Split: `next` is valid. Packed: the list goes on in the next slot. */
  NEXT: 1,
  /** Device-writable; else device-readable. */
  WRITE: 2,
  /** Address and length are those of a table of descriptors (2.7.5.3, 2.8.7). */
  INDIRECT: 4,
  /** Packed only. */
  AVAIL: 1 << 7,
  /** Packed only. */
  USED: 1 << 15,
} as const;

/** 2.7.6: `virtq_avail`: flags u16, idx u16, ring u16[size], used_event u16. */
export const AVAIL = { FLAGS: 0, IDX: 2, RING: 4, F_NO_INTERRUPT: 1 } as const;

/** 2.7.8: `virtq_used`: flags u16, idx u16, ring {id u32, len u32}[size], avail_event u16. */
export const USED = { FLAGS: 0, IDX: 2, RING: 4, ELEMENT: 8, F_NO_NOTIFY: 1 } as const;

/** 2.8.14: `pvirtq_event_suppress`: u16 offset and wrap, u16 flags. */
export const EVENT = {
  LENGTH: 4,
  ENABLE: 0,
  DISABLE: 1,
  /** Needs VIRTIO_F_EVENT_IDX. */
  DESC: 2,
  /** Bits of the flags word that are defined. */
  FLAGS_MASK: 3,
  WRAP: 1 << 15,
} as const;

/** Length in bytes and required alignment of the three areas: 2.7 (split), 2.8 (packed). */
export function areaShapes(
  format: "split" | "packed",
  size: number,
): { descriptor: AreaShape; driver: AreaShape; device: AreaShape } {
  const descriptor = { length: DESCRIPTOR_LENGTH * size, align: 16 };
  if (format === "packed") {
    const suppression = { length: EVENT.LENGTH, align: 4 };
    return { descriptor, driver: suppression, device: suppression };
  }
  return {
    descriptor,
    driver: { length: AVAIL.RING + 2 * size + 2, align: 2 },
    device: { length: USED.RING + USED.ELEMENT * size + 2, align: 4 },
  };
}

/** Bytes and alignment of an area. */
export interface AreaShape {
  readonly length: number;
  readonly align: number;
}

/**
 * 2.7.10 (`vring_need_event`): whether a side that asked to hear about `event` wants a notification
 * when the other side's index moved from `old` to `now`. All are 16-bit free-running.
 */
export function needEvent(event: number, now: number, old: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);
}
