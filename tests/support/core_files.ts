/**
 * Dumps made by hand, field by field from their layouts: ELF cores (System V ABI, chapters 4 and 5),
 * kdump-compressed dumps (diskdump_mod.h of the crash utility) and makedumpfile's flattened form.
 *
 * @module
 */
import { deflateSync, zstdCompressSync } from "node:zlib";
import type { Reader } from "../../lib/core/reader.ts";

/** A PT_LOAD segment; its bytes are put behind the headers unless `offset` says otherwise. */
export interface Segment {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** p_offset, to lie. */
  readonly offset?: bigint;
  /** p_filesz, to lie. */
  readonly length?: bigint;
  /** p_type; default PT_LOAD. */
  readonly type?: number;
}

/** How to write an ELF core. */
export interface ElfOptions {
  readonly bits?: 32 | 64;
  /** Write 0xffff as e_phnum and the number of segments into section 0. */
  readonly xnum?: boolean;
  /** e_type; default ET_CORE. */
  readonly type?: number;
  /** e_phnum, to lie. */
  readonly count?: number;
  /** e_phentsize, to lie. */
  readonly entry?: number;
  /** EI_DATA; default 1, little-endian. */
  readonly data?: number;
}

/** An ELF core. Offsets are not page aligned, as in QEMU's. */
export function elfCore(segments: readonly Segment[], options: ElfOptions = {}): Uint8Array {
  const wide = options.bits !== 32;
  const [header, entry, section] = wide ? [64, 56, 64] : [52, 32, 40];
  const headers = header + segments.length * entry + (options.xnum ? section : 0);
  const total = segments.reduce((sum, { bytes }) => sum + bytes.length, headers);
  const file = new Uint8Array(total);
  const view = new DataView(file.buffer);
  const word = (at: number, value: bigint) =>
    wide ? view.setBigUint64(at, value, true) : view.setUint32(at, Number(value), true);
  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, options.data ?? 1, 1]);
  view.setUint16(16, options.type ?? 4, true);
  view.setUint16(18, wide ? 62 : 3, true);
  word(wide ? 32 : 28, BigInt(header));
  if (options.xnum) {
    word(wide ? 40 : 32, BigInt(headers - section));
    view.setUint32(headers - section + (wide ? 44 : 28), segments.length, true);
  }
  view.setUint16(wide ? 54 : 42, options.entry ?? entry, true);
  view.setUint16(wide ? 56 : 44, options.xnum ? 0xffff : options.count ?? segments.length, true);
  let offset = headers;
  segments.forEach(({ address, bytes, type = 1, ...lie }, n) => {
    const at = header + n * entry;
    const [place, length] = [lie.offset ?? BigInt(offset), lie.length ?? BigInt(bytes.length)];
    view.setUint32(at, type, true);
    word(at + (wide ? 8 : 4), place);
    word(at + (wide ? 24 : 12), address);
    word(at + (wide ? 32 : 16), length);
    word(at + (wide ? 40 : 20), length);
    file.set(bytes, offset);
    offset += bytes.length;
  });
  return file;
}

/** Bytes per page of the kdumps made here. */
export const PAGE = 4096;

/** A page in a kdump: its bytes, or how it is stored to be wrong. */
export interface KdumpPage {
  readonly number: number;
  readonly bytes: Uint8Array;
  /** Default `zlib`. `broken`: deflated, with bytes turned over; `two`: says zlib and LZO. */
  readonly stored?: "zlib" | "plain" | "broken" | "two" | "far" | "lzo" | "snappy" | "zstd";
  /** What stands in the dump instead, packed by somebody else. */
  readonly packed?: Uint8Array;
}

/**
 * A kdump of version 6. Pages of zeros are stored once, as QEMU and makedumpfile do. `leftOut` are
 * pages that the guest has and that are not in the dump.
 */
export function kdump(
  pages: readonly KdumpPage[],
  mapnr: number,
  leftOut: readonly number[] = [],
): Uint8Array {
  const sorted = pages.toSorted((a, b) => a.number - b.number);
  const bitmapBlocks = Math.ceil(mapnr / 8 / PAGE);
  const descriptors = (2 + 2 * bitmapBlocks) * PAGE;
  const parts = new Map<string, { place: number; bytes: Uint8Array }>();
  let place = descriptors + sorted.length * 24;
  const stored = sorted.map((page) => {
    const bytes = storedBytes(page);
    const key = bytes.toHex();
    const known = parts.get(key) ?? { place, bytes };
    if (!parts.has(key)) place += bytes.length;
    parts.set(key, known);
    return known;
  });
  const file = new Uint8Array(place);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode("KDUMP   "));
  view.setUint32(8, 6, true);
  // status, block_size, sub_hdr_size, bitmap_blocks, max_mapnr
  [1, PAGE, 1, 2 * bitmapBlocks, mapnr].forEach((value, n) =>
    view.setUint32(424 + 4 * n, value, true)
  );
  view.setBigUint64(PAGE + 96, BigInt(mapnr), true);
  for (const { number } of sorted) {
    for (const bitmap of [2 * PAGE, (2 + bitmapBlocks) * PAGE]) {
      file[bitmap + (number >>> 3)] |= 1 << (number & 7);
    }
  }
  for (const number of leftOut) file[2 * PAGE + (number >>> 3)] |= 1 << (number & 7);
  sorted.forEach((page, n) => {
    const at = descriptors + n * 24;
    const beyond = page.stored === "far" ? 1n << 40n : 0n;
    view.setBigInt64(at, BigInt(stored[n].place) + beyond, true);
    view.setUint32(at + 8, stored[n].bytes.length, true);
    view.setUint32(at + 12, FLAGS[kind(page)], true);
  });
  for (const { place, bytes } of parts.values()) file.set(bytes, place);
  return file;
}

/** diskdump_mod.h: DUMP_DH_COMPRESSED_… */
const FLAGS = {
  zlib: 1,
  broken: 1,
  far: 1,
  lzo: 2,
  two: 3,
  snappy: 4,
  zstd: 32,
  plain: 0,
} as const;

function kind(page: KdumpPage): NonNullable<KdumpPage["stored"]> {
  return page.stored ?? "zlib";
}

function storedBytes(page: KdumpPage): Uint8Array {
  if (page.packed !== undefined) return page.packed;
  if (kind(page) === "plain") return page.bytes;
  if (kind(page) === "zstd") return new Uint8Array(zstdCompressSync(page.bytes));
  const bytes = new Uint8Array(deflateSync(page.bytes));
  return kind(page) === "broken" ? bytes.map((byte, n) => n < 8 ? byte : byte ^ 0x5a) : bytes;
}

/** A block of the flattened form: `bytes` belong at `offset`. */
export interface FlatBlock {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** What the header says, to lie. */
  readonly size?: bigint;
}

/** Flattened form of blocks, in the order given. */
export function flattened(blocks: readonly FlatBlock[], end = true): Uint8Array {
  const total = blocks.reduce((sum, { bytes }) => sum + 16 + bytes.length, 4096 + (end ? 16 : 0));
  const file = new Uint8Array(total);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode("makedumpfile"));
  view.setBigUint64(16, 1n);
  view.setBigUint64(24, 1n);
  let at = 4096;
  for (const { offset, bytes, size } of blocks) {
    view.setBigInt64(at, BigInt(offset));
    view.setBigInt64(at + 8, size ?? BigInt(bytes.length));
    file.set(bytes, at + 16);
    at += 16 + bytes.length;
  }
  if (end) [at, at + 8].forEach((place) => view.setBigInt64(place, -1n));
  return file;
}

/** A whole file as blocks of at most `size` bytes, the last first. */
export function cut(file: Uint8Array, size: number): FlatBlock[] {
  const blocks: FlatBlock[] = [];
  for (let offset = 0; offset < file.length; offset += size) {
    blocks.unshift({ offset, bytes: file.subarray(offset, offset + size) });
  }
  return blocks;
}

/** A reader over bytes. `reads` counts what was asked for. */
export function readerOf(file: Uint8Array): Reader & { readonly reads: number[] } {
  const reads: number[] = [];
  return {
    size: file.length,
    label: "made.core",
    reads,
    readInto(offset, target) {
      reads.push(target.length);
      const part = file.subarray(offset, offset + target.length);
      target.set(part);
      return part.length;
    },
  };
}

/** A page whose every byte tells its number. */
export function page(number: number): Uint8Array {
  return Uint8Array.from({ length: PAGE }, (_, n) => (number * 31 + n * 7) & 0xff);
}
