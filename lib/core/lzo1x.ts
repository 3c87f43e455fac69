/**
 * LZO1X, as far as a dump's pages need it: one block whose length is known. Format: Linux
 * Documentation/staging/lzo.rst ("LZO stream format as understood by Linux' LZO decompressor").
 *
 * ```text
 *  byte              copies from what was written    then literals   distance - 1
 *  1LLDDDSS H        5 + L                           S               H * 8 + D
 *  01LDDDSS H        3 + L                           S               H * 8 + D
 *  001LLLLL SS… D…   2 + L, longer where L is 0      S               D of 14 bits
 *  0001HLLL SS… D…   2 + L, longer where L is 0      S               16383 + H * 16384 + D; with 0 ends
 *  0000DDSS H        2, or 3 after a long run        S               H * 4 + D, or 2048 + H * 4 + D
 *  0000LLLL          nothing, where no literal came before: 3 + L literals, longer where L is 0
 * ```
 *
 * @module
 */
import { PackedBlock } from "./packed_block.ts";

/** What came last: nothing, 1 to 3 literals, or a run of 4 and more. */
const [NONE, RUN] = [0, 4];

/** Decompresses into `target`. Whether the block is sound and fills it to the last byte. */
export function unpackLzo1x(packed: Uint8Array, target: Uint8Array): boolean {
  const block = new PackedBlock(packed, target);
  let state = NONE;
  let code = block.byte();
  if (code > 17) {
    // A stream begins with literals whose count has its own code.
    if (!block.literals(code - 17)) return false;
    state = Math.min(RUN, code - 17);
    code = block.byte();
  }
  for (; code >= 0; code = block.byte()) {
    const next = code < 16 && state === NONE ? longRun(block, code) : step(block, code, state);
    if (next === null) return false;
    if (next === "end") return block.full;
    state = next;
  }
  return false;
}

/** A length that did not fit into `bits`: as many times 255 as there are zeros, and what follows. */
function longer(block: PackedBlock, length: number, bits: number): number {
  if (length !== 0) return length;
  let sum = (1 << bits) - 1;
  for (let next = block.byte(); next >= 0; next = block.byte()) {
    if (next !== 0) return sum + next;
    sum += 255;
  }
  return Infinity;
}

function longRun(block: PackedBlock, code: number): number | null {
  return block.literals(3 + longer(block, code, 4)) ? RUN : null;
}

/** One instruction that copies. Gives the next state; null for what is broken. */
function step(block: PackedBlock, code: number, state: number): number | "end" | null {
  if (code >= 64) {
    const high = block.byte();
    const length = code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1);
    return high < 0 ? null : copy(block, 1 + high * 8 + ((code >> 2) & 7), length, code & 3);
  }
  if (code >= 16) return far(block, code);
  const high = block.byte();
  if (high < 0) return null;
  const [from, length] = state === RUN ? [2049, 3] : [1, 2];
  return copy(block, from + high * 4 + (code >> 2), length, code & 3);
}

function far(block: PackedBlock, code: number): number | "end" | null {
  const near = code >= 32;
  const length = 2 + (near ? longer(block, code & 31, 5) : longer(block, code & 7, 3));
  const pair = block.number(2);
  if (pair < 0) return null;
  const distance = near ? 1 + (pair >> 2) : 16384 + ((code & 8) << 11) + (pair >> 2);
  return distance === 16384 && !near ? "end" : copy(block, distance, length, pair & 3);
}

function copy(
  block: PackedBlock,
  distance: number,
  length: number,
  literals: number,
): number | null {
  return block.match(distance, length) && block.literals(literals) ? literals : null;
}
