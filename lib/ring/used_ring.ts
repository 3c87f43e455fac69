/**
 * A private copy of a split ring's used elements: virtio 1.4, 2.7.8.
 *
 * @module
 */
import type { Area } from "./area.ts";
import { USED } from "./spec.ts";

/** One element: a buffer the device gave back. */
export interface UsedElement {
  /** Slot in the used ring. */
  readonly slot: number;
  /** Head of the chain, 32 bits wide and not checked. */
  readonly id: number;
  /** Bytes written into it, as the device says. */
  readonly length: number;
}

/** The elements before the used index. */
export class UsedRing {
  readonly #words: Uint32Array;
  readonly #size: number;
  readonly #index: number;
  #heads: Set<number> | null = null;

  private constructor(words: Uint32Array, size: number, index: number) {
    this.#words = words;
    this.#size = size;
    this.#index = index;
  }

  /** Copies the ring; null where it can not be read. `index` is the used index seen before. */
  static read(area: Area, size: number, index: number): UsedRing | null {
    const words = new Uint32Array(1 + 2 * size);
    return area.copy(new Uint8Array(words.buffer)) === null
      ? new UsedRing(words, size, index)
      : null;
  }

  /**
   * The last `count` elements, oldest first; at most a ring full. A ring that was never used gives
   * zeros once the index has wrapped; before, only what was written.
   */
  recent(count: number): UsedElement[] {
    const reach = Math.min(count, this.#size, this.#everFull() ? this.#size : this.#index);
    return Array.from({ length: reach }, (_, n) => this.#element(this.#index - reach + n));
  }

  /** Whether the elements from the index to the ring's end were never written: no lap is complete. */
  isFirstLap(): boolean {
    if (this.#index > this.#size) return false;
    for (let index = this.#index; index < this.#size; index++) {
      const { id, length } = this.#element(index);
      if (id !== 0 || length !== 0) return false;
    }
    return true;
  }

  /** Whether a head is among the last ring full of elements. */
  has(head: number): boolean {
    this.#heads ??= new Set(this.recent(this.#size).map((element) => element.id));
    return this.#heads.has(head);
  }

  #element(index: number): UsedElement {
    const slot = index & (this.#size - 1);
    const at = USED.RING / 4 + slot * (USED.ELEMENT / 4);
    return { slot, id: this.#words[at], length: this.#words[at + 1] };
  }

  /** An index below the size is that of a young ring, or of one that wrapped at 65536. */
  #everFull(): boolean {
    if (this.#index >= this.#size) return true;
    const last = this.#element(this.#size - 1);
    return last.id !== 0 || last.length !== 0;
  }
}
