/**
 * What one reading of a ring gives, whatever its format.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { RangeStatus } from "../memory/guest_memory.ts";
import type { RingConfig } from "./config.ts";

/**
 * Whose turn a buffer is: `available` waits for the device to fetch it, `inflight` was fetched,
 * `used` went back to the driver. How far was fetched `RingConfig.fetched` says; without it the
 * avail_event of a split ring, which a device moves as it fetches; else nobody, and none is in flight.
 * `reused` went back, too, and its descriptors are a newer buffer's by now (`reused.ts`).
 */
export type ChainState = "available" | "inflight" | "used" | "reused";

/** One descriptor of a chain; an indirect table's own descriptor is not among them. */
export interface ChainDescriptor {
  /** Index in the table it stands in: the ring's, or the indirect table. */
  readonly index: number;
  /** Guest address (or what an IOMMU or a grant makes of it). */
  readonly address: bigint;
  /** Bytes. */
  readonly length: number;
  /** Device-writable; else device-readable. */
  readonly writable: boolean;
  /** Index of the next descriptor, or null at the end. */
  readonly next: number | null;
  /** Where [address, address + length) resolves. */
  readonly status: RangeStatus;
}

/** One buffer of a ring, walked as far as it can be. */
export interface DescriptorChain {
  /** Split: index of the first descriptor. Packed: slot of the first descriptor. */
  readonly head: number;
  /** Split: slot in the available ring (index modulo size). Packed: slot of the first descriptor. */
  readonly slot: number;
  /** Packed: buffer id, from the last descriptor. Split: the same as `head`. */
  readonly id: number;
  /** Bytes of the readable descriptors. */
  readonly readable: number;
  /** Bytes of the writable descriptors. */
  readonly writable: number;
  /** The descriptors are those of an indirect table (2.7.5.3, 2.8.7). */
  readonly indirect: boolean;
  /** Whose it is. */
  readonly state: ChainState;
  /** Bytes the device says it wrote, for used chains; else null. */
  readonly written: number | null;
  /** In the order of the chain, up to the fault where there is one. */
  readonly descriptors: readonly ChainDescriptor[];
  /**
   * What is wrong with this chain. A packed list that may have been used out of order keeps its slots,
   * but its indirect table may have been freed and be anything: its descriptors are shown as they are
   * read, with their status, and are no findings (see `packed_stale.ts`).
   */
  readonly findings: readonly Finding[];
}

/**
 * One side's area. Split: its running index and flags; `event` is the index it asks to be notified
 * at (used_event in the available ring, avail_event in the used ring), null without EVENT_IDX.
 * Packed: `index` is that side's slot, `flags` of its event suppression, `event` its desc_event_off.
 */
export interface RingSide {
  /** Split: free-running, 0 to 65535. Packed: slot. */
  readonly index: number;
  /** Split: the area's flags field. Packed: desc_event_flags. */
  readonly flags: number;
  /** Where that side wants to be notified; null where it does not say so. */
  readonly event: number | null;
  /** Packed: the wrap counter that goes with `index`; null for split rings. */
  readonly wrap: boolean | null;
  /** Packed: the wrap counter that goes with `event`; null otherwise. */
  readonly eventWrap: boolean | null;
}

/** The cheap part of a reading: what `watch` samples. */
export interface RingIndices {
  /** Driver's side: how far buffers were made available. */
  readonly available: RingSide;
  /** Device's side: how far they were used. */
  readonly used: RingSide;
  /** Buffers (split) or slots (packed: a guess unless `exact`) that are with the device. */
  readonly inFlight: number;
  /**
   * False where a packed ring's device position is guessed: its memory does not tell how long the
   * list was that was used last (see `packed_start.ts`).
   */
  readonly exact: boolean;
  /** An index moved between the first and the last look. */
  readonly raced: boolean;
  /** Milliseconds since the epoch, of the first look. */
  readonly time: number;
}

/** A {@linkcode RingSide} to be filled. */
export type SideToFill = { -readonly [Name in keyof RingSide]: RingSide[Name] };

/** A {@linkcode RingIndices} that is filled again and again, by a caller that reads thousands of rings. */
export interface IndicesToFill {
  /** As in {@linkcode RingIndices}, and so are the others. */
  readonly available: SideToFill;
  /** The device's side. */
  readonly used: SideToFill;
  /** Buffers (split) or slots (packed) that are with the device. */
  inFlight: number;
  /** Whether that is no guess. */
  exact: boolean;
  /** Whether an index moved meanwhile. */
  raced: boolean;
  /** Milliseconds since the epoch. */
  time: number;
}

/**
 * Where both sides stand, and no more: what is read most often. A caller keeps one and has it filled.
 * See `positions.ts` for how they count.
 */
export interface RingPositions {
  /** How far the driver made buffers available. */
  available: number;
  /** How far the device used them. */
  used: number;
  /** As in {@linkcode RingIndices}. */
  inFlight: number;
  /** As in {@linkcode RingIndices}. */
  exact: boolean;
}

/** Where a ring's two indices stand in place, as words of one view. */
export interface IndexWords {
  /** The view that both stand in: of the whole buffer, not of the ring. */
  words: Uint16Array;
  /** Place in `words` of the available index. */
  available: number;
  /** Place of the used index. */
  used: number;
}

/** Whether each side wants to hear from the other right now. */
export interface Suppression {
  /** The device wants a kick for the next buffer made available. */
  readonly kickWanted: boolean;
  /** The driver wants a call for the next buffer used. */
  readonly callWanted: boolean;
  /** How that is said: `flags`, `event index`. */
  readonly by: "flags" | "event index";
}

/** One reading of a ring. */
export interface RingSnapshot extends RingIndices {
  /** What was walked. */
  readonly config: RingConfig;
  /** Which notifications are wanted. */
  readonly suppression: Suppression;
  /** How many chains were walked. */
  readonly chainCount: number;
  /** Sums over all chains. */
  readonly totals: {
    readonly descriptors: number;
    readonly readable: number;
    readonly writable: number;
  };
  /** Chain `n` of `chainCount`, oldest first. Made on demand from columns. */
  chain(n: number): DescriptorChain;
  /** Findings about the ring itself and of all chains, in that order. */
  readonly findings: readonly Finding[];
}

/** Which chains a snapshot walks. */
export interface SnapshotOptions {
  /**
   * `outstanding` (default): from `config.start`, else the used index, to the available index.
   * `recent`: the last `recentCount` buffers that were used, too (stale: the driver may have reused them).
   * `all`: from `config.start` even where the used index has passed it (split rings; stale as above).
   */
  readonly chains?: "outstanding" | "recent" | "all" | "none";
  /** How many used buffers `recent` adds; at most the ring's size. Default 16. */
  readonly recentCount?: number;
}

/** A ring that can be read. `openRing` in `ring.ts` makes one. */
export interface Ring {
  /** What it was opened with. */
  readonly config: RingConfig;
  /** What is wrong with the configuration itself; with any of these `indices` may be null. */
  readonly findings: readonly Finding[];
  /** null where the ring's areas can not be read. */
  indices(): RingIndices | null;
  /** The same into what is there already; false where the areas can not be read. */
  fill?(into: IndicesToFill): boolean;
  /** The positions alone, read the cheapest way: false where the areas can not be read. */
  positions(into: RingPositions): boolean;
  /**
   * Words that are the positions, for a look that costs a few nanoseconds: whether they are what they
   * were. False where there are none, or not in place; absent where there never are. Valid for a second.
   */
  indexWords?(into: IndexWords): boolean;
  /**
   * Whether `indices` would say of both sides what it said then, for less; absent where it costs as
   * much.
   */
  stands?(then: RingIndices): boolean;
  /** Which notifications were wanted when the indices were read. */
  suppression(indices: RingIndices): Suppression;
  /**
   * Whether a used_event of 0 can be the place where the driver waits to be called. It is also what
   * memory holds that nobody wrote, and what Linux writes to turn calls off: false where the ring
   * shows that the driver took buffers back all the same, and where it can not be read.
   */
  isArmedAtZero(): boolean;
  /** errno by name of what of the ring's areas can not be read; null where that is not known, or all can. */
  fault(): string | null;
  /** Never throws; a ring that can not be read has no chains and says why in its findings. */
  snapshot(options?: SnapshotOptions): RingSnapshot;
}
