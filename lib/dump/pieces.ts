/**
 * Guest memory as a dump or a search walks it: sparse memory stays sparse, and nothing is read twice.
 *
 * ```text
 * guest addresses  0x0          0xa0000    0x100000                    0x10000000
 * regions          [  low       )          [      ram                           )
 * file behind it   [data][ hole ]          [data]....hole.....[data][   hole    ]
 * spans             bytes zeros    hole     bytes     zeros    bytes    zeros
 * ```
 *
 * @module
 */
import type { GuestMemory, Slice } from "../memory/guest_memory.ts";
import type { Region } from "../memory/region.ts";

/** A stretch of guest memory, and where its bytes would be read. */
export type Piece =
  | {
    readonly kind: "data";
    readonly address: bigint;
    /** Bytes; at most the chunk asked for. */
    readonly length: number;
    readonly region: Region;
    /** Offset in the region's backing. */
    readonly offset: number;
  }
  /** Memory that was never written: a hole in the file behind it, which reads as zeros. */
  | { readonly kind: "zeros"; readonly address: bigint; readonly length: bigint }
  /** No memory. */
  | { readonly kind: "hole"; readonly address: bigint; readonly length: bigint }
  | Unreadable;

/** Memory whose bytes can not be had. */
interface Unreadable {
  readonly kind: "unreadable";
  readonly address: bigint;
  readonly length: bigint;
  readonly errno: string;
}

/** A stretch of guest memory as it was read. */
export type Span =
  | {
    readonly kind: "bytes";
    readonly address: bigint;
    readonly length: bigint;
    /** A copy, in the buffer handed to {@linkcode readSpans}: valid until the next span is taken. */
    readonly bytes: Uint8Array;
  }
  | { readonly kind: "zeros" | "hole"; readonly address: bigint; readonly length: bigint }
  | Unreadable;

/**
 * The pieces of [address, address + length) in order, data in pieces of at most `chunk` bytes that
 * end at multiples of `chunk`. Reads nothing. Past 2^64 nothing is given.
 */
export function* pieces(
  memory: GuestMemory,
  address: bigint,
  length: bigint,
  chunk: number,
): Generator<Piece> {
  for (const slice of memory.slices(address, length)) {
    if (slice.region !== null) yield* regionPieces(slice, slice.region, chunk);
    else yield { kind: "hole", address: slice.address, length: BigInt(slice.length) };
  }
}

function* regionPieces(slice: Slice, region: Region, chunk: number): Generator<Piece> {
  const end = slice.offset + slice.length;
  const addressOf = (offset: number) => slice.address + BigInt(offset - slice.offset);
  let at = slice.offset;
  while (at < end) {
    const data = region.backing.nextData(at);
    const start = data === null ? end : Math.min(Math.max(data.start, at), end);
    if (start > at) yield gapPiece(region, addressOf(at), BigInt(start - at));
    // A backing that claims an empty extent would keep us here for ever: take it as one chunk.
    const stop = data === null ? end : Math.min(data.end > start ? data.end : start + chunk, end);
    for (at = start; at < stop;) {
      const address = addressOf(at);
      const room = chunk - Number(address % BigInt(chunk));
      const length = Math.min(room, stop - at);
      yield { kind: "data", address, length, region, offset: at };
      at += length;
    }
  }
}

function gapPiece({ backing: { gaps = "zeros" } }: Region, address: bigint, length: bigint): Piece {
  return gaps === "unreadable"
    ? { kind: gaps, address, length, errno: "ENODATA" }
    : { kind: gaps, address, length };
}

/**
 * Reads [address, address + length) through `buffer`, whose length is the largest piece. Where a
 * page can not be read the reading goes on behind it. Adjacent spans without bytes come as one.
 */
export function* readSpans(
  memory: GuestMemory,
  address: bigint,
  length: bigint,
  buffer: Uint8Array,
): Generator<Span> {
  let held: Span | null = null;
  for (const span of readEach(memory, address, length, buffer)) {
    const both: Span | null = held === null ? null : joined(held, span);
    if (held !== null && both === null) yield held;
    held = both ?? span;
    if (span.kind === "bytes") {
      yield span;
      held = null;
    }
  }
  if (held !== null) yield held;
}

function* readEach(
  memory: GuestMemory,
  address: bigint,
  length: bigint,
  buffer: Uint8Array,
): Generator<Span> {
  for (const piece of pieces(memory, address, length, buffer.length)) {
    if (piece.kind === "data") yield* readPiece(piece, buffer);
    else yield piece;
  }
}

function* readPiece(piece: Piece & { kind: "data" }, buffer: Uint8Array): Generator<Span> {
  const { region: { backing }, offset, address } = piece;
  let done = 0;
  while (done < piece.length) {
    const target = buffer.subarray(0, piece.length - done);
    const result = backing.copy(offset + done, target);
    if (result.length > 0) yield bytesSpan(address + BigInt(done), target, result.length);
    done += result.length;
    if (done >= piece.length) return;
    const page = backing.pageSize - (offset + done) % backing.pageSize;
    const skipped = Math.min(page, piece.length - done);
    yield {
      kind: "unreadable",
      address: address + BigInt(done),
      length: BigInt(skipped),
      errno: result.errno ?? "EFAULT",
    };
    done += skipped;
  }
}

function bytesSpan(address: bigint, buffer: Uint8Array, length: number): Span {
  return { kind: "bytes", address, length: BigInt(length), bytes: buffer.subarray(0, length) };
}

/** Two adjacent spans of one kind without bytes as one; null where they are not that. */
function joined(a: Span, b: Span): Span | null {
  if (a.kind === "bytes" || a.kind !== b.kind || errnoOf(a) !== errnoOf(b)) return null;
  return { ...a, length: a.length + b.length };
}

function errnoOf(span: Span): string | null {
  return span.kind === "unreadable" ? span.errno : null;
}
