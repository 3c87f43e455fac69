/**
 * Finds virtqueues in guest memory by their shape alone: no monitor, no symbols, no layout. Works on
 * whatever has a memory table: a dump, a RAM file, a live guest.
 *
 * What it can not find: rings in which nothing was ever made available (they are zeros), rings that do
 * not start at a page, split rings whose three areas were allocated apart, and rings behind an IOMMU,
 * whose descriptors name no guest memory.
 *
 * Guest memory is hostile: what looks like a ring on purpose is dropped once it costs more than the
 * scan itself, and the result says how much was.
 *
 * @module
 */
import { readSpans, type Span } from "../dump/pieces.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import { type Region, regionEnd } from "../memory/region.ts";
import { apart, areaRanges, Candidates, type Range, type Shape } from "./candidates.ts";
import { EventPages } from "./event_areas.ts";
import { bareRing, foundPacked, type FoundRing, foundSplit } from "./found_ring.ts";
import { weighedByTables } from "./indirect_tables.ts";
import { Look, PAGE } from "./look.ts";
import { lookedAtAgain } from "./movement.ts";
import { type NamedRing, nameRings } from "./names.ts";
import { PageFilter } from "./page_filter.ts";

/** Bytes read at a time: small enough to stay in a processor's cache. */
const CHUNK = 1 << 18;
/** Bytes that close looks may read, beside as many as the scan itself. */
const CLOSE_LOOKS = 1 << 28;
/** Rings that are read and judged. */
const MAX_RINGS = 1024;

/** How far a scan has come. */
export interface CarveProgress {
  /** Bytes of memory that were looked at; between regions is none. */
  readonly behind: bigint;
}

/** What a scan found. */
export interface Carving {
  /** Best first. */
  readonly rings: readonly NamedRing[];
  /** Bytes that were read; memory that was never written is not among them. */
  readonly scanned: bigint;
  /** Bytes that could not be read. */
  readonly unreadable: bigint;
  /** Pages or rings that were not looked at, because there were too many. */
  readonly skipped: number;
}

/** [start, end) of the addresses that a table has. */
function extentOf({ table: { regions } }: GuestMemory): { start: bigint; end: bigint } {
  const last = regions.at(-1);
  return last === undefined
    ? { start: 0n, end: 0n }
    : { start: regions[0].guest, end: regionEnd(last) };
}

/** Bytes of the regions before an address; to be asked for ascending addresses. */
function memoryBehind(regions: readonly Region[]): (address: bigint) => bigint {
  let [n, whole] = [0, 0n];
  return (address) => {
    while (n < regions.length && regionEnd(regions[n]) <= address) whole += regions[n++].length;
    const started = n < regions.length && regions[n].guest < address;
    return started ? whole + address - regions[n].guest : whole;
  };
}

/**
 * Scans all of guest memory. A step is a stretch of at most 256 KiB, or a ring, so that the caller can
 * show progress, let signals in, and stop. Reads by copy: sparse memory stays sparse.
 */
export function* carve(memory: GuestMemory): Generator<CarveProgress, Carving> {
  const look = new Look(memory);
  const scan = new Scan(look);
  const { start, end } = extentOf(memory);
  const behind = memoryBehind(memory.table.regions);
  for (const span of readSpans(memory, start, end - start, new Uint8Array(CHUNK))) {
    scan.take(span);
    yield { behind: behind(span.address + span.length) };
  }
  const shapes = scan.candidates.settle();
  const rings: FoundRing[] = [];
  for (const read of readers(look, scan.events, shapes.slice(0, MAX_RINGS))) {
    const ring = read();
    if (ring.score > 0) rings.push(ring);
    yield { behind: memory.table.size };
  }
  const { scanned, unreadable, candidates } = scan;
  const skipped = scan.skipped + candidates.dropped + Math.max(0, shapes.length - MAX_RINGS);
  const weighed = weighedByTables(look, rings).sort((a, b) => b.score - a.score);
  const best = apart(weighed, rangesOf);
  return { rings: nameRings(best), scanned, unreadable, skipped };
}

function rangesOf({ config }: FoundRing): Range[] {
  const { format, size, descriptor, driver, device } = config;
  const at = { descriptor: Number(descriptor), driver: Number(driver), device: Number(device) };
  return areaRanges(format, size, at);
}

/** What reads each ring. Event areas are shared out among all packed rings beforehand. */
function readers(look: Look, events: EventPages, shapes: readonly Shape[]): (() => FoundRing)[] {
  const split = shapes.flatMap((one) =>
    one.format === "split" ? [() => foundSplit(look, one.shape)] : []
  );
  const packed = shapes.flatMap((one) => {
    if (one.format !== "packed") return [];
    const shape = lookedAtAgain(look, one.shape);
    const bare = bareRing(look, shape);
    return bare === null ? [] : [{ shape, bare }];
  });
  const areas = events.assign(look, packed.map(({ bare }) => bare));
  const known = packed.flatMap(({ shape }, n) => {
    const place = areas[n];
    return place === null ? [] : [() => foundPacked(look, shape, place)];
  });
  return [...split, ...known];
}

/** The running state of a scan. */
class Scan {
  readonly candidates = new Candidates();
  readonly events = new EventPages();
  scanned = 0n;
  unreadable = 0n;
  skipped = 0;
  readonly #filter: PageFilter;

  constructor(readonly look: Look) {
    this.#filter = new PageFilter(look.memory.table);
  }

  take(span: Span): void {
    if (span.kind === "unreadable") this.unreadable += span.length;
    if (span.kind !== "bytes") return;
    this.scanned += span.length;
    const first = (PAGE - Number(span.address % BigInt(PAGE))) % PAGE;
    const words = wordsFrom(span.bytes, first);
    const base = Number(span.address) + first;
    const { split, packed, events } = this.#filter.scan(words);
    const closely = (pages: readonly number[], add: (address: number) => void) => {
      for (const page of pages) {
        if (this.look.spent > CLOSE_LOOKS + Number(this.scanned)) this.skipped++;
        else add(base + page * PAGE);
      }
    };
    closely(split, (address) => this.candidates.addSplit(this.look, address));
    closely(packed, (address) => this.candidates.addPacked(this.look, address));
    closely(events, (address) => this.events.add(this.look, address));
  }
}

/** Words from the first page on; a copy where they are not aligned in the buffer. */
function wordsFrom(bytes: Uint8Array, first: number): Uint32Array {
  const length = Math.max(0, bytes.length - first) >>> 2;
  const at = bytes.byteOffset + first;
  if (at % 4 === 0) return new Uint32Array(bytes.buffer, at, length);
  return new Uint32Array(bytes.slice(first, first + length * 4).buffer);
}
