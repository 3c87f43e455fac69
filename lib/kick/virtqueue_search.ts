/**
 * Finds where a queue's (descriptor, driver, device) addresses stand together in the private memory
 * of a process. Nothing is stopped, and pages that the process never touched are not read.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "../source/attempt.ts";
import type { MapsEntry } from "../source/proc_maps.ts";
import { DESC_OFFSET, type WantedQueue } from "./virtqueue_struct.ts";

/** The calls it makes. */
export type SearchSys = Pick<Sys, "open" | "close" | "pread" | "processVmReadv" | "pageSize">;

/** A place that may be a `struct VirtQueue`. */
export interface Hit {
  /** Position in the wanted list. */
  readonly wanted: number;
  /** Where the struct would begin. */
  readonly address: bigint;
}

/** Bytes read in one go. */
const CHUNK = 4 << 20;

/** A heap is smaller; larger mappings are guest RAM, or the translation cache of the emulator. */
const LARGEST = 1n << 30n;

/** No process has so many copies of a queue's addresses by itself: what is beyond, the guest made. */
const HITS_PER_QUEUE = 16;

/** pagemap entry: present, or swapped (Linux Documentation/admin-guide/mm/pagemap.rst). */
const PAGE_THERE = 0xc000_0000;

/** Whether an entry of maps can hold QEMU's heap: private, writable, no file. */
export function isHeap(entry: MapsEntry): boolean {
  if (!entry.writable || !entry.readable || entry.shared || entry.file !== null) return false;
  if (entry.path !== "" && entry.path !== "[heap]" && !entry.path.startsWith("[anon")) return false;
  return entry.end - entry.start <= LARGEST;
}

/** What a search gave. */
export interface HeapSearch {
  readonly hits: readonly Hit[];
  /** False where there were so many copies that the search ended early. */
  readonly complete: boolean;
}

/** Every place in the heap where the addresses of a wanted queue stand. */
export function searchHeap(
  sys: SearchSys,
  pid: number,
  maps: readonly MapsEntry[],
  wanted: readonly WantedQueue[],
): HeapSearch {
  const pattern = compile(wanted);
  const buffer = new Uint8Array(CHUNK);
  const hits: Hit[] = [];
  for (const entry of maps.filter(isHeap)) {
    for (const { start, length } of touchedRuns(sys, pid, entry)) {
      const got = attempt(() => sys.processVmReadv(pid, start, buffer.subarray(0, length)));
      for (const hit of scan(buffer, got ?? 0, start, pattern, wanted)) {
        if (hits.length >= wanted.length * HITS_PER_QUEUE) return { hits, complete: false };
        hits.push(hit);
      }
    }
  }
  return { hits, complete: true };
}

interface Pattern {
  /** Which hashes of a low word are of a wanted address: one load per 8 bytes says "not here". */
  readonly bitmap: Uint8Array;
  /** Low word of a descriptor area's address → positions in the wanted list. */
  readonly byLowWord: ReadonlyMap<number, readonly number[]>;
}

function compile(wanted: readonly WantedQueue[]): Pattern {
  const bitmap = new Uint8Array(0x10000);
  const byLowWord = new Map<number, number[]>();
  wanted.forEach(({ ring }, index) => {
    const low = Number(ring.descriptor & 0xffff_ffffn);
    bitmap[hash(low)] = 1;
    byLowWord.set(low, [...byLowWord.get(low) ?? [], index]);
  });
  return { bitmap, byLowWord };
}

function hash(low: number): number {
  return (low ^ (low >>> 12)) & 0xffff;
}

/** The addresses are u64s at a multiple of 8: a C compiler puts them so. */
function* scan(
  buffer: Uint8Array,
  length: number,
  start: bigint,
  { bitmap, byLowWord }: Pattern,
  wanted: readonly WantedQueue[],
): Generator<Hit> {
  const words = new Uint32Array(buffer.buffer, 0, length >>> 2);
  const quads = new BigUint64Array(buffer.buffer, 0, length >>> 3);
  for (let i = 0; i + 6 <= words.length; i += 2) {
    if (bitmap[hash(words[i])] === 0) continue;
    for (const index of byLowWord.get(words[i]) ?? []) {
      if (!matches(quads, i >> 1, wanted[index])) continue;
      yield { wanted: index, address: start + BigInt(i * 4 - DESC_OFFSET) };
    }
  }
}

function matches(quads: BigUint64Array, at: number, { ring }: WantedQueue): boolean {
  return quads[at] === ring.descriptor && quads[at + 1] === ring.driver &&
    quads[at + 2] === ring.device;
}

/**
 * Runs of pages that exist, at most a chunk each; the whole entry where pagemap can not be read.
 * Chunks overlap by a page, so that a tuple on their border is found: the same address may come twice.
 */
function* touchedRuns(
  sys: SearchSys,
  pid: number,
  entry: MapsEntry,
): Generator<{ start: bigint; length: number }> {
  const page = BigInt(sys.pageSize);
  const fd = attempt(() => sys.open(`/proc/${pid}/pagemap`, 0));
  try {
    for (let at = entry.start; at < entry.end; at += BigInt(CHUNK) - page) {
      const end = entry.end - at < BigInt(CHUNK) ? entry.end : at + BigInt(CHUNK);
      const pages = Number((end - at) / page);
      yield* runs(fd === null ? null : readPagemap(sys, fd, at / page, pages), at, pages, page);
      if (end === entry.end) return;
    }
  } finally {
    if (fd !== null) sys.close(fd);
  }
}

function* runs(there: Uint32Array | null, at: bigint, pages: number, page: bigint) {
  let first = 0;
  for (let i = 0; i <= pages; i++) {
    const present = i < pages && (there === null || (there[2 * i + 1] & PAGE_THERE) !== 0);
    if (present) continue;
    if (i > first) {
      yield { start: at + BigInt(first) * page, length: (i - first) * Number(page) };
    }
    first = i + 1;
  }
}

function readPagemap(
  sys: SearchSys,
  fd: number,
  firstPage: bigint,
  pages: number,
): Uint32Array | null {
  const bytes = new Uint8Array(pages * 8);
  const got = attempt(() => sys.pread(fd, bytes, Number(firstPage * 8n)));
  return got === bytes.length ? new Uint32Array(bytes.buffer) : null;
}
