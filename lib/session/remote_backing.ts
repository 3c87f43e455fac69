/**
 * Bytes that only the session's process can reach (another process's memory, a Xen guest's, a
 * device's, a compressed dump): each read asks.
 *
 * @module
 */
import { isSyscallFailure, ProtocolError, SourceError } from "../errors.ts";
import type { Extent, WritableBacking } from "../memory/backing.ts";
import { available } from "../memory/backing.ts";
import type { CopyResult } from "../memory/backing.ts";
import type { Connection } from "./connection.ts";
import { type CopyAnswer, READ_LIMIT, type WireBacking } from "./protocol.ts";

/** Bytes that one `store` moves: with base64 a request has a quarter of its limit left. */
const STORE_LIMIT = 32 << 10;

/** What errors of the connection read as: nothing of it reaches the reader but an errno. */
const LOST = "ECONNRESET";

/** The backing of `name` in the session that `reader` is connected to. Never throws. */
export function remoteBacking(
  reader: Connection,
  name: string,
  { id, label, length, pageSize, gaps = "zeros" }: WireBacking,
): WritableBacking {
  const ask = (request: { do: "read" | "store"; offset: number; length: number; data: string }) =>
    reader.askNow<CopyAnswer>({ ...request, name, backing: id }).value;

  function copy(offset: number, target: Uint8Array): CopyResult {
    return inPieces(available(length, offset, target.length), READ_LIMIT, (at, size) => {
      const answer = ask({ do: "read", offset: offset + at, length: size, data: "" });
      const bytes = Uint8Array.fromBase64(answer.data).subarray(0, size);
      target.set(bytes, at);
      return { length: bytes.length, errno: answer.errno };
    }, target.length);
  }

  function store(offset: number, source: Uint8Array): CopyResult {
    return inPieces(available(length, offset, source.length), STORE_LIMIT, (at, size) => {
      const data = source.subarray(at, at + size).toBase64();
      return ask({ do: "store", offset: offset + at, length: size, data });
    }, source.length);
  }

  /** Where that can not be told, all is data: reading it says why it can not be had. */
  function nextData(offset: number): Extent | null {
    const rest = offset < length ? { start: Math.max(0, offset), end: length } : null;
    if (rest === null) return null;
    const question = { do: "data", name, backing: id, offset: rest.start } as const;
    return guarded(() => reader.askNow<Extent | null>(question).value, rest);
  }

  const never = () => null;
  const how = "asked of the session, which alone can reach it";
  const moves = { copy, store, nextData, live: never, liveWritable: never };
  return { length, label, pageSize, gaps, how, ...moves };
}

/** Piece after piece until one is short. `asked` may be more than `wanted`, which exists. */
function inPieces(
  wanted: number,
  limit: number,
  move: (at: number, size: number) => CopyResult,
  asked: number,
): CopyResult {
  let done = 0;
  while (done < wanted) {
    const size = Math.min(limit, wanted - done);
    const piece = guarded(() => move(done, size), { length: 0, errno: LOST });
    done += piece.length;
    if (piece.length < size) return { length: done, errno: piece.errno ?? "EFAULT" };
  }
  return { length: done, errno: done < asked ? "EFAULT" : null };
}

/** What is thrown by a session that has ended, or that holds this no more, is no bug. */
function guarded<T>(run: () => T, otherwise: T): T {
  try {
    return run();
  } catch (error) {
    const expected = error instanceof SourceError || error instanceof ProtocolError ||
      isSyscallFailure(error);
    if (expected) return otherwise;
    throw error;
  }
}
