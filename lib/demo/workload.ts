/**
 * What the two sides of the demo do with a queue: a workload makes requests and checks what came
 * back, a service answers them.
 *
 * @module
 */
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { Segment } from "../ring/driver_queue.ts";
import type { TakenBuffer } from "../ring/device_queue.ts";

/** Memory of one request. */
export class Slot {
  constructor(readonly memory: WritableGuestMemory, readonly address: bigint) {}

  /** A part of it as a segment. */
  segment(offset: number, length: number, writable: boolean): Segment {
    return { address: this.address + BigInt(offset), length, writable };
  }

  /** Writes bytes at an offset. */
  write(offset: number, bytes: Uint8Array): void {
    this.memory.write(this.address + BigInt(offset), bytes);
  }

  /** A copy of some bytes. */
  read(offset: number, length: number): Uint8Array {
    return this.memory.bytes(this.address + BigInt(offset), length);
  }
}

/** One request of the driver. */
export interface Job {
  readonly segments: readonly Segment[];
  readonly indirect: boolean;
  /** Whether what came back, `written` bytes of it, is what should. */
  verify(written: number | null): boolean;
}

/** The driver's use of a queue. */
export interface Workload {
  /** Requests in flight at most. */
  readonly depth: number;
  /** Requests per second at a rate; Infinity where the queue is kept filled. */
  perSecond(rate: number): number;
  /** The next request, in that slot's memory. */
  next(slot: Slot): Job;
}

/** The device's use of a queue. */
export interface Service {
  /** Milliseconds from taking a buffer to giving it back, at a rate of requests per second. */
  latency(rate: number): number;
  /** Answers; gives the bytes written, or null to keep the buffer until there is something for it. */
  serve(buffer: TakenBuffer): number | null;
}

/** Milliseconds that keep about six requests in flight. */
export function usualLatency(rate: number): number {
  return Math.min(30, 6000 / rate);
}

/** Whether `got` begins with all of `wanted`. A loop, as this runs for every byte of every request. */
export function beginsWith(got: Uint8Array, wanted: Uint8Array): boolean {
  if (got.length < wanted.length) return false;
  for (let at = 0; at < wanted.length; at++) if (got[at] !== wanted[at]) return false;
  return true;
}
