/**
 * The header of a kdump-compressed dump. Layout: diskdump_mod.h of the crash utility
 * (`disk_dump_header`, `kdump_sub_header`), as QEMU's dump.h has it.
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import { exact, need, type Reader } from "./reader.ts";

const SIGNATURE = "KDUMP   ";
/** A bitmap of this many bytes covers a guest of 2 TiB. */
const MAX_BITMAP = 64 << 20;
/** Blocks of the sub header; notes and vmcoreinfo stand elsewhere. */
const MAX_SUB_BLOCKS = 1 << 20;
/** What packers may pad the two struct forms with: 64-bit ones align `status`. */
const STATUS_AT = { 64: 424, 32: 412 } as const;
/** `max_mapnr_64` of the sub header. */
const MAX_MAPNR_AT = 96;

/** What the header says. Places are byte offsets, lengths bytes. */
export interface KdumpHeader {
  readonly blockSize: number;
  /** The bitmap of pages that the guest has; some may have been left out of the dump. */
  readonly memory: number;
  /** The bitmap of pages that are in the dump. */
  readonly bitmap: number;
  readonly bitmapLength: number;
  /** The first page descriptor. */
  readonly descriptors: number;
  /** One past the last page number. */
  readonly pages: number;
}

/** Whether a reader holds a kdump-compressed dump. */
export function isKdump(reader: Reader): boolean {
  const bytes = new Uint8Array(SIGNATURE.length);
  return reader.readInto(0, bytes) === bytes.length &&
    String.fromCharCode(...bytes) === SIGNATURE;
}

/** Reads the header. Throws ProtocolError where it is cut short or lies. */
export function parseKdumpHeader(reader: Reader): KdumpHeader {
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
    bitmapBlocks % 2 !== 0 || bitmapLength === 0 || bitmapLength > MAX_BITMAP ||
    subBlocks > MAX_SUB_BLOCKS
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
  const bitmap = first + bitmapLength;
  return { blockSize, memory: first, bitmap, bitmapLength, descriptors, pages };
}

/** `max_mapnr_64` of the sub header, since version 6. */
function pageCount(reader: Reader, blockSize: number): number {
  const sub = need(reader, "kdump", "sub header", blockSize, MAX_MAPNR_AT + 8);
  return exact(sub.getBigUint64(MAX_MAPNR_AT, true), "kdump", "max_mapnr_64");
}

function isBlockSize(size: number): boolean {
  return size >= 4096 && size <= 65536 && (size & (size - 1)) === 0;
}
