/**
 * What must be known to walk a ring.
 *
 * @module
 */

/** Layout of a virtqueue: virtio 1.4, 2.7 (split) and 2.8 (packed). */
export type RingFormat = "split" | "packed";

/** Everything about a queue that its memory does not say itself. */
export interface RingConfig {
  /** Split or packed. */
  readonly format: RingFormat;
  /** Entries: 1 to 32768; a power of two for split rings. */
  readonly size: number;
  /** Descriptor area: descriptor table (split) or descriptor ring (packed). */
  readonly descriptor: bigint;
  /** Driver area: available ring, or driver event suppression. */
  readonly driver: bigint;
  /** Device area: used ring, or device event suppression. */
  readonly device: bigint;
  /** Which space the three areas' addresses are in. Descriptors always carry guest addresses. */
  readonly addressSpace: "guest" | "user";
  /** Negotiated features, all 64 bits. */
  readonly features: bigint;
  /**
   * Where the walk starts, if not at the used index: a consumer's next position. Split: free-running
   * index; one that the used index has passed is out of date, and not used. Packed: slot and wrap
   * counter; one that is no slot is a finding, and not used.
   */
  readonly start?: RingPosition;
  /** How far the device has fetched, where it is known (split: index; packed: slot). */
  readonly fetched?: RingPosition;
  /**
   * The device's used position when `fetched` was asked for, where known. A split ring tells its own;
   * there it says whether the device has been on since. A packed ring does not, so that it counts
   * where the ring bears it out; the lap is taken from the ring's flags.
   */
  readonly used?: RingPosition;
}

/** A position in a ring. Split rings ignore `wrap`, and only `start` of a packed one needs it. */
export interface RingPosition {
  /** Split: free-running index, 0 to 65535. Packed: slot, 0 to size - 1. */
  readonly index: number;
  /** Packed: the wrap counter that goes with it (2.8.1). */
  readonly wrap: boolean;
}

/** Feature bits that change how a ring is walked: virtio 1.4, chapter 6. */
export const FEATURE = {
  INDIRECT_DESC: 1n << 28n,
  EVENT_IDX: 1n << 29n,
  VERSION_1: 1n << 32n,
  ACCESS_PLATFORM: 1n << 33n,
  RING_PACKED: 1n << 34n,
  IN_ORDER: 1n << 35n,
  NOTIFICATION_DATA: 1n << 38n,
} as const;
