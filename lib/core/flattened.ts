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
/** A writer goes back to the headers once or twice. */
const MAX_OVERLAPS = 1024;

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
 * there. What was written twice is as it was written last. Throws ProtocolError for blocks that lie
 * about their size, or overlap more often than a writer that corrects itself does.
 */
export function unflatten(reader: Reader): Reader {
  const blocks = apart(readBlocks(reader));
  const size = blocks.at(-1)?.end ?? 0;
  const readInto = (offset: number, target: Uint8Array) => gather(reader, blocks, offset, target);
  return { size, label: reader.label, readInto };
}

/** Sorted by place, without overlap. Blocks come in the order in which they were written. */
function apart(written: readonly Block[]): Block[] {
  const sorted = written.toSorted((a, b) => a.start - b.start);
  const kept: Block[] = [];
  let overlaps = 0;
  for (let n = 0; n < sorted.length; n++) {
    const next = sorted[n];
    const last = kept.at(-1);
    if (last === undefined || next.start >= last.end) {
      kept.push(next);
      continue;
    }
    if (++overlaps > MAX_OVERLAPS) {
      const got = `more than ${MAX_OVERLAPS} blocks that overlap`;
      throw new ProtocolError("kdump", "flattened blocks", "few that overlap", got);
    }
    // Positions in the file are in the order of writing: the higher one stays whole.
    const rest = next.from > last.from ? tailOf(last, next.end) : tailOf(next, last.end);
    if (next.from > last.from) {
      kept.pop();
      if (last.start < next.start) kept.push({ ...last, end: next.start });
      kept.push(next);
    }
    if (rest !== null) insert(sorted, n + 1, rest);
  }
  return kept;
}

/** What of a block lies at `start` and behind it. */
function tailOf(block: Block, start: number): Block | null {
  if (start >= block.end) return null;
  return { start, end: block.end, from: block.from + start - block.start };
}

function insert(sorted: Block[], from: number, block: Block): void {
  let at = from;
  while (at < sorted.length && sorted[at].start < block.start) at++;
  sorted.splice(at, 0, block);
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
