/**
 * kdump-compressed dumps: pages of a guest, each compressed on its own. Layout: diskdump_mod.h of
 * the crash utility (`disk_dump_header`, `kdump_sub_header`, `page_desc`), as QEMU's dump.h has it.
 *
 * ```text
 *  block 0            header                       block_size bytes a block
 *  1                  sub header                   sub_hdr_size blocks
 *  1 + sub            bitmap of pages that exist   bitmap_blocks / 2
 *                     bitmap of pages that are in the dump, as many: makedumpfile leaves some out
 *  1 + sub + bitmaps  a descriptor per dumped page, in order of page number
 * ```
 *
 * @module
 */
import { inflateSync, zstdDecompressSync } from "node:zlib";
import { available, type Backing, type CopyResult, type Extent } from "../memory/backing.ts";
import { parseKdumpHeader } from "./kdump_header.ts";
import { unpackLzo1x } from "./lzo1x.ts";
import { need, type Reader } from "./reader.ts";
import { unpackSnappy } from "./snappy.ts";

/** Decompressed pages kept: rings and their requests lie close together. */
const CACHE_PAGES = 256;
/** `page_desc`: offset i64, size u32, flags u32, page_flags u64. */
const DESCRIPTOR = 24;
/** Descriptors read at a time. */
const WINDOW = 1024;
const COMPRESSED = { ZLIB: 1, LZO: 2, SNAPPY: 4, ZSTD: 32 } as const;

/** A range of pages, [first, end). */
export interface PageRun {
  readonly first: number;
  readonly end: number;
}

/** The memory of such a dump. Offsets are guest physical addresses. */
export class KdumpBacking implements Backing {
  readonly length: number;
  readonly label: string;
  readonly pageSize: number;
  readonly #reader: Reader;
  /** Pages that are in the dump. */
  readonly #bitmap: Uint8Array;
  /** Pages that the guest has. */
  readonly #memory: Uint8Array;
  /** How many pages are dumped before each byte of the bitmap. */
  readonly #rank: Uint32Array;
  readonly #descriptors: number;
  /** By place in the dump, not by page: all pages of zeros are stored once. */
  readonly #cache = new Map<number, Uint8Array>();
  readonly #window = new DataView(new ArrayBuffer(WINDOW * DESCRIPTOR));
  /** Number of the first descriptor in the window, and how many there are. */
  #windowFirst = 0;
  #windowCount = 0;

  /** Throws ProtocolError for a header that is cut short or lies. */
  constructor(reader: Reader) {
    const header = parseKdumpHeader(reader);
    this.#reader = reader;
    this.label = reader.label;
    this.pageSize = header.blockSize;
    this.#descriptors = header.descriptors;
    this.#bitmap = bitmapAt(reader, header.bitmap, header.bitmapLength);
    this.#memory = bitmapAt(reader, header.memory, header.bitmapLength);
    this.#memory.forEach((bits, n) => this.#memory[n] = bits | this.#bitmap[n]);
    this.#rank = ranks(this.#bitmap);
    const pages = Math.min(header.pages, header.bitmapLength * 8);
    this.length = pages * this.pageSize;
  }

  /** How many pages the guest has, and how many of them were left out of the dump. */
  get pages(): { all: number; leftOut: number } {
    const count = (bitmap: Uint8Array) => bitmap.reduce((sum, byte) => sum + bits(byte), 0);
    const all = count(this.#memory);
    return { all, leftOut: all - count(this.#bitmap) };
  }

  /** Ranges of pages that the guest has, in order; at most `limit`. */
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

  /** The guest's memory: a page of it that was left out of the dump can not be read, and is no hole. */
  nextData(offset: number): Extent | null {
    const end = this.length / this.pageSize;
    let page = Math.floor(offset / this.pageSize);
    while (page < end && !has(this.#memory, page)) page = this.#skip(page, end);
    if (page >= end) return null;
    const first = page;
    while (page < end && has(this.#memory, page)) page += this.#allEight(page) ? 8 : 1;
    page = Math.min(page, end);
    return { start: Math.max(offset, first * this.pageSize), end: page * this.pageSize };
  }

  /** The next page, or the next byte of the bitmap where this one is empty. */
  #skip(page: number, end: number): number {
    return (page & 7) === 0 && this.#memory[page >>> 3] === 0 ? Math.min(page + 8, end) : page + 1;
  }

  #allEight(page: number): boolean {
    return (page & 7) === 0 && this.#memory[page >>> 3] === 0xff;
  }

  /** A page's bytes, or the errno that says why there are none. */
  #page(page: number): Uint8Array | string {
    if (!has(this.#bitmap, page)) return "ENODATA";
    const below = this.#bitmap[page >>> 3] & ((1 << (page & 7)) - 1);
    return this.#stored(this.#rank[page >>> 3] + bits(below));
  }

  /** The page with a descriptor. A dump cut short ends here with EIO. */
  #stored(index: number): Uint8Array | string {
    const at = this.#descriptorAt(index);
    if (at === null) return "EIO";
    const place = this.#window.getBigInt64(at, true);
    const size = this.#window.getUint32(at + 8, true);
    const flags = this.#window.getUint32(at + 12, true);
    if (place < 0n || place > BigInt(this.#reader.size) || size > this.pageSize * 2) return "EIO";
    const cached = this.#cache.get(Number(place));
    if (cached !== undefined) return cached;
    const bytes = new Uint8Array(size);
    if (this.#reader.readInto(Number(place), bytes) < size) return "EIO";
    const page = this.#decompress(bytes, flags);
    if (typeof page !== "string") this.#keep(Number(place), page);
    return page;
  }

  #keep(place: number, page: Uint8Array): void {
    if (this.#cache.size >= CACHE_PAGES) {
      this.#cache.delete(this.#cache.keys().next().value as number);
    }
    this.#cache.set(place, page);
  }

  /** Where in the window a descriptor stands; null where the dump ends before it. */
  #descriptorAt(index: number): number | null {
    let at = index - this.#windowFirst;
    if (at < 0 || at >= this.#windowCount) {
      this.#windowFirst = index - index % WINDOW;
      const from = this.#descriptors + this.#windowFirst * DESCRIPTOR;
      const got = this.#reader.readInto(from, new Uint8Array(this.#window.buffer));
      this.#windowCount = Math.floor(got / DESCRIPTOR);
      at = index - this.#windowFirst;
    }
    return at < this.#windowCount ? at * DESCRIPTOR : null;
  }

  #decompress(bytes: Uint8Array, flags: number): Uint8Array | string {
    const packed = flags & (COMPRESSED.ZLIB | COMPRESSED.LZO | COMPRESSED.SNAPPY | COMPRESSED.ZSTD);
    if (packed === 0) return bytes.length === this.pageSize ? bytes : "EIO";
    const unpack = UNPACK[packed];
    if (unpack === undefined) return "EOPNOTSUPP";
    try {
      const page = unpack(bytes, this.pageSize);
      return page?.length === this.pageSize ? page : "EIO";
    } catch {
      return "EIO";
    }
  }
}

/** A page of `size` bytes; null, an error, or another length where the block is broken. */
type Unpack = (bytes: Uint8Array, size: number) => Uint8Array | null;

/** By flag of the page; two at once are none. */
const UNPACK: { readonly [flag: number]: Unpack | undefined } = {
  [COMPRESSED.ZLIB]: (bytes, size) => new Uint8Array(inflateSync(bytes, { maxOutputLength: size })),
  [COMPRESSED.LZO]: (bytes, size) => into(size, (page) => unpackLzo1x(bytes, page)),
  [COMPRESSED.SNAPPY]: (bytes, size) => into(size, (page) => unpackSnappy(bytes, page)),
  [COMPRESSED.ZSTD]: (bytes, size) =>
    new Uint8Array(zstdDecompressSync(bytes, { maxOutputLength: size })),
};

function into(size: number, unpack: (page: Uint8Array) => boolean): Uint8Array | null {
  const page = new Uint8Array(size);
  return unpack(page) ? page : null;
}

function bitmapAt(reader: Reader, at: number, length: number): Uint8Array {
  const bitmap = new Uint8Array(length);
  if (reader.readInto(at, bitmap) < length) need(reader, "kdump", "page bitmap", at, length);
  return bitmap;
}

function has(bitmap: Uint8Array, page: number): boolean {
  return (bitmap[page >>> 3] >>> (page & 7) & 1) === 1;
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
