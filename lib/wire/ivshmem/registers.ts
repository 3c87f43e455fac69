/**
 * The ivshmem PCI device, version 1: identity, registers of BAR 0, and the doorbell.
 *
 * Source: QEMU docs/specs/ivshmem-spec.rst and hw/misc/ivshmem-pci.c.
 *
 * @module
 */
import { MAX_ID } from "./message.ts";

/** PCI identity of ivshmem-plain and ivshmem-doorbell. */
export const IVSHMEM_PCI = { vendor: 0x1af4, device: 0x1110 } as const;

/** What each BAR holds. */
export const IVSHMEM_BAR = { registers: 0, msix: 1, memory: 2 } as const;

/** Byte offsets in BAR 0; every register is 32 bits wide and little-endian. */
export const REGISTER = {
  /** Revision 0 only. Reading IntrStatus clears it. */
  intrMask: 0x00,
  intrStatus: 0x04,
  /** Our own peer id; 0 on ivshmem-plain too. */
  ivPosition: 0x08,
  /** Write only. */
  doorbell: 0x0c,
} as const;

/** Bytes of BAR 0. */
export const REGISTERS_LENGTH = 0x100;

/** The value for the doorbell register. Throws RangeError for an id or a vector above 16 bits. */
export function doorbellValue(peer: number, vector: number): number {
  for (const [name, value] of [["peer", peer], ["vector", vector]] as const) {
    if (!Number.isInteger(value) || value < 0 || value > MAX_ID) {
      throw new RangeError(`${name} ${value} is not from 0 to ${MAX_ID}`);
    }
  }
  return ((peer << 16) | vector) >>> 0;
}

/**
 * Whether a size can be a BAR's, which QEMU asks of the shared memory: a power of two, and for
 * mapping at least a page. QEMU ends with an error on any other.
 */
export function isBarSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 4096 && Number.isInteger(Math.log2(size));
}
