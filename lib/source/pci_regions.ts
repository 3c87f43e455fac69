/**
 * The memory of a PCI device that can be mapped through sysfs: shared memory regions of virtio, BAR 2
 * of ivshmem. Registers are not memory and are not mapped here.
 *
 * @module
 */
import { O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { Mapping } from "../../ffi/mapping.ts";
import type { Sys } from "../../ffi/sys.ts";
import { hex } from "../address.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { Region } from "../memory/region.ts";
import type { PciDevice } from "../transport/enumerate.ts";
import type { PciBar } from "../transport/pci_bars.ts";
import { sharedMemory } from "../transport/pci_capabilities.ts";
import { barPath } from "../transport/register_window.ts";
import { IVSHMEM_BAR } from "../wire/ivshmem/registers.ts";
import { deviceRegion } from "./inside.ts";

/** A range of a BAR that is memory. */
export interface BarRange {
  readonly name: string;
  readonly bar: PciBar;
  readonly offset: bigint;
  /** Bytes. */
  readonly length: bigint;
}

/** What a device has to map, and what it announced in vain. */
export function mappable(device: PciDevice): { ranges: BarRange[]; notes: string[] } {
  const { bars } = device;
  if (device.what.kind === "ivshmem") {
    const bar = bars[IVSHMEM_BAR.memory];
    return bar === null
      ? { ranges: [], notes: ["BAR 2, the shared memory, has no address"] }
      : { ranges: [{ name: "ivshmem", bar, offset: 0n, length: bar.length }], notes: [] };
  }
  const { regions, notes } = sharedMemory(device.capabilities);
  const ranges = regions.flatMap(({ id, length, place }): BarRange[] => {
    const bar = place.kind === "bar" ? bars[place.bar] : null;
    return bar === null || place.kind !== "bar"
      ? []
      : [{ name: `shm${id}`, bar, offset: place.offset, length }];
  });
  const ports = ranges.filter(({ bar }) => bar.io).map(({ name }) => `${name}: in a BAR of ports`);
  return { ranges: ranges.filter(({ bar }) => !bar.io), notes: [...notes, ...ports] };
}

/**
 * Maps a range. Throws SourceError: `permission` without root, `busy` where a driver has claimed it,
 * `unsupported` for one too large to address.
 */
export function mapRange(
  sys: Sys,
  address: string,
  range: BarRange,
  write: boolean,
): { region: Region; mapping: Mapping } {
  const { name, bar, offset, length } = range;
  const inPage = Number(offset % BigInt(sys.pageSize));
  if (offset + length > BigInt(Number.MAX_SAFE_INTEGER)) {
    const text = `${name} of ${hex(length)} bytes can not be addressed`;
    throw new SourceError("pci", "map", "unsupported", text);
  }
  const path = barPath(address, bar.index);
  try {
    const fd = new Fd(sys, sys.open(path, write ? O_RDWR : O_RDONLY));
    const mapping = Mapping.open({
      sys,
      fd,
      offset: Number(offset) - inPage,
      length: Number(length) + inPage,
      writable: write,
      label: `${address} BAR ${bar.index}`,
    });
    return { mapping, region: deviceRegion(mapping, name, bar.start + offset, inPage) };
  } catch (error) {
    throw explained(error, path);
  }
}

function explained(error: unknown, path: string): unknown {
  if (!isSyscallFailure(error)) return error;
  const options = { cause: error };
  if (error.errno === "EACCES" || error.errno === "EPERM") {
    return new SourceError("pci", "map", "permission", error.message, "run as root", options);
  }
  if (error.errno === "EINVAL") {
    const text = `${path}: ${error.message}`;
    const remedy = "a driver has claimed it: unbind the driver, or boot with iomem=relaxed";
    return new SourceError("pci", "map", "busy", text, remedy, options);
  }
  return new SourceError("pci", "map", "failed", error.message, "", options);
}
