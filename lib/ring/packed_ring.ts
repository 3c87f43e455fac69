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
import { CLOSE_LOOK_BUDGET, MAX_FINDINGS } from "./limits.ts";
import { packedChain, type PackedChainContext } from "./packed_chain.ts";
import { availBit, slotsBetween, usedBit } from "./packed_position.ts";
import { knownStart, type PackedSpan, packedSpan } from "./packed_start.ts";
import { PackedWalk } from "./packed_walk.ts";
import { finding } from "./sections.ts";
import type {
  ChainState,
  DescriptorChain,
  Ring,
  RingIndices,
  RingSide,
  RingSnapshot,
  SnapshotOptions,
  Suppression,
} from "./snapshot.ts";
import { EVENT } from "./spec.ts";
import { unreadable } from "./unreadable.ts";

/** A packed ring. `openRing` makes one after checking its configuration. */
export class PackedRing implements Ring {
  #scratch: Uint32Array | null = null;

  constructor(
    readonly memory: GuestMemory,
    readonly config: RingConfig,
    readonly areas: Areas,
    readonly findings: readonly Finding[],
  ) {}

  indices(): RingIndices | null {
    const time = Date.now();
    const words = this.#scratch ??= new Uint32Array(this.config.size * 4);
    if (this.areas.descriptor.copy(new Uint8Array(words.buffer)) !== null) return null;
    return this.#indices(packedSpan(words, this.config), words, time);
  }

  snapshot(options: SnapshotOptions = {}): RingSnapshot {
    return this.snapshotInto(new PackedWalk(this.memory, this.config), options);
  }

  /** A snapshot whose columns are those of `walk`: valid until `walk` is used again. */
  snapshotInto(walk: PackedWalk, options: SnapshotOptions = {}): RingSnapshot {
    const time = Date.now();
    const fault = this.areas.descriptor.copy(walk.earlyBytes) ??
      this.areas.descriptor.copy(walk.tableBytes);
    if (fault !== null) return unreadable(this.config, this.findings, time, fault);
    const none = options.chains === "none";
    const known = none ? null : knownStart(walk.early, this.config);
    const span = known === null ? this.#walkDerived(walk, none) : this.#walkKnown(walk, known);
    const indices = this.#indices(span, walk.early, time);
    if (indices === null) return unreadable(this.config, this.findings, time);
    return new PackedSnapshot(this, walk, indices);
  }

  /** The driver's position is where the walk ends, so the flags need not be searched for it. */
  #walkKnown(walk: PackedWalk, used: RingPosition): PackedSpan {
    walk.run(used);
    return { available: walk.end, used, exact: true };
  }

  #walkDerived(walk: PackedWalk, none: boolean): PackedSpan {
    const span = packedSpan(walk.early, this.config);
    walk.run(none ? span.available : span.used);
    return span;
  }

  #indices(span: PackedSpan, words: Uint32Array, time: number): RingIndices | null {
    const { size, features } = this.config;
    const eventIndex = (features & FEATURE.EVENT_IDX) !== 0n;
    const available = side(span.available, this.areas.driver, eventIndex);
    const used = side(span.used, this.areas.device, eventIndex);
    if (available === null || used === null) return null;
    const inFlight = slotsBetween(span.used, span.available, size);
    const raced = this.#moved(span.used, words) || this.#moved(span.available, words);
    return { available, used, inFlight, exact: span.exact, raced, time };
  }

  /** Whether the flags at a position are not any more what the copy says. */
  #moved(position: RingPosition, words: Uint32Array): boolean {
    const now = this.areas.descriptor.load16(position.index * 16 + 14);
    return now !== null && now !== words[position.index * 4 + 3] >>> 16;
  }
}

/** One side's position and what its event area says (2.8.14). */
function side(position: RingPosition, area: Areas["driver"], eventIndex: boolean): RingSide | null {
  const word = area.load16(0);
  const flags = area.load16(2);
  if (word === null || flags === null) return null;
  const wants = eventIndex && (flags & EVENT.FLAGS_MASK) === EVENT.DESC;
  return {
    ...position,
    flags,
    event: wants ? word & 0x7fff : null,
    eventWrap: wants ? (word & EVENT.WRAP) !== 0 : null,
  };
}

/** A reading of a packed ring. */
class PackedSnapshot implements RingSnapshot {
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
    private readonly ring: PackedRing,
    private readonly walk: PackedWalk,
    indices: RingIndices,
  ) {
    ({ available: this.available, used: this.used, inFlight: this.inFlight } = indices);
    ({ exact: this.exact, raced: this.raced, time: this.time } = indices);
    const { memory, config } = ring;
    const inOrder = (config.features & FEATURE.IN_ORDER) !== 0n;
    const mayBeStale = config.start === undefined && !inOrder;
    this.#context = { memory, config, walk, mayBeStale };
    this.#checkEvents();
    this.#checkEnd();
    this.#lookClosely();
  }

  get config(): RingConfig {
    return this.ring.config;
  }

  get chainCount(): number {
    return this.walk.count;
  }

  get suppression(): Suppression {
    const { available, used } = this;
    const by = used.event !== null || available.event !== null ? "event index" : "flags";
    return { kickWanted: wanted(used, available), callWanted: wanted(available, used), by };
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
    return this.#careful.get(n) ?? this.#look(n);
  }

  #look(chain: number): DescriptorChain {
    return packedChain(this.#context, chain, this.#state(chain));
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
        `more than ${CLOSE_LOOK_BUDGET} descriptors in faulty lists: the rest is not counted`;
      this.#own.push(finding("packed", "chain-too-long", `list ${chain}`, text));
      return;
    }
  }

  #state(chain: number): ChainState {
    const { fetched, size } = this.config;
    if (fetched === undefined) return "available";
    const first = this.walk.first.index;
    const taken = (fetched.index - first + size) % size;
    return (this.walk.slots[chain] - first + size) % size < taken ? "inflight" : "available";
  }

  /** 2.8.14: flags 3 are reserved, 2 needs the event index feature, offsets are slots. */
  #checkEvents(): void {
    const { features, size } = this.config;
    const places = [["driver event area", this.available], [
      "device event area",
      this.used,
    ]] as const;
    for (const [place, { flags, event }] of places) {
      const kind = flags & EVENT.FLAGS_MASK;
      if (kind === 3) this.#invalid(place, "flags are 3, which is reserved");
      if (kind === EVENT.DESC && (features & FEATURE.EVENT_IDX) === 0n) {
        this.#invalid(place, "flags ask for a descriptor event without VIRTIO_F_EVENT_IDX");
      }
      if (event !== null && event >= size) {
        this.#invalid(place, `offset ${event} in a ring of ${size}`);
      }
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

/** Whether the owner of an event area wants to hear of the next descriptor of the other side. */
function wanted(owner: RingSide, other: RingSide): boolean {
  if (owner.event !== null) return owner.event === other.index && owner.eventWrap === other.wrap;
  return (owner.flags & EVENT.FLAGS_MASK) !== EVENT.DISABLE;
}
