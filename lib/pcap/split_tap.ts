/**
 * Reads the packets that pass a split network queue, without taking part in it.
 *
 * ```text
 *  transmit: a packet is there when it is made available, until the driver takes it back
 *  receive:  a packet is there when it was used, until the driver posts the buffer again
 * ```
 *
 * @module
 */
import { chainBytes } from "../device/decode_chain.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "../ring/config.ts";
import { openRing } from "../ring/ring.ts";
import type { DescriptorChain, Ring } from "../ring/snapshot.ts";
import { type Frame, FrameBuilder, type PacketBuffer } from "./frames.ts";
import { lapWatch } from "./laps.ts";

/** What to read, and how much of each packet. */
export interface TapOptions {
  readonly memory: GuestMemory;
  readonly config: RingConfig;
  readonly role: "rx" | "tx";
  /** Bytes of the header before each packet. */
  readonly header: number;
  /** VIRTIO_NET_F_MRG_RXBUF was negotiated. */
  readonly merged: boolean;
  /** Bytes kept of a buffer, header included. */
  readonly snap: number;
  /** Milliseconds of a steady clock. Default `performance.now`. */
  readonly clock?: () => number;
}

/** A queue whose packets are read. */
export interface PacketTap {
  /** Whether more may have been lost so far than frames say. */
  readonly uncounted: boolean;
  /**
   * Frames that have passed since the last call, in order, each read when it is asked for. Never
   * throws on guest data.
   */
  poll(): Iterable<Frame>;
}

/** Follows one split queue. The first poll only takes the position. */
export class SplitTap implements PacketTap {
  readonly #options: TapOptions;
  readonly #ring: Ring;
  readonly #builder: FrameBuilder;
  readonly #lapped: () => boolean;
  #next: number | null = null;

  constructor(options: TapOptions) {
    this.#options = options;
    this.#ring = openRing(options.memory, { ...options.config, start: undefined });
    const merged = options.merged && options.role === "rx";
    this.#builder = new FrameBuilder(options.header, merged, options.config.size);
    this.#lapped = lapWatch(this.#ring, options);
  }

  get uncounted(): boolean {
    return this.#builder.uncounted;
  }

  *poll(): Generator<Frame> {
    if (this.#lapped()) this.#builder.loseUncounted();
    yield* this.#passed();
    if (this.#lapped()) this.#builder.loseUncounted();
  }

  *#passed(): Generator<Frame> {
    const indices = this.#ring.indices();
    if (indices === null) return;
    const side = this.#options.role === "tx" ? indices.available : indices.used;
    if (this.#next === null) this.#next = side.index;
    const passed = (side.index - this.#next) & 0xffff;
    if (passed === 0) return;
    const { size } = this.#options.config;
    if (passed > size) {
      this.#builder.lose(passed - size);
      this.#next = (side.index - size) & 0xffff;
    }
    if (this.#options.role === "tx") yield* this.#sent();
    else yield* this.#received(Math.min(passed, size));
  }

  /** Buffers made available since the position. */
  *#sent(): Generator<Frame> {
    const { memory, config } = this.#options;
    const start = { index: this.#next as number, wrap: true };
    // A device is often done with them by now: their descriptors stay until the driver's next turn.
    const snapshot = openRing(memory, { ...config, start }).snapshot({ chains: "all" });
    const first = (snapshot.available.index - snapshot.chainCount) & 0xffff;
    // The ring has moved since its indices were read.
    const missed = (first - start.index) & 0xffff;
    if (missed > 0) this.#builder.lose(missed);
    this.#next = snapshot.available.index;
    for (let n = 0; n < snapshot.chainCount; n++) {
      const used = ((snapshot.used.index - (first + n) - 1) & 0xffff) < 0x8000;
      const chain = snapshot.chain(n);
      yield* this.#take(chain, chain.readable, used ? "read after the device had used it" : "");
    }
  }

  /** The last `count` buffers that were used. */
  *#received(count: number): Generator<Frame> {
    const snapshot = this.#ring.snapshot({
      chains: "recent",
      recentCount: this.#options.config.size,
    });
    const now = (snapshot.used.index - (this.#next as number)) & 0xffff;
    const recent = Array.from({ length: snapshot.chainCount }, (_, n) => snapshot.chain(n))
      .filter(({ state }) => state === "used");
    const wanted = Math.min(Math.max(now, count), recent.length);
    this.#next = snapshot.used.index;
    for (const chain of recent.slice(recent.length - wanted)) {
      yield* this.#take(chain, chain.written ?? 0, "");
    }
  }

  #take(chain: DescriptorChain, length: number, comment: string): Frame[] {
    const { memory, role, snap } = this.#options;
    const frame = this.#builder.take(packetBuffer(chain, memory, role, length, snap, comment));
    return frame === null ? [] : [frame];
  }
}

/** A bounded copy of what a chain carries. */
export function packetBuffer(
  chain: DescriptorChain,
  memory: GuestMemory,
  role: "rx" | "tx",
  length: number,
  snap: number,
  comment: string,
): PacketBuffer {
  const bytes = chainBytes(chain, memory, snap);
  const most = Math.min(length, role === "tx" ? chain.readable : chain.writable);
  const kept = role === "tx" ? bytes.readRequest(0, most) : bytes.readReply(0, most);
  return { bytes: kept, length: most, comment };
}
