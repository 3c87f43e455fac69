/**
 * Bounded looks at guest memory by addresses as doubles, as a scan has them.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";

/** Bytes of a page: rings start at its multiples in every driver that is known. */
export const PAGE = 4096;

/** Reads copies of guest memory, and knows which addresses are memory. */
export class Look {
  /** Bytes read so far: what a hostile guest can make grow. */
  spent = 0;

  constructor(readonly memory: GuestMemory) {}

  /** Whether a buffer may begin at an address. Page 0 is nobody's. */
  isMemory(address: number): boolean {
    return address >= PAGE && this.memory.table.indexOf(address) >= 0;
  }

  /** A copy of exactly `length` bytes; null where any is missing. */
  bytes(address: number, length: number): Uint8Array<ArrayBuffer> | null {
    const target = new Uint8Array(length);
    this.spent += length;
    const fault = this.memory.copy(BigInt(address), target);
    return fault === null ? target : null;
  }

  /** Two 16-bit words as they stand at the start of an available or a used ring. */
  head(address: number): { readonly flags: number; readonly index: number } | null {
    const bytes = this.bytes(address, 4);
    return bytes === null
      ? null
      : { flags: bytes[0] | bytes[1] << 8, index: bytes[2] | bytes[3] << 8 };
  }
}

/** The address in words 0 and 1 of a descriptor; exact below 2^53. */
export function addressAt(words: Uint32Array, at: number): number {
  return words[at + 1] * 4294967296 + words[at];
}
