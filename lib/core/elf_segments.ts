/**
 * What the segments of an ELF core are worth: which bytes the file has, and which it only promises.
 *
 * ```text
 * the file      [headers][ segment 0     ][ segment 1 ) ends here
 * p_filesz               |<- 0: true   -->|<- 1: cut        ->|
 * guest memory           [ in the file    ][ in the file )[ missing )
 * ```
 *
 * What is missing is memory that can not be read, and no hole; unless no processor could address it:
 * then its header lies, and only what the file has is believed.
 *
 * @module
 */
import { ADDRESS_LIMIT, hex } from "../address.ts";

/** The header of a PT_LOAD segment, as it stands there. */
export interface SegmentHeader {
  /** `segment 3`, for people. */
  readonly name: string;
  /** p_paddr */
  readonly address: bigint;
  /** p_offset */
  readonly offset: bigint;
  /** p_filesz; greater than 0. */
  readonly length: bigint;
}

/** [address, address + fileLength) of the guest is in the file at `offset`. */
export interface CoreSegment {
  /** Guest physical address (p_paddr), bytes. */
  readonly address: bigint;
  readonly offset: number;
  /** Bytes; greater than 0, all of them in the file. */
  readonly fileLength: number;
}

/** Guest memory that a segment promises and the file does not have. */
export interface MissingRange {
  readonly address: bigint;
  /** Bytes; greater than 0. */
  readonly length: bigint;
}

/** Segments without overlap, by address, and what was made of those that lie. */
export interface Segments {
  readonly segments: readonly CoreSegment[];
  readonly missing: readonly MissingRange[];
  /** One sentence each: the first {@linkcode MAX_NOTES}, and how many more there are. */
  readonly notes: readonly string[];
}

/** Notes kept of one file. */
export const MAX_NOTES = 16;

/** Physical addresses have 52 bits at most: x86-64's MAXPHYADDR, AArch64's LPA2. */
const PHYSICAL_LIMIT = 1n << 52n;

/** Settles what the headers of a file of `fileSize` bytes say. */
export function settleSegments(headers: readonly SegmentHeader[], fileSize: number): Segments {
  const notes = new Notes();
  const next = nextOffsets(headers);
  const parts = headers.map((header) => partsOf(header, BigInt(fileSize), next, notes));
  const segments = apart(parts.flatMap(({ present }) => present ?? []), notes);
  const missing = uncovered(parts.flatMap(({ missing }) => missing ?? []), segments);
  return { segments, missing, notes: notes.list() };
}

/** Where in the file the bytes of another segment begin, by each segment's own offset. */
function nextOffsets(headers: readonly SegmentHeader[]): ReadonlyMap<bigint, bigint> {
  const offsets = [...new Set(headers.map(({ offset }) => offset))].sort((a, b) => a < b ? -1 : 1);
  return new Map(offsets.slice(1).map((offset, n) => [offsets[n], offset]));
}

interface Parts {
  readonly present: CoreSegment | null;
  readonly missing: MissingRange | null;
}

function partsOf(
  header: SegmentHeader,
  fileSize: bigint,
  next: ReadonlyMap<bigint, bigint>,
  notes: Notes,
): Parts {
  const { address, offset, length } = header;
  const inFile = bytesInFile(header, fileSize, next);
  const present = inFile === 0n
    ? null
    : { address, offset: Number(offset), fileLength: Number(inFile) };
  if (inFile === length) return { present, missing: null };
  const believed = address + length <= PHYSICAL_LIMIT;
  notes.add(shortage(header, inFile, believed));
  const missing = { address: address + inFile, length: length - inFile };
  return { present, missing: believed ? missing : null };
}

/** `segment 0 (0x0, 0x4000000 bytes at 0x3d8 in the file): only the first 0x100 are there, …` */
function shortage(
  { name, address, offset, length }: SegmentHeader,
  inFile: bigint,
  believed: boolean,
): string {
  const told = `${name} (${hex(address)}, ${hex(length)} bytes at ${hex(offset)} in the file)`;
  if (inFile === 0n) return `${told} is not in the file: ${believed ? "unreadable" : "left out"}`;
  const rest = believed ? "unreadable" : "impossible, and left out";
  return `${told}: only the first ${hex(inFile)} are in the file, the rest is ${rest}`;
}

/**
 * How much of a segment the file has. One that reaches past the file's end has no bytes of the
 * segment behind it, whatever its header says.
 */
function bytesInFile(
  { address, offset, length }: SegmentHeader,
  fileSize: bigint,
  next: ReadonlyMap<bigint, bigint>,
): bigint {
  const wraps = ADDRESS_LIMIT - address;
  if (offset + length <= fileSize) return least(length, wraps);
  const end = least(fileSize, next.get(offset) ?? fileSize);
  return end <= offset ? 0n : least(end - offset, wraps);
}

/** Sorted by address; where two overlap the later one keeps only what is past the earlier. */
function apart(segments: readonly CoreSegment[], notes: Notes): CoreSegment[] {
  const list = segments.toSorted(byAddress);
  const kept: CoreSegment[] = [];
  let end = 0n;
  for (const one of list) {
    const overlap = one.address < end ? Number(end - one.address) : 0;
    if (overlap > 0) {
      notes.add(`segments overlap at ${hex(one.address)}: the one that starts first is used`);
    }
    if (overlap >= one.fileLength) continue;
    const [offset, fileLength] = [one.offset + overlap, one.fileLength - overlap];
    kept.push({ address: one.address + BigInt(overlap), offset, fileLength });
    end = one.address + BigInt(one.fileLength);
  }
  return kept;
}

/** What of the missing ranges no segment has after all, each address once. */
function uncovered(
  ranges: readonly MissingRange[],
  segments: readonly CoreSegment[],
): MissingRange[] {
  const left: MissingRange[] = [];
  let [at, n] = [0n, 0];
  const add = (end: bigint) => {
    if (end > at) left.push({ address: at, length: end - at });
  };
  for (const { address, length } of ranges.toSorted(byAddress)) {
    const end = address + length;
    if (address > at) at = address;
    for (; n < segments.length && segments[n].address < end; n++) {
      const { address: start, fileLength } = segments[n];
      add(start);
      if (start + BigInt(fileLength) > at) at = start + BigInt(fileLength);
    }
    add(end);
    if (end > at) at = end;
  }
  return left;
}

function byAddress(a: { readonly address: bigint }, b: { readonly address: bigint }): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : 0;
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** A hostile file has a million segments; nobody reads as many notes. */
class Notes {
  readonly #first: string[] = [];
  #more = 0;

  add(text: string): void {
    if (this.#first.length < MAX_NOTES) this.#first.push(text);
    else this.#more++;
  }

  list(): string[] {
    return this.#more === 0 ? this.#first : [...this.#first, `and ${this.#more} more like these`];
  }
}
