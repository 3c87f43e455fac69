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
import { CLOSE_LOOK_BUDGET, MAX_FINDINGS } from "./limits.ts";
import { finding } from "./sections.ts";
import type {
  ChainState,
  DescriptorChain,
  Ring,
  RingIndices,
  RingSnapshot,
  SnapshotOptions,
  Suppression,
} from "./snapshot.ts";
import { AVAIL, USED } from "./spec.ts";
import { splitChain, type SplitChainContext } from "./split_chain.ts";
import { SplitWalk } from "./split_walk.ts";
import { unreadable } from "./unreadable.ts";
import { UsedRing } from "./used_ring.ts";

/** What one look at the indices gives; a missing one can not be read. */
interface Positions {
  readonly used: number;
  readonly available: number;
  readonly first: number;
  readonly count: number;
  readonly findings: readonly Finding[];
}

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
    const time = Date.now();
    const used = this.areas.device.load16(USED.IDX);
    const available = this.areas.driver.load16(AVAIL.IDX);
    if (used === null || available === null) return null;
    const rest = this.#sides(used, available);
    if (rest === null) return null;
    const raced = this.areas.device.load16(USED.IDX) !== used ||
      this.areas.driver.load16(AVAIL.IDX) !== available;
    const inFlight = (available - used) & 0xffff;
    return { ...rest, inFlight, exact: true, raced, time };
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
    if (used === null || available === null) return unreadable(this.config, this.findings, time);
    const positions = this.#positions(used, available, options);
    const fault = this.areas.driver.copy(walk.availableBytes) ??
      this.areas.descriptor.copy(walk.tableBytes);
    if (fault !== null) return unreadable(this.config, this.findings, time, fault);
    walk.run(positions.first, positions.count);
    const wanted = walk.doubtful.length > 0 || options.chains === "recent";
    const usedRing = wanted ? UsedRing.read(this.areas.device, this.config.size, used) : null;
    const indices = this.#finish(used, available, time);
    if (indices === null) return unreadable(this.config, this.findings, time);
    return new SplitSnapshot(this, walk, positions, usedRing, indices, options);
  }

  /** From where to where the available ring is walked, and what is wrong with the indices. */
  #positions(used: number, available: number, options: SnapshotOptions): Positions {
    const { size, start } = this.config;
    const findings: Finding[] = [];
    const outstanding = (available - used) & 0xffff;
    const ahead = (used - available) & 0xffff;
    const usedAhead = outstanding > size && ahead <= size;
    if (usedAhead) {
      const text = `used index ${used} is ${ahead} ahead of available index ${available}`;
      findings.push(finding("split", "used-ahead", "used ring", text));
    }
    const first = start?.index ?? used;
    let count = (available - first) & 0xffff;
    if (count > size) {
      if (start !== undefined || !usedAhead) {
        const text = `index moved from ${first} to ${available}, more than the size of ${size}`;
        findings.push(finding("split", "avail-jump", "available ring", text));
      }
      count = 0;
    }
    if (options.chains === "none") count = 0;
    return { used, available, first, count, findings };
  }

  #finish(used: number, available: number, time: number): RingIndices | null {
    const rest = this.#sides(used, available);
    if (rest === null) return null;
    const raced = this.areas.driver.load16(AVAIL.IDX) !== available ||
      this.areas.device.load16(USED.IDX) !== used;
    return { ...rest, inFlight: (available - used) & 0xffff, exact: true, raced, time };
  }

  /** Flags and event indices of both sides. */
  #sides(used: number, available: number): Pick<RingIndices, "available" | "used"> | null {
    const { driver, device } = this.areas;
    const { size } = this.config;
    const flags = driver.load16(AVAIL.FLAGS);
    const usedFlags = device.load16(USED.FLAGS);
    const usedEvent = this.#eventIndex ? driver.load16(AVAIL.RING + 2 * size) : null;
    const availEvent = this.#eventIndex ? device.load16(USED.RING + USED.ELEMENT * size) : null;
    if (flags === null || usedFlags === null) return null;
    return {
      available: { index: available, flags, event: usedEvent, wrap: null, eventWrap: null },
      used: { index: used, flags: usedFlags, event: availEvent, wrap: null, eventWrap: null },
    };
  }
}

/** A reading of a split ring. Chains are made from the walk's private copies on demand. */
class SplitSnapshot implements RingSnapshot {
  readonly available: RingIndices["available"];
  readonly used: RingIndices["used"];
  readonly inFlight: number;
  readonly exact = true;
  readonly raced: boolean;
  readonly time: number;
  readonly #context: SplitChainContext;
  readonly #careful = new Map<number, DescriptorChain>();
  readonly #recent: readonly DescriptorChain[];
  readonly #stopped: Finding[] = [];

  constructor(
    private readonly ring: SplitRing,
    private readonly walk: SplitWalk,
    private readonly positions: Positions,
    usedRing: UsedRing | null,
    indices: RingIndices,
    options: SnapshotOptions,
  ) {
    ({ available: this.available, used: this.used, inFlight: this.inFlight } = indices);
    ({ raced: this.raced, time: this.time } = indices);
    const mayBeStale = (chain: number) => this.#mayBeStale(chain, usedRing);
    this.#context = { memory: ring.memory, config: ring.config, walk, mayBeStale };
    this.#lookClosely();
    this.#recent = options.chains === "recent" && usedRing !== null
      ? usedRing.recent(options.recentCount ?? 16).map((entry) => this.#past(entry))
      : [];
  }

  get config(): RingConfig {
    return this.ring.config;
  }

  get chainCount(): number {
    return this.#recent.length + this.walk.count;
  }

  get suppression(): Suppression {
    const { available, used } = this;
    if (used.event === null || available.event === null) {
      const kickWanted = (used.flags & USED.F_NO_NOTIFY) === 0;
      const callWanted = (available.flags & AVAIL.F_NO_INTERRUPT) === 0;
      return { kickWanted, callWanted, by: "flags" };
    }
    const kickWanted = used.event === available.index;
    return { kickWanted, callWanted: available.event === used.index, by: "event index" };
  }

  get totals(): RingSnapshot["totals"] {
    let { descriptors, readable, writable } = this.walk;
    for (const chain of this.#careful.values()) {
      descriptors += chain.descriptors.length;
      readable += chain.readable;
      writable += chain.writable;
    }
    return { descriptors, readable, writable };
  }

  get findings(): readonly Finding[] {
    const chains = [...this.#careful.values()].flatMap((chain) => chain.findings);
    const ring = [...this.ring.findings, ...this.positions.findings, ...this.#stopped];
    return [...ring, ...chains].slice(0, MAX_FINDINGS);
  }

  chain(n: number): DescriptorChain {
    if (!Number.isInteger(n) || n < 0 || n >= this.chainCount) {
      throw new RangeError(`chain ${n} of ${this.chainCount}`);
    }
    if (n < this.#recent.length) return this.#recent[n];
    const chain = n - this.#recent.length;
    return this.#careful.get(chain) ?? this.#look(chain);
  }

  /** At once, not on demand: a closer look may have to read tables that the walk has not copied. */
  #lookClosely(): void {
    let budget = CLOSE_LOOK_BUDGET;
    const { arena } = this.walk;
    for (const chain of this.walk.doubtful) {
      const looked = this.#look(chain);
      this.#careful.set(chain, looked);
      budget -= looked.descriptors.length + 1;
      if (budget > arena.fetched) continue;
      const text =
        `more than ${CLOSE_LOOK_BUDGET} descriptors in faulty chains: the rest is not counted`;
      this.#stopped.push(finding("split", "chain-too-long", `chain ${chain}`, text));
      return;
    }
  }

  #look(chain: number): DescriptorChain {
    const slot = (this.walk.first + chain) & (this.config.size - 1);
    const head = this.walk.head(chain);
    return splitChain(this.#context, {
      chain,
      head,
      slot,
      state: this.#state(chain),
      written: null,
    });
  }

  /** A buffer that went back to the driver: stale, so nothing about it is a violation. */
  #past(entry: { slot: number; id: number; length: number }): DescriptorChain {
    const place = { chain: -1, head: entry.id, slot: entry.slot, written: entry.length };
    const chain = splitChain(this.#context, { ...place, state: "used" });
    if (entry.id < this.config.size) return { ...chain, findings: [] };
    const text = `used element names ${entry.id} in a ring of ${this.config.size}`;
    const bad = finding("split", "id-out-of-range", `used ring slot ${entry.slot}`, text);
    return { ...chain, findings: [bad] };
  }

  /** Between the used index and what the device has fetched, where that is known, it is in flight. */
  #state(chain: number): ChainState {
    const { used, available } = this.positions;
    const outstanding = (available - used) & 0xffff;
    const fetched = this.config.fetched?.index ?? this.used.event ?? used;
    const taken = (fetched - used) & 0xffff;
    const position = (this.walk.first + chain - used) & 0xffff;
    return taken <= outstanding && position < taken ? "inflight" : "available";
  }

  /**
   * A device may complete out of order. Then an entry between the used and the available index can
   * be done already, and its descriptors in use again; but never one that a consumer has yet to see.
   */
  #mayBeStale(chain: number, usedRing: UsedRing | null): boolean {
    if (this.config.start !== undefined || (this.config.features & FEATURE.IN_ORDER) !== 0n) {
      return false;
    }
    return usedRing?.has(this.walk.head(chain)) ?? false;
  }
}
