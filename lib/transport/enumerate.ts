/**
 * Virtio devices inside a guest, the same view on every bus: PCI, MMIO and channel I/O.
 *
 * @module
 */
import { ccwType, isCcwAddress } from "./ccw.ts";
import { parseResources, type PciBar } from "./pci_bars.ts";
import { type CapabilityList, readCapabilities } from "./pci_capabilities.ts";
import { identify, identityOf, type PciIdentity, type PciKind } from "./pci_ids.ts";
import { hexAttribute, type SysfsReader } from "./sysfs_reader.ts";
import { listVirtioNodes, type VirtioNode } from "./virtio_sysfs.ts";

/** A PCI function of virtio's, or ivshmem. */
export interface PciDevice {
  readonly bus: "pci";
  /** `0000:00:03.0` */
  readonly address: string;
  readonly what: PciKind;
  readonly identity: PciIdentity;
  /** By index. */
  readonly bars: readonly (PciBar | null)[];
  readonly capabilities: CapabilityList;
  /** The virtio bus' view; null where no virtio driver has it. */
  readonly node: VirtioNode | null;
  /** PCI driver: `virtio-pci`, `uio_pci_generic`; null where none is bound. */
  readonly driver: string | null;
}

/** A virtio-mmio transport. */
export interface MmioTransport {
  readonly bus: "mmio";
  /** Base address in hexadecimal (`feb00e00`), or the platform device's name where it is hidden. */
  readonly address: string;
  /** Guest physical address and bytes of the registers; null where /proc/iomem hides them. */
  readonly registers: { readonly start: bigint; readonly length: bigint } | null;
  readonly node: VirtioNode;
}

/** A channel-attached device. */
export interface CcwDevice {
  readonly bus: "ccw";
  /** `0.0.0001` */
  readonly address: string;
  /** virtio device id. */
  readonly type: number;
  readonly node: VirtioNode | null;
}

/** A device on any bus. */
export type BusDevice = PciDevice | MmioTransport | CcwDevice;

const PCI = "sys/bus/pci/devices";
const CCW = "sys/bus/ccw/devices";

/** Every virtio device, and every ivshmem, of this (virtual) machine. Never throws. */
export function enumerate(reader: SysfsReader): BusDevice[] {
  const nodes = listVirtioNodes(reader);
  return [
    ...enumeratePci(reader, nodes),
    ...enumerateMmio(reader, nodes),
    ...enumerateCcw(
      reader,
      nodes,
    ),
  ];
}

/** Those on PCI. */
export function enumeratePci(
  reader: SysfsReader,
  nodes: readonly VirtioNode[] = listVirtioNodes(reader),
): PciDevice[] {
  return reader.list(PCI).map((address) => readPci(reader, address, nodes))
    .filter((device) => device !== null);
}

function readPci(
  reader: SysfsReader,
  address: string,
  nodes: readonly VirtioNode[],
): PciDevice | null {
  const at = `${PCI}/${address}`;
  const config = reader.bytes(`${at}/config`, 256);
  if (config === null || config.length < 64) return null;
  const bars = parseResources(reader.text(`${at}/resource`) ?? "");
  const capabilities = readCapabilities(config, bars);
  const identity = identityOf(config);
  const node = nodes.find(({ parent }) => parent === address) ?? null;
  // Without privileges the list is out of sight: VIRTIO_F_VERSION_1 tells too.
  const modern = capabilities.capabilities.length > 0 ||
    (node !== null && (node.features >> 32n & 1n) === 1n);
  const what = identify(identity, modern);
  if (what === null) return null;
  const driver = reader.link(`${at}/driver`)?.split("/").at(-1) ?? null;
  return { bus: "pci", address, what, identity, bars, capabilities, node, driver };
}

/** Those on MMIO: only transports that a device sits behind and a driver has probed. */
export function enumerateMmio(
  reader: SysfsReader,
  nodes: readonly VirtioNode[] = listVirtioNodes(reader),
): MmioTransport[] {
  const iomem = reader.text("proc/iomem") ?? "";
  return nodes
    .filter(({ parent }) => !isPciAddress(parent) && !isCcwAddress(parent))
    .map((node) => {
      const registers = findIomem(iomem, node.parent) ?? fromName(node.parent);
      const address = registers === null ? node.parent : registers.start.toString(16);
      return { bus: "mmio", address, registers, node };
    });
}

/** Those on channel I/O (s390x). */
export function enumerateCcw(
  reader: SysfsReader,
  nodes: readonly VirtioNode[] = listVirtioNodes(reader),
): CcwDevice[] {
  return reader.list(CCW).filter(isCcwAddress).flatMap((address): CcwDevice[] => {
    const type = ccwType(reader.text(`${CCW}/${address}/cutype`) ?? "");
    const node = nodes.find(({ parent }) => parent === address) ?? null;
    return type === null ? [] : [{ bus: "ccw", address, type, node }];
  });
}

/** Whether a name is a PCI address with its domain. */
export function isPciAddress(name: string): boolean {
  return /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(name);
}

/** `feb00e00-feb00fff : LNRO0005:00`; without privileges all addresses read 0. */
function findIomem(iomem: string, name: string) {
  for (const line of iomem.split("\n")) {
    const match = /^\s*([0-9a-f]+)-([0-9a-f]+) : (.*)$/.exec(line);
    if (match === null || match[3] !== name) continue;
    const [start, end] = [BigInt("0x" + match[1]), BigInt("0x" + match[2])];
    if (end > start) return { start, length: end - start + 1n };
  }
  return null;
}

/** Device-tree names carry the address: `a000000.virtio_mmio`. Registers take 0x200 bytes at least. */
function fromName(name: string) {
  const address = hexAttribute(/^([0-9a-f]+)\.virtio_mmio$/.exec(name)?.[1] ?? null);
  return address === null ? null : { start: BigInt(address), length: 0x200n };
}
