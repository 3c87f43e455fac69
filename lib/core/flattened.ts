/**
 * makedumpfile's flattened form, which QEMU writes for kdump formats: blocks in the order they were
 * written, each with the offset where it belongs. Layout: makedumpfile.h
 * (`makedumpfile_header`, 4096 bytes; then `makedumpfile_data_header`), big-endian.
 *
 * ```text
 *  0      "makedumpfile" 0…  type u64  version u64
 *  4096   offset i64  size i64  size bytes      a block, repeated
 *         -1          -1                        the end
 * ```
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import { exact, need, type Reader } from "./reader.ts";

const SIGNATURE = "makedumpfile\0\0\0\0";
const HEADER = 4096;
const BLOCK_HEADER = 16;
/** Blocks of one dump; QEMU writes one per 4 MiB or so. */
const MAX_BLOCKS = 1 << 22;

/** A block: [start, end) of the dump stands at `from` in the file. */
interface Block {
  readonly start: number;
  readonly end: number;
  readonly from: number;
}

/** Whether a file is in flattened form. */
export function isFlattened(reader: Reader): boolean {
  const bytes = new Uint8Array(SIGNATURE.length);
  return reader.readInto(0, bytes) === bytes.length &&
    String.fromCharCode(...bytes) === SIGNATURE;
}

/**
 * The dump in its own order. Blocks cut off at the end of the file are kept as far as they are
 * there. Throws ProtocolError for blocks that overlap or lie about their size.
 */
export function unflatten(reader: Reader): Reader {
  const blocks = readBlocks(reader).sort((a, b) => a.start - b.start);
  for (let n = 1; n < blocks.length; n++) {
    if (blocks[n].start < blocks[n - 1].end) {
      const got = `blocks at ${blocks[n - 1].start} and ${blocks[n].start} overlap`;
      throw new ProtocolError("kdump", "flattened blocks", "one block for each byte", got);
    }
  }
  const size = blocks.at(-1)?.end ?? 0;
  const readInto = (offset: number, target: Uint8Array) => gather(reader, blocks, offset, target);
  return { size, label: reader.label, readInto };
}

function readBlocks(reader: Reader): Block[] {
  const blocks: Block[] = [];
  for (let at = HEADER; at + BLOCK_HEADER <= reader.size;) {
    const head = need(reader, "kdump", "block header", at, BLOCK_HEADER);
    const [start, size] = [head.getBigInt64(0), head.getBigInt64(8)];
    if (start === -1n && size === -1n) return blocks;
    if (start < 0n || size <= 0n || blocks.length >= MAX_BLOCKS) {
      throw new ProtocolError(
        "kdump",
        "block header",
        "offset and size",
        `${start} and ${size}`,
        at,
      );
    }
    const from = at + BLOCK_HEADER;
    const [begin, length] = [exact(start, "kdump", "offset"), exact(size, "kdump", "size")];
    blocks.push({ start: begin, end: begin + length, from });
    at = from + length;
  }
  return blocks;
}

function gather(
  reader: Reader,
  blocks: readonly Block[],
  offset: number,
  target: Uint8Array,
): number {
  let done = 0;
  while (done < target.length) {
    const block = find(blocks, offset + done);
    if (block === null) break;
    const into = offset + done - block.start;
    const part = target.subarray(
      done,
      done + Math.min(target.length - done, block.end - block.start - into),
    );
    const got = reader.readInto(block.from + into, part);
    done += got;
    if (got < part.length) break;
  }
  return done;
}

/** The block that holds an offset. Blocks are sorted and do not overlap. */
function find(blocks: readonly Block[], offset: number): Block | null {
  let low = 0;
  let high = blocks.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const block = blocks[middle];
    if (offset < block.start) high = middle - 1;
    else if (offset >= block.end) low = middle + 1;
    else return block;
  }
  return null;
}
