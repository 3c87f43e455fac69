/**
 * What SET_VRING_BASE and GET_VRING_BASE mean by their number.
 *
 * ```text
 * split    31        16 15              0
 *          |  unused   |  next avail     |     free-running index
 * packed   31  30    16 15  14          0
 *          |uw| used    |aw| avail       |     ring positions, and both wrap counters
 * ```
 *
 * QEMU and libvhost-user fill both halves of the packed form; DPDK's virtio-user sends only the
 * lower (0x8000 at the start), and DPDK's vhost takes used to be where avail is.
 *
 * @module
 */

/** A position in a packed ring, or a split ring's free-running index with `wrap` false. */
export interface VringPosition {
  /** Split: free-running index. Packed: slot. */
  readonly index: number;
  /** Packed: wrap counter. */
  readonly wrap: boolean;
}

/** Both positions that a packed base carries. */
export interface PackedBase {
  /** The next descriptor to take. */
  readonly available: VringPosition;
  /** The next descriptor to use. */
  readonly used: VringPosition;
}

/** The next available index of a split ring. */
export function splitBase(num: number): VringPosition {
  return { index: num & 0xffff, wrap: false };
}

/** Both halves of a packed ring's base; an empty upper half means "as the lower". */
export function packedBase(num: number): PackedBase {
  const lower = num & 0xffff;
  const upper = num >>> 16;
  return { available: position(lower), used: position(upper === 0 ? lower : upper) };
}

/** The number for a packed ring. */
export function encodePackedBase(base: PackedBase): number {
  return (word(base.used) * 0x10000) + word(base.available);
}

function position(half: number): VringPosition {
  return { index: half & 0x7fff, wrap: (half & 0x8000) !== 0 };
}

function word({ index, wrap }: VringPosition): number {
  return (index & 0x7fff) | (wrap ? 0x8000 : 0);
}
