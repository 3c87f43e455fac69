/**
 * Reads the packets that pass a packed network queue. A used descriptor tells a buffer's id and
 * nothing of where the buffer is, so buffers are remembered from when they were available.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RingPosition } from "../ring/config.ts";
import { availBit, slotsBetween, usedBit } from "../ring/packed_position.ts";
import { openRing } from "../ring/ring.ts";
import type { DescriptorChain, Ring, RingSnapshot } from "../ring/snapshot.ts";
import { type Frame, FrameBuilder } from "./frames.ts";
import { lapWatch } from "./laps.ts";
import { packetBuffer, type PacketTap, type TapOptions } from "./split_tap.ts";

/** A list that is with the device, and how many slots it takes. */
interface Known {
  readonly chain: DescriptorChain;
  readonly slots: number;
}

/** Follows one packed queue. The first poll only takes the position. */
export class PackedTap implements PacketTap {
  readonly #options: TapOptions;
  readonly #ring: Ring;
  readonly #builder: FrameBuilder;
  readonly #words: Uint32Array;
  readonly #lapped: () => boolean;
  readonly #known = new Map<number, Known>();
  /** Transmit: the driver's position seen last. Receive: the device's. */
  #next: RingPosition | null = null;

  constructor(options: TapOptions) {
    this.#options = options;
    this.#ring = openRing(options.memory, { ...options.config, start: undefined });
    this.#words = new Uint32Array(options.config.size * 4);
    const merged = options.merged && options.role === "rx";
    this.#builder = new FrameBuilder(options.header, merged, options.config.size);
    this.#lapped = lapWatch(this.#ring, options);
  }

  get uncounted(): boolean {
    return this.#builder.uncounted;
  }

  poll(): Frame[] {
    if (this.#lapped()) this.#lose();
    const frames = this.#passed();
    if (this.#lapped()) this.#lose();
    return frames;
  }

  /** Positions mean nothing after a lap, and buffers that are known by id may have gone and come. */
  #lose(): void {
    this.#builder.loseUncounted();
    this.#known.clear();
    if (this.#options.role === "rx") this.#next = null;
  }

  #passed(): Frame[] {
    const frames = this.#options.role === "rx" && this.#next !== null ? this.#received() : [];
    const snapshot = this.#ring.snapshot();
    const chains = Array.from({ length: snapshot.chainCount }, (_, n) => snapshot.chain(n));
    if (this.#options.role === "tx") frames.push(...this.#sent(snapshot, chains));
    else this.#remember(snapshot, chains);
    return frames;
  }

  /** Lists between the driver's last position and its present one. */
  #sent(snapshot: RingSnapshot, chains: readonly DescriptorChain[]): Frame[] {
    const now = position(snapshot.available);
    const before = this.#next;
    this.#next = now;
    if (before === null) return [];
    const { size } = this.#options.config;
    const distance = slotsBetween(before, now, size);
    if (distance < 0 || distance > size) this.#builder.loseUncounted();
    const passed = distance < 0 ? size : Math.min(distance, size);
    const fresh = chains.filter(({ slot }) => this.#offset(slot, now) <= passed);
    const seen = fresh.length === 0 ? 0 : this.#offset(fresh[0].slot, now);
    // What lies before the first list that is still there was used before it could be read.
    const gone = this.#usedIn(before, passed - seen);
    if (gone > 0) this.#builder.lose(gone);
    return fresh.flatMap((chain) => this.#take(chain, chain.readable));
  }

  /** Buffers used since the device's last position. */
  #received(): Frame[] {
    const frames: Frame[] = [];
    const { size } = this.#options.config;
    if (!this.#copyRing()) return frames;
    let at = this.#next as RingPosition;
    for (let slots = 0; slots < size && this.#isUsed(at);) {
      const id = this.#words[at.index * 4 + 3] & 0xffff;
      const known = this.#known.get(id);
      if (known === undefined) this.#builder.lose(1);
      else frames.push(...this.#take(known.chain, this.#words[at.index * 4 + 2]));
      this.#known.delete(id);
      const taken = known?.slots ?? 1;
      slots += taken;
      at = this.#advance(at, taken);
    }
    this.#next = at;
    return frames;
  }

  #remember(snapshot: RingSnapshot, chains: readonly DescriptorChain[]): void {
    this.#next ??= position(snapshot.used);
    for (const chain of chains) {
      this.#known.set(chain.id, { chain, slots: chain.indirect ? 1 : chain.descriptors.length });
    }
  }

  #take(chain: DescriptorChain, length: number): Frame[] {
    const { memory, role, snap } = this.#options;
    const frame = this.#builder.take(packetBuffer(chain, memory, role, length, snap, ""));
    return frame === null ? [] : [frame];
  }

  #copyRing(): boolean {
    const { memory, config } = this.#options;
    const at = guestAddressOf(memory, config.descriptor, config.addressSpace);
    return at !== null && memory.copy(at, new Uint8Array(this.#words.buffer)) === null;
  }

  /** 2.8.1: used in the lap of the position's wrap counter. */
  #isUsed({ index, wrap }: RingPosition): boolean {
    return availBit(this.#words, index) === wrap && usedBit(this.#words, index) === wrap;
  }

  /** How many used descriptors there are in `slots` slots from a position on. */
  #usedIn(from: RingPosition, slots: number): number {
    if (slots <= 0 || !this.#copyRing()) return 0;
    let count = 0;
    for (let n = 0; n < slots; n++) if (this.#isUsed(this.#advance(from, n))) count++;
    return count;
  }

  #advance({ index, wrap }: RingPosition, slots: number): RingPosition {
    const { size } = this.#options.config;
    const sum = index + slots;
    return sum < size ? { index: sum, wrap } : { index: sum - size, wrap: !wrap };
  }

  /** How many slots a slot lies before a position: 1 to the size. */
  #offset(slot: number, before: RingPosition): number {
    const { size } = this.#options.config;
    return (before.index - slot + size - 1) % size + 1;
  }
}

function position({ index, wrap }: { index: number; wrap: boolean | null }): RingPosition {
  return { index, wrap: wrap === true };
}

function guestAddressOf(
  memory: GuestMemory,
  address: bigint,
  space: "guest" | "user",
): bigint | null {
  return space === "guest" ? address : memory.table.toGuest(address);
}
