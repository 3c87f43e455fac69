/**
 * What a device's side holds, and in which order it may go back.
 *
 * @module
 */
import type { TakenBuffer } from "./device_queue.ts";

/** A buffer that goes back, with the bytes written to it. */
export interface Returned {
  readonly buffer: TakenBuffer;
  readonly written: number;
}

/** Buffers taken and not yet given back, by id. */
export class HeldBuffers {
  /** `null` until it is given back; in the order they were taken. */
  readonly #held = new Map<number, { buffer: TakenBuffer; written: number | null }>();

  #descriptors = 0;

  /** With `inOrder` (2.7.9, 2.8.9) a buffer waits for those taken before it. */
  constructor(readonly inOrder: boolean) {}

  /** How many are held. */
  get size(): number {
    return this.#held.size;
  }

  /** Descriptors of the ring that are held. */
  get descriptors(): number {
    return this.#descriptors;
  }

  /** Whether an id is held. */
  has(id: number): boolean {
    return this.#held.has(id);
  }

  /** Holds a buffer. */
  hold(buffer: TakenBuffer): void {
    this.#descriptors += buffer.count;
    this.#held.set(buffer.id, { buffer, written: null });
  }

  /** Takes one back and gives those that may go back now, in order. Throws RangeError. */
  release(buffer: TakenBuffer, written: number): Returned[] {
    const entry = this.#held.get(buffer.id);
    if (entry === undefined || entry.buffer !== buffer || entry.written !== null) {
      throw new RangeError(`buffer ${buffer.id} is not held`);
    }
    const most = buffer.findings.length > 0 ? 0 : buffer.writable;
    if (!(Number.isInteger(written) && written >= 0 && written <= most)) {
      throw new RangeError(`${written} bytes written to a buffer of ${most} writable ones`);
    }
    entry.written = written;
    return this.inOrder ? this.#finished() : this.#remove(buffer.id);
  }

  #finished(): Returned[] {
    const list: Returned[] = [];
    for (const [id, { written }] of this.#held) {
      if (written === null) break;
      list.push(...this.#remove(id));
    }
    return list;
  }

  #remove(id: number): Returned[] {
    const { buffer, written } = this.#held.get(id)!;
    this.#held.delete(id);
    this.#descriptors -= buffer.count;
    return [{ buffer, written: written ?? 0 }];
  }
}
