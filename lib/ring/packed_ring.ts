/**
 * A packed virtqueue as a passive reader sees it: virtio 1.4, 2.8.
 *
 * The descriptor ring is copied twice: which lists are available is read off the first copy, what is
 * in them off the second, so that a list is complete whose first descriptor was seen available.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { Areas } from "./check_config.ts";
import { FEATURE, type RingConfig, type RingPosition } from "./config.ts";
import { slotsBetween } from "./packed_position.ts";
import { PackedSnapshot } from "./packed_snapshot.ts";
import { type PackedSpan, packedSpan, spanFrom } from "./packed_start.ts";
import { PackedWalk } from "./packed_walk.ts";
import type {
  Ring,
  RingIndices,
  RingPositions,
  RingSide,
  RingSnapshot,
  SnapshotOptions,
  Suppression,
} from "./snapshot.ts";
import { EVENT } from "./spec.ts";
import { packedSuppression } from "./suppression.ts";
import { areaFault, unreadable } from "./unreadable.ts";

/** A packed ring. `openRing` makes one after checking its configuration. */
export class PackedRing implements Ring {
  #words: Uint32Array | null = null;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(
    readonly memory: GuestMemory,
    readonly config: RingConfig,
    readonly areas: Areas,
    readonly findings: readonly Finding[],
  ) {}

  indices(): RingIndices | null {
    const time = Date.now();
    const words = this.#copied();
    if (words === null) return null;
    const span = packedSpan(words, this.config);
    const indices = this.#indices(span, time);
    return indices === null ? null : { ...indices, raced: this.#moved(span, words) };
  }

  positions(into: RingPositions): boolean {
    const words = this.#copied();
    if (words === null) return false;
    const { size } = this.config;
    const { available, used, exact } = packedSpan(words, this.config);
    into.available = available.wrap ? available.index : available.index + size;
    into.used = used.wrap ? used.index : used.index + size;
    into.inFlight = slotsBetween(used, available, size);
    into.exact = exact;
    return true;
  }

  suppression({ available, used }: RingIndices): Suppression {
    return packedSuppression(available, used);
  }

  /** A packed ring says by flags of its own whether its desc_event_off counts: 2.8.10. */
  isArmedAtZero(): boolean {
    return true;
  }

  /** The descriptor ring, in a copy that the next call overwrites; null where it can not be read. */
  #copied(): Uint32Array | null {
    if (this.#words === null) {
      this.#words = new Uint32Array(this.config.size * 4);
      this.#bytes = new Uint8Array(this.#words.buffer);
    }
    return this.areas.descriptor.copy(this.#bytes) === null ? this.#words : null;
  }

  fault(): string | null {
    return areaFault(this.config, this.areas)?.errno ?? null;
  }

  snapshot(options: SnapshotOptions = {}): RingSnapshot {
    return this.snapshotInto(new PackedWalk(this.memory, this.config), options);
  }

  /** A snapshot whose columns are those of `walk`: valid until `walk` is used again. */
  snapshotInto(walk: PackedWalk, options: SnapshotOptions = {}): RingSnapshot {
    const time = Date.now();
    const fault = this.areas.descriptor.copy(walk.earlyBytes) ??
      this.areas.descriptor.copy(walk.tableBytes);
    if (fault !== null) return this.#unread(time);
    const span = this.#walk(walk, options.chains === "none");
    const indices = this.#indices(span, time);
    if (indices === null) return this.#unread(time);
    return new PackedSnapshot(
      this,
      walk,
      indices,
      () => this.#movedSince(span, walk) || this.#rewritten(walk),
    );
  }

  #unread(time: number): RingSnapshot {
    return unreadable(this.config, this.areas, this.findings, time);
  }

  /** Where a consumer starts is known: the walk finds the driver, and no flags need be searched. */
  #walk(walk: PackedWalk, none: boolean): PackedSpan {
    const { start } = this.config;
    if (start !== undefined && !none) {
      walk.run(start);
      return spanFrom(walk.early, this.config, walk.end);
    }
    const span = packedSpan(walk.early, this.config);
    walk.run(none ? span.available : span.used);
    return span;
  }

  #indices(span: PackedSpan, time: number): Omit<RingIndices, "raced"> | null {
    const { size, features } = this.config;
    const eventIndex = (features & FEATURE.EVENT_IDX) !== 0n;
    const available = side(span.available, this.areas.driver, eventIndex);
    const used = side(span.used, this.areas.device, eventIndex);
    if (available === null || used === null) return null;
    const inFlight = slotsBetween(span.used, span.available, size);
    return { available, used, inFlight, exact: span.exact, time };
  }

  /**
   * Whether the first descriptor of a doubtful list is not any more what the copies say, or was not
   * the same in both: a device that gives a buffer back writes id and length before the flags, and a
   * look in between sees a list that never was.
   */
  #rewritten({ doubtful, slots, early, table }: PackedWalk): boolean {
    return doubtful.some((chain) => {
      const at = slots[chain] * 4;
      for (let word = 0; word < 4; word++) {
        const now = this.#word(slots[chain] * 16 + word * 4);
        if (early[at + word] !== table[at + word] || now !== table[at + word]) return true;
      }
      return false;
    });
  }

  #word(offset: number): number | null {
    const low = this.areas.descriptor.load16(offset);
    const high = this.areas.descriptor.load16(offset + 2);
    return low === null || high === null ? null : (low | (high << 16)) >>> 0;
  }

  /**
   * Whether the ring has moved since it was copied first. Flags alone would not tell that it went
   * round twice: the descriptors at both positions and the one posted last must be what they were.
   */
  #moved({ used, available }: PackedSpan, words: Uint32Array): boolean {
    const newest = available.index === 0 ? this.config.size - 1 : available.index - 1;
    return !this.areas.descriptor.same(words, used.index, available.index, newest);
  }

  /**
   * The same after a walk. Where the device's position is a guess any list may be its next: it writes
   * over the first descriptor, and what was a list of three is then one of one.
   */
  #movedSince(span: PackedSpan, { early, slots, count }: PackedWalk): boolean {
    if (this.#moved(span, early)) return true;
    return !span.exact && !this.areas.descriptor.allSame(early, slots, count);
  }
}

/** One side's position and what its event area says (2.8.14). */
function side(position: RingPosition, area: Areas["driver"], eventIndex: boolean): RingSide | null {
  const word = area.load16(0);
  const flags = area.load16(2);
  if (word === null || flags === null) return null;
  const wants = eventIndex && (flags & EVENT.FLAGS_MASK) === EVENT.DESC;
  return {
    index: position.index,
    wrap: position.wrap,
    flags,
    event: wants ? word & 0x7fff : null,
    eventWrap: wants ? (word & EVENT.WRAP) !== 0 : null,
  };
}
