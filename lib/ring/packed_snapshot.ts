/**
 * One reading of a packed ring.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import { FEATURE, type RingConfig } from "./config.ts";
import { CLOSE_LOOK_BUDGET, MAX_FINDINGS } from "./limits.ts";
import { packedChain, type PackedChainContext } from "./packed_chain.ts";
import { availBit, usedBit } from "./packed_position.ts";
import { StaleLists } from "./packed_stale.ts";
import type { PackedWalk } from "./packed_walk.ts";
import { listChain, tableChain } from "./plain_chain.ts";
import { finding } from "./sections.ts";
import type {
  ChainState,
  DescriptorChain,
  RingIndices,
  RingSide,
  RingSnapshot,
  Suppression,
} from "./snapshot.ts";
import { EVENT } from "./spec.ts";
import { packedSuppression } from "./suppression.ts";

const NONE: readonly Finding[] = [];

/** The ring that is read, as far as a snapshot needs it. */
interface PackedOrigin {
  readonly memory: GuestMemory;
  readonly config: RingConfig;
  readonly findings: readonly Finding[];
}

/** A reading of a packed ring. */
export class PackedSnapshot implements RingSnapshot {
  readonly available: RingSide;
  readonly used: RingSide;
  readonly inFlight: number;
  readonly exact: boolean;
  readonly raced: boolean;
  readonly time: number;
  readonly #context: PackedChainContext;
  readonly #careful = new Map<number, DescriptorChain>();
  readonly #own: Finding[] = [];

  constructor(
    private readonly ring: PackedOrigin,
    private readonly walk: PackedWalk,
    indices: Omit<RingIndices, "raced">,
    /** Whether a position has moved since; asked when all else has been read. */
    moved: () => boolean,
  ) {
    ({ available: this.available, used: this.used, inFlight: this.inFlight } = indices);
    ({ exact: this.exact, time: this.time } = indices);
    const { memory, config } = ring;
    const inOrder = (config.features & FEATURE.IN_ORDER) !== 0n;
    const mayBeStale = config.start === undefined && !(inOrder && this.exact);
    const stale = new StaleLists(walk, config, mayBeStale);
    this.#context = { memory, config, walk, mayBeStale, stale };
    this.#checkEvent("driver event area", this.available);
    this.#checkEvent("device event area", this.used);
    this.#checkEnd();
    this.#lookClosely();
    this.raced = moved();
  }

  get config(): RingConfig {
    return this.ring.config;
  }

  get chainCount(): number {
    return this.walk.count;
  }

  get suppression(): Suppression {
    return packedSuppression(this.available, this.used);
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
    return [...this.ring.findings, ...this.#own, ...chains].slice(0, MAX_FINDINGS);
  }

  chain(n: number): DescriptorChain {
    if (!Number.isInteger(n) || n < 0 || n >= this.chainCount) {
      throw new RangeError(`chain ${n} of ${this.chainCount}`);
    }
    return this.#careful.get(n) ?? (this.#passed(n) ? this.#named(n) : this.#plain(n));
  }

  /** Whether a list is doubtful, and behind where the budget ended. */
  #passed(chain: number): boolean {
    return this.#careful.size < this.walk.doubtful.length &&
      this.walk.doubtful.includes(chain, this.#careful.size);
  }

  /** A list that nothing is wrong with. Its id stands in its last slot. */
  #plain(chain: number): DescriptorChain {
    const { table, tableAt, arena, slots } = this.walk;
    const slot = slots[chain];
    const indirect = tableAt[chain] >= 0;
    const { descriptors, readable, writable } = indirect
      ? tableChain(arena.words, tableAt[chain], table[slot * 4 + 2] >>> 4)
      : listChain(table, this.config.size, slot);
    const last = indirect ? slot : descriptors[descriptors.length - 1].index;
    const id = table[last * 4 + 3] & 0xffff;
    const rest = { indirect, state: this.#state(chain), written: null, descriptors };
    return { head: slot, slot, id, readable, writable, ...rest, findings: NONE };
  }

  /** A list that there is no budget for: its first slot only, and that slot's id. */
  #named(chain: number): DescriptorChain {
    const slot = this.walk.slots[chain];
    const id = this.walk.table[slot * 4 + 3] & 0xffff;
    const none = { readable: 0, writable: 0, indirect: false, written: null, descriptors: [] };
    const text = "behind too much of faulty lists";
    const findings = [finding("packed", "chain-too-long", `slot ${slot}`, text)];
    return { head: slot, slot, id, state: this.#state(chain), ...none, findings };
  }

  #look(chain: number): DescriptorChain {
    return packedChain(this.#context, chain, this.#state(chain));
  }

  /** At once, not on demand: a closer look may have to read tables that the walk has not copied. */
  #lookClosely(): void {
    if (this.walk.doubtful.length === 0) return;
    const { arena, doubtful } = this.walk;
    let left = CLOSE_LOOK_BUDGET;
    for (const chain of doubtful) {
      if (left <= arena.fetched) return this.#stop(chain);
      const looked = this.#look(chain);
      this.#careful.set(chain, looked);
      left -= looked.descriptors.length + 1;
    }
  }

  #stop(chain: number): void {
    const text =
      `more than ${CLOSE_LOOK_BUDGET} descriptors in faulty lists: the rest is not counted`;
    this.#own.push(finding("packed", "chain-too-long", `list ${chain}`, text));
  }

  #state(chain: number): ChainState {
    const { fetched, size } = this.config;
    if (fetched === undefined) return "available";
    const first = this.walk.first.index;
    const taken = (fetched.index - first + size) % size;
    return (this.walk.slots[chain] - first + size) % size < taken ? "inflight" : "available";
  }

  /** 2.8.14: flags 3 are reserved, 2 needs the event index feature, offsets are slots. */
  #checkEvent(place: string, { flags, event }: RingSide): void {
    const kind = flags & EVENT.FLAGS_MASK;
    if (kind === 3) this.#invalid(place, "flags are 3, which is reserved");
    if (kind === EVENT.DESC && (this.config.features & FEATURE.EVENT_IDX) === 0n) {
      this.#invalid(place, "flags ask for a descriptor event without VIRTIO_F_EVENT_IDX");
    }
    if (event !== null && event >= this.config.size) {
      this.#invalid(place, `offset ${event} in a ring of ${this.config.size}`);
    }
  }

  /** Where the walk ended nothing can be used in this lap: the device has not been there. */
  #checkEnd(): void {
    const { end, early, count } = this.walk;
    const known = this.config.start !== undefined || this.exact;
    if (!known || count >= this.config.size || count === 0) return;
    const marked = availBit(early, end.index) === end.wrap &&
      usedBit(early, end.index) === end.wrap;
    if (marked) {
      this.#invalid(`slot ${end.index}`, "marked used in a lap in which it was not available");
    }
  }

  #invalid(place: string, text: string): void {
    this.#own.push(finding("packed", "flags-invalid", place, text));
  }
}
