/**
 * A split virtqueue as a passive reader sees it: virtio 1.4, 2.7.
 *
 * The order of looks is that of a consumer: indices first, by ordered loads, then entries, then the
 * descriptors they name, then the indices again. Used is read before available, so that the number
 * in flight is never negative.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { Areas } from "./check_config.ts";
import { FEATURE, type RingConfig } from "./config.ts";
import { isOnFirstLap } from "./first_lap.ts";
import { newIndices } from "./positions.ts";
import { finding } from "./sections.ts";
import type {
  IndexWords,
  IndicesToFill,
  Ring,
  RingIndices,
  RingPositions,
  RingSnapshot,
  SideToFill,
  SnapshotOptions,
  Suppression,
} from "./snapshot.ts";
import { AVAIL, USED } from "./spec.ts";
import { type SplitExtent, SplitSnapshot } from "./split_snapshot.ts";
import { SplitWalk } from "./split_walk.ts";
import { splitSuppression } from "./suppression.ts";
import { areaFault, unreadable } from "./unreadable.ts";
import { UsedRing } from "./used_ring.ts";

/** A split ring. `openRing` makes one after checking its configuration. */
export class SplitRing implements Ring {
  readonly #eventIndex: boolean;

  constructor(
    readonly memory: GuestMemory,
    readonly config: RingConfig,
    readonly areas: Areas,
    readonly findings: readonly Finding[],
  ) {
    this.#eventIndex = (config.features & FEATURE.EVENT_IDX) !== 0n;
  }

  indices(): RingIndices | null {
    const indices = newIndices();
    return this.fill(indices) ? indices : null;
  }

  fill(into: IndicesToFill): boolean {
    into.time = Date.now();
    const used = this.areas.device.load16(USED.IDX);
    const available = this.areas.driver.load16(AVAIL.IDX);
    if (used === null || available === null) return false;
    if (!this.#fillSides(into, used, available)) return false;
    into.inFlight = (available - used) & 0xffff;
    into.exact = true;
    into.raced = this.#moved(used, available);
    return true;
  }

  positions(into: RingPositions): boolean {
    const used = this.areas.device.load16(USED.IDX);
    const available = this.areas.driver.load16(AVAIL.IDX);
    if (used === null || available === null) return false;
    into.available = available;
    into.used = used;
    into.inFlight = (available - used) & 0xffff;
    into.exact = true;
    return true;
  }

  indexWords(into: IndexWords): boolean {
    const { driver, device } = this.areas;
    const words = driver.wordsInPlace();
    if (words === null || words !== device.wordsInPlace()) return false;
    into.words = words;
    into.available = driver.firstWord + AVAIL.IDX / 2;
    into.used = device.firstWord + USED.IDX / 2;
    return true;
  }

  stands({ available, used }: RingIndices): boolean {
    const { driver, device } = this.areas;
    const { size } = this.config;
    return device.load16(USED.IDX) === used.index && driver.load16(AVAIL.IDX) === available.index &&
      driver.load16(AVAIL.FLAGS) === available.flags && device.load16(USED.FLAGS) === used.flags &&
      (!this.#eventIndex || driver.load16(AVAIL.RING + 2 * size) === available.event &&
          device.load16(USED.RING + USED.ELEMENT * size) === used.event);
  }

  suppression({ available, used }: RingIndices): Suppression {
    return splitSuppression(available, used);
  }

  isArmedAtZero(): boolean {
    const used = this.areas.device.load16(USED.IDX);
    return used !== null && isOnFirstLap(this.areas, this.config.size, used);
  }

  fault(): string | null {
    return areaFault(this.config, this.areas)?.errno ?? null;
  }

  snapshot(options: SnapshotOptions = {}): RingSnapshot {
    return this.snapshotInto(new SplitWalk(this.memory, this.config), options);
  }

  /**
   * A snapshot whose columns are those of `walk`: valid until `walk` is used again. For samplers
   * that look many times a second and keep nothing.
   */
  snapshotInto(walk: SplitWalk, options: SnapshotOptions = {}): RingSnapshot {
    const time = Date.now();
    const used = this.areas.device.load16(USED.IDX);
    const available = this.areas.driver.load16(AVAIL.IDX);
    if (used === null || available === null) return this.#unread(time);
    const positions = this.#positions(used, available, options);
    const fault = this.areas.driver.copy(walk.availableBytes) ??
      this.areas.descriptor.copy(walk.tableBytes);
    if (fault !== null) return this.#unread(time);
    walk.run(positions.first, positions.count);
    const wanted = walk.doubtful.length > 0 || options.chains === "recent";
    const usedRing = wanted ? UsedRing.read(this.areas.device, this.config.size, used) : null;
    const indices = newIndices();
    const sides = this.#fillSides(indices, used, available);
    if (!sides) return this.#unread(time);
    indices.inFlight = (available - used) & 0xffff;
    indices.time = time;
    const moved = () => this.#moved(used, available);
    return new SplitSnapshot(this, walk, positions, usedRing, { indices, moved, options });
  }

  /** From where to where the available ring is walked, and what is wrong with the indices. */
  #positions(used: number, available: number, options: SnapshotOptions): SplitExtent {
    const { size, start } = this.config;
    const findings: Finding[] = [];
    const outstanding = (available - used) & 0xffff;
    const ahead = (used - available) & 0xffff;
    const usedAhead = outstanding > size && ahead <= size;
    if (usedAhead) {
      const text = `used index ${used} is ${ahead} ahead of available index ${available}`;
      findings.push(finding("split", "used-ahead", "used ring", text));
    }
    const passed = start !== undefined && outstanding <= size && isBehind(start.index, used);
    const skips = start === undefined || (passed && options.chains !== "all");
    const told = skips ? used : start.index;
    // A ring that moves on between two looks is no fault of it: what is left of a lap is walked.
    const lapped = options.chains === "all" && ((available - told) & 0xffff) > size;
    const first = lapped ? (available - size) & 0xffff : told;
    let count = (available - first) & 0xffff;
    if (count > size) {
      if (start !== undefined || !usedAhead) {
        const text = `index moved from ${first} to ${available}, more than the size of ${size}`;
        findings.push(finding("split", "avail-jump", "available ring", text));
      }
      count = 0;
    }
    if (options.chains === "none") count = 0;
    return { first, count, findings, own: start !== undefined && !passed };
  }

  #unread(time: number): RingSnapshot {
    return unreadable(this.config, this.areas, this.findings, time);
  }

  /** Whether an index is not any more what it was. */
  #moved(used: number, available: number): boolean {
    return this.areas.driver.load16(AVAIL.IDX) !== available ||
      this.areas.device.load16(USED.IDX) !== used;
  }

  /** Both sides with flags and event indices; false where those can not be read. */
  #fillSides(into: IndicesToFill, used: number, available: number): boolean {
    const { driver, device } = this.areas;
    const { size } = this.config;
    const flags = driver.load16(AVAIL.FLAGS);
    const usedFlags = device.load16(USED.FLAGS);
    const usedEvent = this.#eventIndex ? driver.load16(AVAIL.RING + 2 * size) : null;
    const availEvent = this.#eventIndex ? device.load16(USED.RING + USED.ELEMENT * size) : null;
    if (flags === null || usedFlags === null) return false;
    fillSide(into.available, available, flags, usedEvent);
    fillSide(into.used, used, usedFlags, availEvent);
    return true;
  }
}

function fillSide(
  into: SideToFill,
  index: number,
  flags: number,
  event: number | null,
): void {
  into.index = index;
  into.flags = flags;
  into.event = event;
}

/** Whether a free-running index comes before another: by less than half of all there are. */
function isBehind(index: number, other: number): boolean {
  const ahead = (other - index) & 0xffff;
  return ahead > 0 && ahead < 0x8000;
}
