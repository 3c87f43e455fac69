/**
 * BARs as Linux tells them: /sys/bus/pci/devices/ADDRESS/resource, one line `start end flags` each
 * (Linux, Documentation/PCI/sysfs-pci.rst; flags from include/linux/ioport.h).
 *
 * @module
 */

/** One BAR. */
export interface PciBar {
  readonly index: number;
  /** Guest physical address, or port number. */
  readonly start: bigint;
  /** Bytes; greater than 0. */
  readonly length: bigint;
  /** Ports, not memory. */
  readonly io: boolean;
}

const IORESOURCE_IO = 0x100n;
const IORESOURCE_MEM = 0x200n;
/** No address assigned: `start` means nothing. */
const IORESOURCE_UNSET = 0x2000_0000n;

/** BARs 0 to 5 by index; null where there is none, or none that has an address. Never throws. */
export function parseResources(text: string): (PciBar | null)[] {
  const lines = text.split("\n", 6);
  return Array.from({ length: 6 }, (_, index) => parseLine(lines[index] ?? "", index));
}

function parseLine(line: string, index: number): PciBar | null {
  const match = /^0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16})/.exec(line);
  if (match === null) return null;
  const [start, end, flags] = match.slice(1).map((digits) => BigInt("0x" + digits));
  if ((flags & (IORESOURCE_IO | IORESOURCE_MEM)) === 0n || end < start) return null;
  if ((flags & IORESOURCE_UNSET) !== 0n) return null;
  return { index, start, length: end - start + 1n, io: (flags & IORESOURCE_IO) !== 0n };
}
