/**
 * Guest memory into a file, byte for byte: byte n of the file is address + n. What is a hole in the
 * memory's own file stays a hole in ours. The file appears under its name only when it is complete.
 *
 * @module
 */
import { openSys } from "../../ffi/sys.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import { GuestMemoryError } from "../errors.ts";
import { readSpans, type Span } from "./pieces.ts";
import { breathe, type FileSys, type OutputFile, replaceFile } from "./replace_file.ts";

/** What to dump and how. */
export interface RawDump {
  readonly memory: GuestMemory;
  readonly address: bigint;
  /** Bytes. */
  readonly length: bigint;
  readonly path: string;
  /** Leaves file holes where there is no memory or where it can not be read, instead of refusing. */
  readonly skipGaps: boolean;
  readonly signal: AbortSignal | null;
  /** Called with the bytes behind us, zeros and gaps included. */
  readonly progress: (done: bigint) => void;
}

/** What a dump did. */
export interface RawDumpResult {
  /** Bytes copied. */
  readonly written: bigint;
  /** Bytes of sparse memory, left as holes in the file: they read as zeros in both. */
  readonly sparse: bigint;
  /** What is not memory, or could not be read: holes in the file that mean nothing. */
  readonly gaps: readonly Span[];
}

/** Bytes read at a time. */
const CHUNK = 1 << 20;

/**
 * Writes the dump. Throws `GuestMemoryError` at the first gap without `skipGaps`, the signal's reason
 * when aborted, `SourceError` from the file. On every one of them nothing is left behind.
 */
export function dumpRaw(dump: RawDump, sys: FileSys = openSys()): Promise<RawDumpResult> {
  return replaceFile(sys, dump.path, async (file) => {
    const result = await fill(file, dump);
    file.truncate(Number(dump.length));
    return result;
  });
}

async function fill(file: OutputFile, dump: RawDump): Promise<RawDumpResult> {
  const gaps: Span[] = [];
  let written = 0n;
  let sparse = 0n;
  for (const span of readSpans(dump.memory, dump.address, dump.length, new Uint8Array(CHUNK))) {
    if (span.kind === "bytes") {
      file.writeAt(Number(span.address - dump.address), span.bytes);
      written += span.length;
    } else if (span.kind === "zeros") sparse += span.length;
    else if (dump.skipGaps) gaps.push(span);
    else throw gapError(dump.memory, span);
    dump.progress(span.address + span.length - dump.address);
    await breathe(dump.signal);
  }
  return { written, sparse, gaps };
}

/** The error for a gap where a dump must have every byte. */
export function gapError(memory: GuestMemory, gap: Span): GuestMemoryError {
  const errno = gap.kind === "unreadable" ? gap.errno : null;
  const outside = memory.status(gap.address, 1n) === "outside";
  const kind = gap.kind === "unreadable" ? "unreadable" : outside ? "outside" : "hole";
  return new GuestMemoryError("read", memory.name, gap.address, gap.length, kind, errno);
}

/** A range without any memory is a wrong address: throws as a read of it would. */
export function checkRange(memory: GuestMemory, address: bigint, length: bigint): void {
  for (const slice of memory.slices(address, length)) if (slice.region !== null) return;
  throw gapError(memory, { kind: "hole", address, length });
}

/** The stretches of [address, address + length) that are no memory, without reading any. */
export function holesIn(memory: GuestMemory, address: bigint, length: bigint): Span[] {
  const holes: Span[] = [];
  for (const slice of memory.slices(address, length)) {
    if (slice.region !== null) continue;
    holes.push({ kind: "hole", address: slice.address, length: BigInt(slice.length) });
  }
  return holes;
}

/** {@linkcode replaceFile} with the real system calls, for who has none to pass on. */
export function writeFile<T>(path: string, fill: (file: OutputFile) => Promise<T>): Promise<T> {
  return replaceFile(openSys(), path, fill);
}
