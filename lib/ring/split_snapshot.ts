/**
 * One reading of a split ring.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import { FEATURE, type RingConfig } from "./config.ts";
import { CLOSE_LOOK_BUDGET, MAX_FINDINGS } from "./limits.ts";
import { linkedChain } from "./plain_chain.ts";
import { finding } from "./sections.ts";
import type {
  ChainState,
  DescriptorChain,
  RingIndices,
  RingSnapshot,
  SnapshotOptions,
  Suppression,
} from "./snapshot.ts";
import { splitChain, type SplitChainContext } from "./split_chain.ts";
import type { SplitWalk } from "./split_walk.ts";
import { splitSuppression } from "./suppression.ts";
import type { UsedElement, UsedRing } from "./used_ring.ts";

const NONE: readonly Finding[] = [];

/** From where on how many available entries are walked, and what is wrong with the indices. */
export interface SplitExtent {
  /** Free-running index. */
  readonly first: number;
  readonly count: number;
  /** It is a consumer's own position: what is from there on nobody has used yet. */
  readonly own: boolean;
  readonly findings: readonly Finding[];
}

/** What the ring has read beside the walk. */
export interface SplitReading {
  readonly indices: Omit<RingIndices, "raced">;
  readonly options: SnapshotOptions;
  /** Whether an index has moved since; asked when all else has been read. */
  readonly moved: () => boolean;
}

/** The ring that is read, as far as a snapshot needs it. */
interface SplitOrigin {
  readonly memory: GuestMemory;
  readonly config: RingConfig;
  readonly findings: readonly Finding[];
}

/** A reading of a split ring. Chains are made from the walk's private copies on demand. */
export class SplitSnapshot implements RingSnapshot {
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
    private readonly ring: SplitOrigin,
    private readonly walk: SplitWalk,
    private readonly extent: SplitExtent,
    usedRing: UsedRing | null,
    { indices, options, moved }: SplitReading,
  ) {
    ({ available: this.available, used: this.used, inFlight: this.inFlight } = indices);
    this.time = indices.time;
    const mayBeStale = (chain: number) => this.#mayBeStale(chain, usedRing);
    this.#context = { memory: ring.memory, config: ring.config, walk, mayBeStale };
    this.#lookClosely();
    this.#recent = options.chains === "recent" && usedRing !== null
      ? this.#lookBack(usedRing.recent(options.recentCount ?? 16))
      : [];
    this.raced = moved();
  }

  get config(): RingConfig {
    return this.ring.config;
  }

  get chainCount(): number {
    return this.#recent.length + this.walk.count;
  }

  get suppression(): Suppression {
    return splitSuppression(this.available, this.used);
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
    const extra = this.extent.findings.length + this.#stopped.length;
    if (this.#recent.length + this.#careful.size + extra === 0) return this.ring.findings;
    const chains = [...this.#recent, ...this.#careful.values()].flatMap(({ findings }) => findings);
    const ring = [...this.ring.findings, ...this.extent.findings, ...this.#stopped];
    return [...ring, ...chains].slice(0, MAX_FINDINGS);
  }

  chain(n: number): DescriptorChain {
    if (!Number.isInteger(n) || n < 0 || n >= this.chainCount) {
      throw new RangeError(`chain ${n} of ${this.chainCount}`);
    }
    if (n < this.#recent.length) return this.#recent[n];
    const chain = n - this.#recent.length;
    return this.#careful.get(chain) ??
      (this.#passed(chain) ? this.#named(chain) : this.#plain(chain));
  }

  /** Whether a chain is doubtful, and behind where the budget ended. */
  #passed(chain: number): boolean {
    return this.#careful.size < this.walk.doubtful.length &&
      this.walk.doubtful.includes(chain, this.#careful.size);
  }

  /** A chain that nothing is wrong with. */
  #plain(chain: number): DescriptorChain {
    const { head, slot } = this.#placeOf(chain);
    const { table, tableAt, arena } = this.walk;
    const indirect = tableAt[chain] >= 0;
    const { descriptors, readable, writable } = indirect
      ? linkedChain(arena.words, tableAt[chain], 0)
      : linkedChain(table, 0, head);
    const state = this.#state(chain);
    const rest = { indirect, state, written: null, descriptors, findings: NONE };
    return { head, slot, id: head, readable, writable, ...rest };
  }

  /** A chain that there is no budget for: its head only. Looking at it could take for ever. */
  #named(chain: number): DescriptorChain {
    const { head, slot } = this.#placeOf(chain);
    const state = this.#state(chain);
    const none = { readable: 0, writable: 0, indirect: false, written: null, descriptors: [] };
    const place = `available ring slot ${slot}`;
    const findings = [
      finding("split", "chain-too-long", place, "behind too much of faulty chains"),
    ];
    return { head, slot, id: head, state, ...none, findings };
  }

  /** At once, not on demand: a closer look may have to read tables that the walk has not copied. */
  #lookClosely(): void {
    if (this.walk.doubtful.length === 0) return;
    const afford = this.#budget();
    for (const chain of this.walk.doubtful) {
      if (!afford()) return this.#stop(`chain ${chain}`, "faulty chains");
      const looked = this.#look(chain);
      this.#careful.set(chain, looked);
      afford(looked);
    }
  }

  /** The used buffers, oldest first; the newest are looked at first. */
  #lookBack(elements: UsedElement[]): DescriptorChain[] {
    const afford = this.#budget();
    const chains: DescriptorChain[] = [];
    for (const element of elements.reverse()) {
      if (!afford()) {
        this.#stop("used ring", "recent chains");
        break;
      }
      const chain = this.#past(element);
      chains.push(chain);
      afford(chain);
    }
    return chains.reverse();
  }

  /** Counts the descriptors of chains that were looked at; false when it is enough. */
  #budget(): (looked?: DescriptorChain) => boolean {
    const { arena } = this.walk;
    let left = CLOSE_LOOK_BUDGET + arena.fetched;
    return (looked) => {
      if (looked !== undefined) left -= looked.descriptors.length + 1;
      return left > arena.fetched;
    };
  }

  #stop(place: string, what: string): void {
    const text = `more than ${CLOSE_LOOK_BUDGET} descriptors in ${what}: the rest is not counted`;
    this.#stopped.push(finding("split", "chain-too-long", place, text));
  }

  #look(chain: number): DescriptorChain {
    const rest = { chain, state: this.#state(chain), written: null };
    return splitChain(this.#context, { ...this.#placeOf(chain), ...rest });
  }

  #placeOf(chain: number): { head: number; slot: number } {
    const slot = (this.walk.first + chain) & (this.config.size - 1);
    return { head: this.walk.head(chain), slot };
  }

  /** A buffer that went back to the driver: stale, so nothing about it is a violation. */
  #past(entry: UsedElement): DescriptorChain {
    const place = { chain: -1, head: entry.id, slot: entry.slot, written: entry.length };
    const chain = splitChain(this.#context, { ...place, state: "used" });
    if (entry.id < this.config.size) return { ...chain, findings: [] };
    const text = `used element names ${entry.id} in a ring of ${this.config.size}`;
    const bad = finding("split", "id-out-of-range", `used ring slot ${entry.slot}`, text);
    return { ...chain, findings: [bad] };
  }

  /** Between the used index and what the device has fetched, where that is known, it is in flight. */
  #state(chain: number): ChainState {
    const used = this.used.index;
    const outstanding = (this.available.index - used) & 0xffff;
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
    if (this.extent.own || (this.config.features & FEATURE.IN_ORDER) !== 0n) return false;
    if (this.#isUnfetched(chain)) return false;
    return usedRing?.has(this.walk.head(chain)) ?? false;
  }

  /**
   * An entry that the device has not come to. How far it has come counts only as long as it has used
   * nothing since it was asked.
   */
  #isUnfetched(chain: number): boolean {
    const { config: { fetched, used }, used: { index }, walk } = this;
    if (fetched === undefined || (used !== undefined && used.index !== index)) return false;
    const taken = (fetched.index - index) & 0xffff;
    const outstanding = (this.available.index - index) & 0xffff;
    return taken <= outstanding && ((walk.first + chain - index) & 0xffff) >= taken;
  }
}
