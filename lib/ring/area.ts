/**
 * One of a ring's three areas, located once and copied at every walk.
 *
 * @module
 */
import type { Backing } from "../memory/backing.ts";
import type { Region } from "../memory/region.ts";
import type { RegionTable } from "../memory/region_table.ts";

/** A stretch of an area within one region. */
interface Piece {
  readonly backing: Backing;
  readonly offset: number;
  readonly length: number;
}

/** A view of each buffer, for all areas in it: with thousands of rings one for each weighs. */
const WORDS = new WeakMap<ArrayBufferLike, Uint16Array>();

/** Bytes of an area, wherever they lie; read-only. */
export class Area {
  readonly #pieces: readonly Piece[];
  // Of the only piece, where there is but one: what is read most often is near at hand.
  readonly #backing: Backing | null;
  readonly #offset: number;
  #buffer: ArrayBufferLike | null = null;
  // Views of it, made when they are wanted: with thousands of rings each weighs.
  #bytes: Uint8Array | null = null;
  #words: Uint16Array | null = null;
  #longs: Uint32Array | null = null;

  private constructor(pieces: readonly Piece[], readonly length: number) {
    this.#pieces = pieces;
    this.#backing = pieces.length === 1 ? pieces[0].backing : null;
    this.#offset = pieces[0]?.offset ?? 0;
  }

  /** Locates an area; null where a part of it is outside memory. `space` says which address it is. */
  static locate(
    table: RegionTable,
    space: "guest" | "user",
    address: bigint,
    length: number,
  ): Area | null {
    const pieces: Piece[] = [];
    let done = 0;
    while (done < length) {
      const at = address + BigInt(done);
      const region = space === "guest" ? table.at(at) : table.atUser(at);
      if (region === null) return null;
      const piece = pieceOf(region, space, at, length - done);
      pieces.push(piece);
      done += piece.length;
    }
    return new Area(pieces, length);
  }

  /** Copies `target.length` bytes from the start of the area; null, or the errno that stopped it. */
  copy(target: Uint8Array): string | null {
    const buffer = this.#live();
    if (buffer === null || target.length > this.length) return this.#copy(0, target);
    const live = this.#bytes ??= new Uint8Array(buffer, this.#offset, this.length);
    target.set(target.length === live.length ? live : live.subarray(0, target.length));
    return null;
  }

  /**
   * The words of 16 bits of the buffer that the area stands in, of which `firstWord` is the first of
   * its own; null where it can not be read in place. What was asked about a second ago is to be asked
   * again.
   */
  wordsInPlace(): Uint16Array | null {
    const buffer = this.#live();
    if (buffer === null || this.#offset % 2 !== 0) return null;
    return this.#words ??= wordsOf(buffer);
  }

  /** See {@linkcode wordsInPlace}. */
  get firstWord(): number {
    return this.#offset / 2;
  }

  /**
   * One u16 at an even byte offset, by an ordered load where the area can be read in place: what
   * stands in memory behind it is read after it. null where it can not be read.
   */
  load16(offset: number): number | null {
    const buffer = this.#live();
    if (buffer !== null && this.#offset % 2 === 0) {
      const words = this.#words ??= wordsOf(buffer);
      return Atomics.load(words, (this.#offset + offset) / 2);
    }
    const two = new Uint8Array(2);
    return this.#copy(offset, two) === null ? two[0] | (two[1] << 8) : null;
  }

  /**
   * Whether an entry of 16 bytes is still what it is in a copy of the area, as are up to two others.
   * Looked at in order, after all that was read before. Also true of what can not be read any more.
   */
  same(copy: Uint32Array, entry: number, second = entry, third = second): boolean {
    const now = this.#liveLongs();
    if (now === null) return [entry, second, third].every((one) => this.#sameCopied(copy, one));
    // Nothing behind an ordered load is read before it.
    Atomics.load(now, entry * 4 + 3);
    return sameEntry(now, copy, entry) && sameEntry(now, copy, second) &&
      sameEntry(now, copy, third);
  }

  /** {@linkcode same} of `count` entries that a list names: where they must be copied, at once. */
  allSame(copy: Uint32Array, entries: Uint16Array, count: number): boolean {
    let now = this.#liveLongs();
    if (now === null) {
      now = new Uint32Array(this.length >> 2);
      if (this.#copy(0, new Uint8Array(now.buffer)) !== null) return true;
    } else Atomics.load(now, 3);
    for (let n = 0; n < count; n++) if (!sameEntry(now, copy, entries[n])) return false;
    return true;
  }

  #sameCopied(copy: Uint32Array, entry: number): boolean {
    const now = new Uint32Array(4);
    const fault = this.#copy(entry * 16, new Uint8Array(now.buffer));
    return fault !== null || now.every((word, n) => word === copy[entry * 4 + n]);
  }

  /** Copies from an offset on, piece by piece: null, or the errno that stopped it. */
  #copy(from: number, target: Uint8Array): string | null {
    let start = 0;
    let done = 0;
    for (const { backing, offset, length } of this.#pieces) {
      const into = from + done - start;
      start += length;
      if (into >= length) continue;
      const part = target.subarray(done, done + length - into);
      const result = backing.copy(offset + into, part);
      if (result.length < part.length) return result.errno ?? "EFAULT";
      done += part.length;
      if (done === target.length) return null;
    }
    return done === target.length ? null : "EFAULT";
  }

  /** The area in place as words of 32 bits, or null. */
  #liveLongs(): Uint32Array | null {
    const buffer = this.#live();
    if (buffer === null || this.#offset % 4 !== 0) return null;
    return this.#longs ??= new Uint32Array(buffer, this.#offset, this.length >> 2);
  }

  /** The buffer that the area stands in, or null. With another buffer, views of the old one go. */
  #live(): ArrayBufferLike | null {
    if (this.#backing === null) return null;
    const buffer = this.#backing.live(this.#offset, this.length);
    if (buffer !== null && buffer !== this.#buffer) {
      this.#buffer = buffer;
      this.#bytes = this.#words = this.#longs = null;
    }
    return buffer;
  }
}

function wordsOf(buffer: ArrayBufferLike): Uint16Array {
  const known = WORDS.get(buffer);
  if (known !== undefined) return known;
  const words = new Uint16Array(buffer, 0, Math.floor(buffer.byteLength / 2));
  WORDS.set(buffer, words);
  return words;
}

function sameEntry(now: Uint32Array, copy: Uint32Array, entry: number): boolean {
  const at = entry * 4;
  return now[at + 3] === copy[at + 3] && now[at] === copy[at] && now[at + 1] === copy[at + 1] &&
    now[at + 2] === copy[at + 2];
}

function pieceOf(region: Region, space: "guest" | "user", at: bigint, wanted: number): Piece {
  const start = space === "guest" ? region.guest : region.user as bigint;
  const into = at - start;
  const rest = region.length - into;
  return {
    backing: region.backing,
    offset: region.offset + Number(into),
    length: rest < BigInt(wanted) ? Number(rest) : wanted,
  };
}
