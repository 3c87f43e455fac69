/**
 * `pci:ADDRESS`, inside a guest: a virtio device, or ivshmem, by its PCI address. Its shared memory
 * regions are the memory, at their guest addresses.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Device, DeviceArea, Guest, Queue } from "../guest/guest.ts";
import { doorbellKick } from "../kick/ivshmem_register.ts";
import type { Kick, KickSide } from "../kick/kick.ts";
import { portKick } from "../kick/port_io.ts";
import { virtioPciKick } from "../kick/virtio_pci.ts";
import { readCommonConfig } from "../transport/common_config.ts";
import { enumeratePci, type PciDevice } from "../transport/enumerate.ts";
import { type CapabilityList, CFG_TYPE, firstUsable } from "../transport/pci_capabilities.ts";
import { openBar } from "../transport/register_window.ts";
import { type SysfsReader, sysfsReader } from "../transport/sysfs_reader.ts";
import { attempt } from "./attempt.ts";
import { InsideAttachment, virtioDevice } from "./inside.ts";
import { ivshmemDevice, namedPeer } from "./pci_ivshmem.ts";
import { mappable, mapRange } from "./pci_regions.ts";
import type { Attachment, AttachOptions, Source, Target } from "./source.ts";

/** The PCI source. */
export const pciSource: Source = {
  scheme: "pci",
  summary: "inside a guest: a virtio device or ivshmem by its PCI address, its shared memory",
  find: (options) => Promise.resolve().then(() => findDevices(options)),
  attach: (target, options) => Promise.resolve().then(() => attachPci(target, options)),
};

function findDevices(options: AttachOptions): Guest[] {
  const reader = sysfsReader(options.sys);
  return enumeratePci(reader).map((device) => {
    const { ranges, notes } = mappable(device);
    return {
      target: `pci:${device.address}`,
      name: nameOf(device),
      kind: "device",
      pid: null,
      state: device.driver ?? "no driver",
      memory: ranges.length === 0 ? null : ranges.reduce((sum, { length }) => sum + length, 0n),
      devices: [describe(device, reader, null, null)],
      note: [...device.capabilities.notes, ...notes].join("; "),
    };
  });
}

function nameOf({ what, node }: PciDevice): string {
  return node?.name ?? (what.kind === "ivshmem" || what.kind === "ivshmem-v2" ? what.kind : "");
}

function attachPci(target: Target, options: AttachOptions): Attachment {
  const { sys, write, log } = options;
  const reader = sysfsReader(sys);
  const device = locate(reader, target);
  logDevice(device, log);
  using undo = new DisposableStack();
  const { ranges, notes } = mappable(device);
  const regions = ranges.map((range) => {
    const { mapping, region } = mapRange(sys, device.address, range, write);
    undo.use(mapping);
    return region;
  });
  const enabled = reader.text(`sys/bus/pci/devices/${device.address}/enable`);
  const asleep = device.driver === null && enabled === "0" && ranges.length > 0
    ? [`no driver has enabled it: if all bytes read ff, echo 1 > ${enablePath(device)}`]
    : [];
  const note = [...device.capabilities.notes, ...notes, ...asleep].join("; ");
  const numQueues = queueCount(sys, device);
  return new InsideAttachment({
    target,
    write,
    regions,
    resources: undo.move(),
    look: () => {
      const now = locate(reader, target);
      return {
        devices: [describe(now, reader, numQueues, target), ...namedPeer(now, target)],
        note,
      };
    },
    kicks: (selected, queue, side) => kicksOf(options, device, selected, queue, side),
  });
}

function enablePath({ address }: PciDevice): string {
  return `/sys/bus/pci/devices/${address}/enable`;
}

/** `3.0`, `03.0` and `00:03.0` stand for `0000:00:03.0`. */
export function fullAddress(text: string): string {
  const [slot, bus = "0", domain = "0"] = text.toLowerCase().split(":").reverse();
  return `${domain.padStart(4, "0")}:${bus.padStart(2, "0")}:${slot.padStart(4, "0")}`;
}

function locate(reader: SysfsReader, target: Target): PciDevice {
  const wanted = fullAddress(target.what);
  const devices = enumeratePci(reader);
  const found = devices.find(({ address }) => address === wanted);
  if (found !== undefined) return found;
  const there = reader.list("sys/bus/pci/devices").includes(wanted);
  const text = there ? `${wanted} is neither virtio nor ivshmem` : `no PCI device ${wanted}`;
  const names = devices.map(({ address }) => address).join(", ") || "there are none here";
  throw new SourceError("pci", "look up", "not-found", text, `virtio devices: ${names}`);
}

function logDevice({ address, what, capabilities }: PciDevice, log: (line: string) => void): void {
  log(`${address}: ${what.kind}`);
  for (const { name, bar, offset, length, id, problem } of capabilities.capabilities) {
    const which = name === "shared-memory" ? ` ${id}` : "";
    log(
      `  ${name}${which}: BAR ${bar}, ${offset}+${length}${problem === null ? "" : `: ${problem}`}`,
    );
  }
}

/** By the common configuration, where the kernel lets us look. */
function queueCount(sys: AttachOptions["sys"], device: PciDevice): number | null {
  const common = firstUsable(device.capabilities, CFG_TYPE.common);
  const bar = device.bars[common?.bar ?? -1] ?? null;
  if (common === null || bar === null || bar.io || common.length < 56n) return null;
  return attempt(() => {
    using registers = openBar(sys, device.address, bar, common.offset, 56, false);
    return readCommonConfig(registers)?.numQueues ?? null;
  });
}

function describe(
  device: PciDevice,
  reader: SysfsReader,
  numQueues: number | null,
  target: Target | null,
): Device {
  const { what, node, address } = device;
  const bus = { kind: "pci", id: address } as const;
  if (what.kind === "ivshmem" || what.kind === "ivshmem-v2") return ivshmemDevice(device);
  const interrupts = reader.text("proc/interrupts") ?? "";
  const virtio = virtioDevice(bus, what.type, node, { numQueues, interrupts, target });
  return { ...virtio, areas: deviceAreas(device.capabilities) };
}

/** Virtio capabilities that name a range of a BAR: 4.1.4. `pci` is a window, `vendor` anything. */
export function deviceAreas({ capabilities }: CapabilityList): DeviceArea[] {
  return capabilities
    .filter(({ type, vendor }) => type !== CFG_TYPE.pci && vendor === null)
    .map(({ name, id, bar, offset, length, multiplier, problem }) => ({
      name: name === "shared-memory" ? `${name} ${id}` : name,
      bar,
      offset,
      length,
      multiplier,
      note: problem ?? "",
    }));
}

function kicksOf(
  { sys }: AttachOptions,
  device: PciDevice,
  selected: Device,
  queue: Queue,
  side: KickSide,
): readonly Kick[] {
  if (device.what.kind === "ivshmem-v2") return [];
  if (device.what.kind === "ivshmem") {
    return [doorbellKick(sys, device, Number(selected.name), queue.index, side)];
  }
  return [
    virtioPciKick(sys, device, queue.index, side),
    portKick(sys, device, queue.index, side),
  ];
}
