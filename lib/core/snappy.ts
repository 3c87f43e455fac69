/**
 * Snappy, as far as a dump's pages need it: one block whose length is known. Format: snappy's
 * format_description.txt.
 *
 * ```text
 *  varint                     length of the whole
 *  LLLLLL00                   1 + L literals; L of 60 to 63: L is in the 1 to 4 bytes after
 *  OOOLLL01 O                 copies 4 + L from O before
 *  LLLLLL10 OO                copies 1 + L from O before
 *  LLLLLL11 OOOO              the same, farther
 * ```
 *
 * The library there is for it fills what a block leaves out with zeros, which is no way to read memory.
 *
 * @module
 */
import { PackedBlock } from "./packed_block.ts";

/** Decompresses into `target`. Whether the block is sound and fills it to the last byte. */
export function unpackSnappy(packed: Uint8Array, target: Uint8Array): boolean {
  const block = new PackedBlock(packed, target);
  if (lengthOf(block) !== target.length) return false;
  for (let tag = block.byte(); tag >= 0; tag = block.byte()) {
    if (!((tag & 3) === 0 ? literals(block, tag >> 2) : copy(block, tag))) return false;
  }
  return block.full;
}

/** 7 bits a byte, the lowest first; at most 32 bits. */
function lengthOf(block: PackedBlock): number {
  let length = 0;
  for (let shift = 0; shift < 32; shift += 7) {
    const byte = block.byte();
    if (byte < 0) return -1;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return length;
  }
  return -1;
}

function literals(block: PackedBlock, length: number): boolean {
  const count = length < 60 ? length : block.number(length - 59);
  return count >= 0 && block.literals(count + 1);
}

function copy(block: PackedBlock, tag: number): boolean {
  if ((tag & 3) === 1) {
    const low = block.byte();
    return low >= 0 && block.match((tag >> 5) * 256 + low, 4 + ((tag >> 2) & 7));
  }
  return block.match(block.number((tag & 3) === 2 ? 2 : 4), 1 + (tag >> 2));
}
