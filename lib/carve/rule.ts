/**
 * What requests of a queue look like, for every queue that can be told by them.
 *
 * @module
 */
import type { Look } from "./look.ts";
import type { Sample } from "./sample.ts";

/** How to tell the requests of one queue of one device type. */
export interface Rule {
  /** Short name of the device type: `blk`. */
  readonly device: string;
  /** Index of the queue, of a device with one set of queues. */
  readonly queue: number;
  /** Features of the device type without which the queue would not be, or its format be another. */
  readonly features?: bigint;
  /** Bits that all samples together can give; default {@linkcode MOST_BITS}. */
  readonly limit?: number;
  /**
   * How many bits a chain speaks for this queue; null where it can not be its. `look` reads memory
   * that the chain names.
   */
  weigh(sample: Sample, look: Look): number | null;
}

/** Bits that requests give at most. */
export const MOST_BITS = 28;

/** Readable part only, and nothing written. */
export function readsOnly({ chain }: Sample): boolean {
  return chain.readable > 0 && chain.writable === 0 && (chain.written ?? 0) === 0;
}

/** Writable part only. */
export function writesOnly({ chain }: Sample): boolean {
  return chain.writable > 0 && chain.readable === 0;
}

/** A posted buffer of exactly this length, in one piece: all that can be said before it is used. */
export function posted({ chain, fresh }: Sample, length: number): boolean {
  return fresh && chain.descriptors.length === 1 && chain.writable === length;
}

/** All bytes of a view, from `start` on for `length`, are zeros. */
export function zeros(view: DataView, start: number, length: number): boolean {
  for (let at = start; at < start + length; at++) if (view.getUint8(at) !== 0) return false;
  return true;
}
