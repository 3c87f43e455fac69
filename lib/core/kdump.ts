/**
 * kdump-compressed dumps: pages of a guest, each compressed on its own. Layout: diskdump_mod.h of
 * the crash utility (`disk_dump_header`, `kdump_sub_header`, `page_desc`), as QEMU's dump.h has it.
 *
 * ```text
 *  block 0            header                       block_size bytes a block
 *  1                  sub header                   sub_hdr_size blocks
 *  1 + sub            bitmap of pages that exist   bitmap_blocks / 2
 *                     bitmap of pages that are in the dump, as many
 *  1 + sub + bitmaps  a descriptor per dumped page, in order of page number
 * ```
 *
 * @module
 */
import { inflateSync } from "node:zlib";
import { ProtocolError } from "../errors.ts";
import { available, type Backing, type CopyResult, type Extent } from "../memory/backing.ts";
import { exact, need, type Reader } from "./reader.ts";

const SIGNATURE = "KDUMP   ";
/** A bitmap of this many bytes covers a guest of 2 TiB. */
const MAX_BITMAP = 64 << 20;
/** Decompressed pages kept: rings and their requests lie close together. */
const CACHE_PAGES = 256;
/** `page_desc`: offset i64, size u32, flags u32, page_flags u64. */
const DESCRIPTOR = 24;
const COMPRESSED = { ZLIB: 1, LZO: 2, SNAPPY: 4, ZSTD: 32 } as const;
/** What packers may pad the two struct forms with: 64-bit ones align `status`. */
const STATUS_AT = { 64: 424, 32: 412 } as const;

/** A range of pages, [first, end). */
export interface PageRun {
  readonly first: number;
  readonly end: number;
}

/** Whether a reader holds a kdump-compressed dump. */
export function isKdump(reader: Reader): boolean {
  const bytes = new Uint8Array(SIGNATURE.length);
  return reader.readInto(0, bytes) === bytes.length &&
    String.fromCharCode(...bytes) === SIGNATURE;
}

/** The memory of such a dump. Offsets are guest physical addresses. */
export class KdumpBacking implements Backing {
  readonly length: number;
  readonly label: string;
  readonly pageSize: number;
  readonly #reader: Reader;
  readonly #bitmap: Uint8Array;
  /** How many pages are dumped before each byte of the bitmap. */
  readonly #rank: Uint32Array;
  readonly #descriptors: number;
  readonly #cache = new Map<number, Uint8Array>();

  /** Throws ProtocolError for a header that is cut short or lies. */
  constructor(reader: Reader) {
    const header = parseHeader(reader);
    this.#reader = reader;
    this.label = reader.label;
    this.pageSize = header.blockSize;
    this.#descriptors = header.descriptors;
    this.#bitmap = new Uint8Array(header.bitmapLength);
    const got = reader.readInto(header.bitmap, this.#bitmap);
    if (got < header.bitmapLength) {
      need(reader, "kdump", "page bitmap", header.bitmap, header.bitmapLength);
    }
    this.#rank = ranks(this.#bitmap);
    const pages = Math.min(header.pages, header.bitmapLength * 8);
    this.length = pages * this.pageSize;
  }

  /** Ranges of pages that are in the dump, in order; at most `limit`. */
  runs(limit: number): PageRun[] {
    const list: PageRun[] = [];
    for (let extent = this.nextData(0); extent !== null && list.length < limit;) {
      list.push({ first: extent.start / this.pageSize, end: extent.end / this.pageSize });
      extent = this.nextData(extent.end);
    }
    return list;
  }

  copy(offset: number, target: Uint8Array): CopyResult {
    const wanted = available(this.length, offset, target.length);
    let done = 0;
    while (done < wanted) {
      const at = offset + done;
      const page = this.#page(Math.floor(at / this.pageSize));
      if (typeof page === "string") return { length: done, errno: page };
      const into = at % this.pageSize;
      const part = page.subarray(into, into + Math.min(wanted - done, this.pageSize - into));
      target.set(part, done);
      done += part.length;
    }
    return { length: done, errno: done === target.length ? null : "EFAULT" };
  }

  /** A dump can not be read in place. */
  live(): null {
    return null;
  }

  nextData(offset: number): Extent | null {
    const end = this.length / this.pageSize;
    let page = Math.floor(offset / this.pageSize);
    while (page < end && !this.#has(page)) page = this.#skip(page, end);
    if (page >= end) return null;
    const first = page;
    while (page < end && this.#has(page)) page++;
    return { start: Math.max(offset, first * this.pageSize), end: page * this.pageSize };
  }

  /** The next page, or the next byte of the bitmap where this one is empty. */
  #skip(page: number, end: number): number {
    return (page & 7) === 0 && this.#bitmap[page >>> 3] === 0 ? Math.min(page + 8, end) : page + 1;
  }

  #has(page: number): boolean {
    return (this.#bitmap[page >>> 3] >>> (page & 7) & 1) === 1;
  }

  /** A page's bytes, or the errno that says why there are none. */
  #page(page: number): Uint8Array | string {
    const cached = this.#cache.get(page);
    if (cached !== undefined) return cached;
    if (!this.#has(page)) return "ENODATA";
    const below = this.#bitmap[page >>> 3] & ((1 << (page & 7)) - 1);
    const index = this.#rank[page >>> 3] + bits(below);
    const bytes = this.#stored(this.#descriptors + index * DESCRIPTOR);
    if (typeof bytes === "string") return bytes;
    if (this.#cache.size >= CACHE_PAGES) {
      this.#cache.delete(this.#cache.keys().next().value as number);
    }
    this.#cache.set(page, bytes);
    return bytes;
  }

  /** Reads the page whose descriptor stands at `at`. A dump cut short ends here with EIO. */
  #stored(at: number): Uint8Array | string {
    const raw = new Uint8Array(DESCRIPTOR);
    if (this.#reader.readInto(at, raw) < DESCRIPTOR) return "EIO";
    const view = new DataView(raw.buffer);
    const offset = view.getBigInt64(0, true);
    const size = view.getUint32(8, true);
    const flags = view.getUint32(12, true);
    if (offset < 0n || offset > BigInt(this.#reader.size) || size > this.pageSize * 2) return "EIO";
    const bytes = new Uint8Array(size);
    if (this.#reader.readInto(Number(offset), bytes) < size) return "EIO";
    return this.#decompress(bytes, flags);
  }

  #decompress(bytes: Uint8Array, flags: number): Uint8Array | string {
    const packed = flags & (COMPRESSED.ZLIB | COMPRESSED.LZO | COMPRESSED.SNAPPY | COMPRESSED.ZSTD);
    if (packed === 0) return bytes.length === this.pageSize ? bytes : "EIO";
    if (packed !== COMPRESSED.ZLIB) return "EOPNOTSUPP";
    try {
      const page = new Uint8Array(inflateSync(bytes, { maxOutputLength: this.pageSize }));
      return page.length === this.pageSize ? page : "EIO";
    } catch {
      return "EIO";
    }
  }
}

/** What the header says, in bytes. */
interface Header {
  readonly blockSize: number;
  readonly bitmap: number;
  readonly bitmapLength: number;
  readonly descriptors: number;
  readonly pages: number;
}

function parseHeader(reader: Reader): Header {
  const header = need(reader, "kdump", "header", 0, 464);
  const form = isBlockSize(header.getUint32(STATUS_AT[64] + 4, true)) ? 64 : 32;
  const at = STATUS_AT[form];
  const [blockSize, subBlocks, bitmapBlocks, mapnr] = [4, 8, 12, 16].map((n) =>
    header.getUint32(at + n, true)
  );
  if (!isBlockSize(blockSize)) {
    throw new ProtocolError(
      "kdump",
      "block_size",
      "a power of two from 4096 to 65536",
      `${blockSize}`,
      at,
    );
  }
  const bitmapLength = (bitmapBlocks / 2) * blockSize;
  if (
    bitmapBlocks % 2 !== 0 || bitmapLength === 0 || bitmapLength > MAX_BITMAP || subBlocks > 1 << 20
  ) {
    throw new ProtocolError(
      "kdump",
      "bitmap_blocks",
      "two bitmaps of a guest up to 2 TiB",
      `${bitmapBlocks}`,
    );
  }
  const first = (1 + subBlocks) * blockSize;
  const descriptors = first + 2 * bitmapLength;
  const version = header.getUint32(8, true);
  const pages = version >= 6 && form === 64 ? pageCount(reader, blockSize) : mapnr;
  return { blockSize, bitmap: first + bitmapLength, bitmapLength, descriptors, pages };
}

/** `max_mapnr_64` of the sub header, since version 6. */
function pageCount(reader: Reader, blockSize: number): number {
  const sub = need(reader, "kdump", "sub header", blockSize, 104);
  return exact(sub.getBigUint64(96, true), "kdump", "max_mapnr_64");
}

function isBlockSize(size: number): boolean {
  return size >= 4096 && size <= 65536 && (size & (size - 1)) === 0;
}

function ranks(bitmap: Uint8Array): Uint32Array {
  const rank = new Uint32Array(bitmap.length);
  for (let n = 1; n < bitmap.length; n++) rank[n] = rank[n - 1] + bits(bitmap[n - 1]);
  return rank;
}

/** Bits set in a byte. */
function bits(byte: number): number {
  const pairs = byte - ((byte >> 1) & 0x55);
  const nibbles = (pairs & 0x33) + ((pairs >> 2) & 0x33);
  return (nibbles + (nibbles >> 4)) & 0x0f;
}
