/**
 * Memory that is mapped in pieces when it is read, and let go when others are wanted: what is looked
 * at of a large guest stays small, and so do the pages of dom0 that foreign mappings take.
 *
 * @module
 */
import { isSyscallFailure } from "../errors.ts";
import type { Backing, CopyResult, WritableBacking } from "../memory/backing.ts";

/** A piece that is mapped now. */
export interface MappedPiece extends Disposable, Pick<Backing, "copy" | "find"> {
  /** Only where the window is writable. */
  store?(offset: number, source: Uint8Array): CopyResult;
}

/** What a window is made of. */
export interface WindowOptions {
  /** Bytes. */
  readonly length: number;
  readonly label: string;
  /** Bytes of a piece: a multiple of 4096. */
  readonly pieceSize: number;
  /** Pieces kept mapped; with 0 each is unmapped as soon as it was read. */
  readonly pieceLimit: number;
  /** Maps piece `index`. A `SyscallError` makes the piece unreadable with its errno. */
  map(index: number): MappedPiece;
}

/** A window: a backing, and its end. */
export interface Window extends WritableBacking, Disposable {
  /** Unmaps everything; what is read next is mapped again. */
  forget(): void;
}

const CLOSED = "EBADF";

/** Opens a window. Maps nothing yet. */
export function openWindow(options: WindowOptions): Window {
  const pieces = pieceCache(options);
  const { length, label } = options;
  return {
    length,
    label,
    pageSize: 4096,
    copy: (offset, target) =>
      inPieces(
        options,
        offset,
        target,
        (index, at, part) => pieces.use(index, (piece) => piece.copy(at, part)),
      ),
    store: (offset, source) =>
      inPieces(options, offset, source, (index, at, part) => {
        const denied = { length: 0, errno: "EACCES" };
        return pieces.use(index, (piece) => piece.store?.(at, part) ?? denied);
      }),
    // A piece may be let go at any time, so nothing is given out in place.
    live: () => null,
    liveWritable: () => null,
    nextData: (offset) => offset < length ? { start: Math.max(0, offset), end: length } : null,
    find: (offset, size, pattern) => findInPiece(options, pieces, { offset, size, pattern }),
    forget: () => pieces.clear(),
    [Symbol.dispose]: () => pieces.close(),
  };
}

type Move = (index: number, offset: number, part: Uint8Array) => CopyResult;

function inPieces(
  options: WindowOptions,
  offset: number,
  bytes: Uint8Array,
  move: Move,
): CopyResult {
  const { length, pieceSize } = options;
  let done = 0;
  while (done < bytes.length) {
    const at = offset + done;
    if (at < 0 || at >= length) return { length: done, errno: "EFAULT" };
    const into = at % pieceSize;
    const size = Math.min(pieceSize - into, bytes.length - done, length - at);
    const result = guarded(() =>
      move(Math.floor(at / pieceSize), into, bytes.subarray(done, done + size))
    );
    done += result.length;
    if (result.length < size) return { length: done, errno: result.errno ?? "EFAULT" };
  }
  return { length: done, errno: null };
}

/** Within one piece only: a search goes on in pieces of its own, which are smaller. */
function findInPiece(
  { pieceSize, length }: WindowOptions,
  pieces: ReturnType<typeof pieceCache>,
  { offset, size, pattern }: { offset: number; size: number; pattern: Uint8Array },
): number[] | null {
  const into = offset % pieceSize;
  if (offset < 0 || offset + size > length || into + size > pieceSize) return null;
  const start = offset - into;
  try {
    const found = pieces.use(
      start / pieceSize,
      (piece) => piece.find?.(into, size, pattern) ?? null,
    );
    return found?.map((at) => start + at) ?? null;
  } catch (error) {
    if (isSyscallFailure(error)) return null;
    throw error;
  }
}

/** A mapping that fails makes its bytes unreadable; it is no error of the reader. */
function guarded(run: () => CopyResult): CopyResult {
  try {
    return run();
  } catch (error) {
    if (isSyscallFailure(error)) return { length: 0, errno: error.errno };
    throw error;
  }
}

/** The pieces that are mapped, least recently used first (a Map keeps the order of insertion). */
function pieceCache({ map, pieceLimit }: WindowOptions) {
  const pieces = new Map<number, MappedPiece>();
  let closed = false;
  const clear = () => {
    pieces.forEach((piece) => piece[Symbol.dispose]());
    pieces.clear();
  };
  return {
    use<T>(index: number, run: (piece: Pick<MappedPiece, "copy" | "store" | "find">) => T): T {
      if (closed) return run({ copy: () => ({ length: 0, errno: CLOSED }) });
      if (pieceLimit === 0) {
        using piece = map(index);
        return run(piece);
      }
      const known = pieces.get(index);
      if (known !== undefined) pieces.delete(index);
      else if (pieces.size >= pieceLimit) evict(pieces);
      const piece = known ?? map(index);
      pieces.set(index, piece);
      return run(piece);
    },
    clear,
    close() {
      closed = true;
      clear();
    },
  };
}

function evict(pieces: Map<number, MappedPiece>): void {
  const oldest = pieces.entries().next().value;
  if (oldest === undefined) return;
  pieces.delete(oldest[0]);
  oldest[1][Symbol.dispose]();
}
