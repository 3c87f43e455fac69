/**
 * What Linux's virtio bus tells of a device, whatever bus it sits on: /sys/bus/virtio/devices.
 *
 * @module
 */
import { hexAttribute, type SysfsReader } from "./sysfs_reader.ts";

/** A device of the virtio bus. */
export interface VirtioNode {
  /** `virtio0`: Linux's name. */
  readonly name: string;
  /** virtio device id. */
  readonly type: number;
  readonly vendor: number;
  /** Status byte; null where it could not be read. */
  readonly status: number | null;
  /** Negotiated features. */
  readonly features: bigint;
  /** `virtio_net` …; null where none is bound. */
  readonly driver: string | null;
  /** The device above it: `0000:00:03.0`, `a000000.virtio_mmio`, `LNRO0005:00`, `0.0.0001`. */
  readonly parent: string;
}

const DEVICES = "sys/bus/virtio/devices";

/** Every device of the virtio bus. A device that goes while it is read is left out. */
export function listVirtioNodes(reader: SysfsReader): VirtioNode[] {
  return reader.list(DEVICES)
    .filter((name) => /^virtio[0-9]+$/.test(name))
    .map((name) => readNode(reader, name))
    .filter((node) => node !== null)
    .sort((a, b) => Number(a.name.slice(6)) - Number(b.name.slice(6)));
}

function readNode(reader: SysfsReader, name: string): VirtioNode | null {
  const at = `${DEVICES}/${name}`;
  const type = hexAttribute(reader.text(`${at}/device`));
  // A link to `../../../devices/pci0000:00/0000:00:03.0/virtio0`.
  const parent = reader.link(at)?.split("/").at(-2) ?? null;
  if (type === null || parent === null) return null;
  return {
    name,
    type,
    vendor: hexAttribute(reader.text(`${at}/vendor`)) ?? 0,
    status: hexAttribute(reader.text(`${at}/status`)),
    features: parseFeatures(reader.text(`${at}/features`) ?? ""),
    driver: reader.link(`${at}/driver`)?.split("/").at(-1) ?? null,
    parent,
  };
}

/**
 * A feature string: `0` and `1`, bit 0 first; 64 of them, or 128 in kernels from 2025 on. What is
 * neither ends it.
 */
export function parseFeatures(text: string): bigint {
  const digits = /^[01]{0,128}/.exec(text.trim())?.[0] ?? "";
  return BigInt("0b0" + [...digits].reverse().join(""));
}

/**
 * How many interrupts besides the configuration's a device has in /proc/interrupts: with one vector
 * per queue, its queues. Null where it shares interrupts or has none.
 */
export function queueNames(interrupts: string, name: string): string[] {
  const found: string[] = [];
  for (const line of interrupts.split("\n")) {
    const label = line.trim().split(/\s+/).at(-1) ?? "";
    if (label.startsWith(`${name}-`) && label !== `${name}-config`) {
      found.push(label.slice(name.length + 1));
    }
  }
  return found;
}
