/**
 * What unpackers of the LZ77 family share: bytes that come from the stream, and bytes that are copied
 * from what was written before. Nothing is read or written past either end, whatever a stream says.
 *
 * @module
 */

/** A stream of instructions and the bytes that they make. */
export class PackedBlock {
  #at = 0;
  #done = 0;

  constructor(readonly packed: Uint8Array, readonly target: Uint8Array) {}

  /** Whether all of the target was written. */
  get full(): boolean {
    return this.#done === this.target.length;
  }

  /** The next byte; -1 where there is none. */
  byte(): number {
    return this.#at < this.packed.length ? this.packed[this.#at++] : -1;
  }

  /** A little-endian number of 1 to 4 bytes; -1 where it is cut. */
  number(bytes: number): number {
    if (bytes > this.packed.length - this.#at) return -1;
    let value = 0;
    for (let n = 0; n < bytes; n++) value += this.packed[this.#at++] * 2 ** (8 * n);
    return value;
  }

  /** Copies from the stream; false where there is not as much, or no room for it. */
  literals(count: number): boolean {
    if (count > this.packed.length - this.#at || count > this.target.length - this.#done) {
      return false;
    }
    this.target.set(this.packed.subarray(this.#at, this.#at + count), this.#done);
    this.#at += count;
    this.#done += count;
    return true;
  }

  /**
   * Copies what was written `distance` bytes before; it may overlap what is being written. False
   * where that is before the beginning, or there is no room.
   */
  match(distance: number, count: number): boolean {
    if (distance < 1 || distance > this.#done || count > this.target.length - this.#done) {
      return false;
    }
    for (let n = 0; n < count; n++, this.#done++) {
      this.target[this.#done] = this.target[this.#done - distance];
    }
    return true;
  }
}
