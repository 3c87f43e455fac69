/**
 * From used and available buffers of a network queue to Ethernet frames: virtio 1.4, 5.1.6.
 *
 * @module
 */

/** A frame that passed a queue. */
export interface Frame {
  /** As far as it was kept. */
  readonly bytes: Uint8Array;
  /** Bytes it had. */
  readonly length: number;
  /** Frames lost before it, as far as that can be counted. */
  readonly dropped: number;
  /** {@linkcode LOST}, and why the bytes may not be what was sent; empty where neither holds. */
  readonly comment: string;
}

/** Bytes of one buffer, header included. */
export interface PacketBuffer {
  readonly bytes: Uint8Array;
  /** Bytes of the packet in this buffer; more than `bytes` where only a part was kept. */
  readonly length: number;
  readonly comment: string;
}

/** In a frame's comment: how many were lost before it nobody can tell. */
export const LOST = "lost, count unknown";

/** Offset of num_buffers in `struct virtio_net_hdr_mrg_rxbuf` (5.1.6). */
const NUM_BUFFERS = 10;

/** Puts packets together from buffers, in the order in which they were used. */
export class FrameBuilder {
  #parts: PacketBuffer[] = [];
  #missing = 0;
  #dropped = 0;
  #untold = false;
  #uncounted = false;

  /**
   * `header` is the length of the header before a packet; `merged` says that a packet may take
   * several buffers (VIRTIO_NET_F_MRG_RXBUF), at most `limit`.
   */
  constructor(readonly header: number, readonly merged: boolean, readonly limit: number) {}

  /** Frames were lost here: what was begun can not be finished. */
  lose(count: number): void {
    this.#dropped += count + (this.#missing > 0 ? 1 : 0);
    this.#parts = [];
    this.#missing = 0;
  }

  /** More frames may be lost here than can be counted. */
  loseUncounted(): void {
    this.lose(0);
    this.#untold = this.#uncounted = true;
  }

  /** Whether that ever happened. */
  get uncounted(): boolean {
    return this.#uncounted;
  }

  /** Takes the next buffer; gives the frame that it completes, or null. */
  take(buffer: PacketBuffer): Frame | null {
    if (this.#missing === 0) this.#begin(buffer);
    else {
      this.#parts.push(buffer);
      this.#missing--;
    }
    return this.#missing === 0 ? this.#finish() : null;
  }

  #begin(buffer: PacketBuffer): void {
    const { bytes } = buffer;
    const said = this.merged && bytes.length >= NUM_BUFFERS + 2
      ? bytes[NUM_BUFFERS] | (bytes[NUM_BUFFERS + 1] << 8)
      : 1;
    this.#missing = Math.max(1, Math.min(said, this.limit)) - 1;
    const rest = {
      bytes: bytes.subarray(this.header),
      length: Math.max(0, buffer.length - this.header),
    };
    this.#parts = [{ ...buffer, ...rest }];
  }

  #finish(): Frame {
    const parts = this.#parts;
    const bytes = parts.length === 1 ? parts[0].bytes : joined(parts);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const about = parts.find((part) => part.comment !== "")?.comment ?? "";
    const comment = [this.#untold ? LOST : "", about].filter((text) => text !== "").join("; ");
    const dropped = this.#dropped;
    [this.#dropped, this.#untold, this.#parts] = [0, false, []];
    return { bytes, length, dropped, comment };
  }
}

function joined(parts: readonly PacketBuffer[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part.bytes, at);
    at += part.bytes.length;
  }
  return bytes;
}
