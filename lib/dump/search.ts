/**
 * Bytes in guest memory. Sparse memory is skipped, not read; a match may cross pages, regions that
 * touch, and the edges of what was never written.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import { type Piece, pieces, readSpans, type Span } from "./pieces.ts";

/** Longest pattern, in bytes. */
export const PATTERN_LIMIT = 4096;

/** Bytes read at a time. */
const CHUNK = 1 << 20;

/** Bytes looked at in place at a time: what a source that maps memory as it is read maps at once. */
const PLACE = 8 << 20;

/** One step of a search: what was found in a stretch of memory. */
export interface SearchStep {
  /** Guest addresses of matches, ascending. */
  readonly matches: readonly bigint[];
  /** How far the search has come: everything before this address was looked at. */
  readonly reached: bigint;
  /** The stretch, where it could not be looked at. */
  readonly gap: Span | null;
}

/**
 * Looks for `pattern` in [address, address + length), a step at a time, so that the caller can stop,
 * show progress, and let signals in. Throws RangeError for a pattern that is empty, too long, or all
 * zeros (sparse memory is full of those).
 */
export function* search(
  memory: GuestMemory,
  address: bigint,
  length: bigint,
  pattern: Uint8Array,
): Generator<SearchStep> {
  checkPattern(pattern);
  const scanner = new Scanner(pattern);
  if (!memory.table.regions.some(({ backing }) => backing.find !== undefined)) {
    return yield* searchCopies(memory, address, length, scanner);
  }
  for (const piece of pieces(memory, address, length, PLACE)) {
    const matches = piece.kind === "data" ? scanner.inPlace(piece) : null;
    const size = BigInt(piece.length);
    if (matches === null) yield* searchCopies(memory, piece.address, size, scanner);
    else yield { matches, reached: piece.address + size, gap: null };
  }
}

/** Looks through copies: what works for all memory. */
function* searchCopies(
  memory: GuestMemory,
  address: bigint,
  length: bigint,
  scanner: Scanner,
): Generator<SearchStep> {
  const zeros = new Uint8Array(scanner.overlap);
  for (const span of readSpans(memory, address, length, new Uint8Array(CHUNK))) {
    const reached = span.address + span.length;
    if (span.kind === "bytes") {
      yield { matches: scanner.feed(span.address, span.bytes), reached, gap: null };
    } else if (span.kind === "zeros") {
      yield { matches: scanner.zeros(span.address, span.length, zeros), reached, gap: null };
    } else {
      scanner.reset();
      yield { matches: [], reached, gap: span };
    }
  }
}

function checkPattern(pattern: Uint8Array): void {
  if (pattern.length === 0) throw new RangeError("an empty pattern matches everywhere");
  if (pattern.length > PATTERN_LIMIT) {
    throw new RangeError(`pattern of ${pattern.length} bytes is longer than ${PATTERN_LIMIT}`);
  }
  if (pattern.every((byte) => byte === 0)) {
    throw new RangeError("a pattern of zeros only matches wherever memory was never written");
  }
}

/** Remembers the end of what it was fed, for matches across the seam. */
class Scanner {
  readonly #pattern: Uint8Array;
  readonly #rare: number;
  #tail: Uint8Array = new Uint8Array(0);

  constructor(pattern: Uint8Array) {
    this.#pattern = pattern;
    this.#rare = rarest(pattern);
  }

  /** Bytes of a match that may stand in the stretch before. */
  get overlap(): number {
    return this.#pattern.length - 1;
  }

  /**
   * Addresses of the matches that end in a piece whose backing finds them where they are. Null where
   * it can not, or the piece is shorter than a match.
   */
  inPlace({ address, length, offset, region }: Piece & { kind: "data" }): bigint[] | null {
    const { backing } = region;
    const { overlap } = this;
    const edges = [new Uint8Array(overlap), new Uint8Array(overlap)];
    const found = length < 2 * overlap ? null : backing.find?.(offset, length, this.#pattern);
    if (found === null || found === undefined) return null;
    const read = [offset, offset + length - overlap]
      .every((at, i) => backing.copy(at, edges[i]).errno === null);
    if (!read) return null;
    const tail = this.#tail;
    const start = address - BigInt(tail.length);
    const seam = tail.length === 0
      ? []
      : this.#scan(joined(tail, edges[0])).map((at) => start + BigInt(at));
    this.#tail = edges[1];
    return [...seam, ...found.map((at) => address + BigInt(at - offset))];
  }

  reset(): void {
    this.#tail = new Uint8Array(0);
  }

  /** Addresses of the matches that end in `bytes`. */
  feed(address: bigint, bytes: Uint8Array): bigint[] {
    const overlap = this.#pattern.length - 1;
    const tail = this.#tail;
    const seam = joined(tail, bytes.subarray(0, overlap));
    const start = address - BigInt(tail.length);
    // Matches that begin in the tail; those that begin in `bytes` are found in place.
    const found = this.#scan(seam).filter((at) => at < tail.length)
      .map((at) => start + BigInt(at));
    for (const at of this.#scan(bytes)) found.push(address + BigInt(at));
    this.#tail = overlap === 0 ? tail : joined(tail, bytes.subarray(-overlap)).slice(-overlap);
    return found;
  }

  /** A pattern that is not all zeros can only match at either end of a run of zeros. */
  zeros(address: bigint, length: bigint, zeros: Uint8Array): bigint[] {
    if (zeros.length === 0) return [];
    const lead = length < BigInt(zeros.length) ? zeros.subarray(0, Number(length)) : zeros;
    return this.feed(address, lead);
  }

  #scan(bytes: Uint8Array): number[] {
    const pattern = this.#pattern;
    const rare = this.#rare;
    const found: number[] = [];
    const byte = pattern[rare];
    for (let at = bytes.indexOf(byte, rare); at >= 0; at = bytes.indexOf(byte, at + 1)) {
      const start = at - rare;
      if (start + pattern.length > bytes.length) break;
      if (matches(bytes, start, pattern)) found.push(start);
    }
    return found;
  }
}

function matches(bytes: Uint8Array, start: number, pattern: Uint8Array): boolean {
  for (let i = 0; i < pattern.length; i++) if (bytes[start + i] !== pattern[i]) return false;
  return true;
}

/** Position of a byte that memory is not full of: neither 0, 0xff nor a space, where there is one. */
function rarest(pattern: Uint8Array): number {
  const position = pattern.findIndex((byte) => byte !== 0 && byte !== 0xff && byte !== 0x20);
  return position >= 0 ? position : pattern.findIndex((byte) => byte !== 0);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
