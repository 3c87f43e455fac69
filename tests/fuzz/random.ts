/**
 * Random numbers that a seed gives again.
 *
 * @module
 */

/** A stream of random numbers: sfc32 (Doty-Humphrey). */
export class Random {
  #a: number;
  #b: number;
  #c = 0x9e3779b9;
  #counter = 1;

  /** The same seed (an integer below 2^53) gives the same stream. */
  constructor(seed: number) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 2 ** 32) >>> 0;
    for (let n = 0; n < 12; n++) this.word();
  }

  /** 32 random bits. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum >>> 0;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.word() * limit / 2 ** 32);
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in `count` times. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  /** One of a list. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** 64 random bits. */
  bits64(): bigint {
    return (BigInt(this.word()) << 32n) | BigInt(this.word());
  }

  /** A 64-bit number near a power of two or another number that tends to be wrong. */
  odd64(): bigint {
    const near = this.pick(ODD) + BigInt(this.between(-17, 17));
    return BigInt.asUintN(64, this.oneIn(4) ? this.bits64() >> BigInt(this.below(64)) : near);
  }

  /** A 32-bit number of that kind. */
  odd32(): number {
    const near = 2 ** this.below(33) + this.between(-17, 17);
    return (this.oneIn(4) ? this.word() >>> this.below(32) : near) >>> 0;
  }

  /** A 16-bit number of that kind. */
  odd16(): number {
    const near = 2 ** this.below(17) + this.between(-2, 2);
    return (this.oneIn(4) ? this.word() : near) & 0xffff;
  }
}

const ODD = [
  0n,
  1n << 12n,
  1n << 16n,
  1n << 31n,
  1n << 32n,
  1n << 43n,
  1n << 52n,
  (1n << 53n) - (1n << 33n),
  1n << 53n,
  1n << 63n,
  1n << 64n,
];
