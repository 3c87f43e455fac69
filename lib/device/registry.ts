/**
 * All device types, by id and by name.
 *
 * @module
 */
import { balloon } from "./balloon.ts";
import { blk } from "./blk.ts";
import { console } from "./console.ts";
import { crypto } from "./crypto.ts";
import type { DeviceType } from "./decoder.ts";
import { fs } from "./fs.ts";
import { gpio } from "./gpio.ts";
import { gpu } from "./gpu.ts";
import { i2c } from "./i2c.ts";
import { input } from "./input.ts";
import { iommu } from "./iommu.ts";
import { mem } from "./mem.ts";
import { net } from "./net.ts";
import { ninep } from "./ninep.ts";
import { pmem } from "./pmem.ts";
import { rng } from "./rng.ts";
import { scsi } from "./scsi.ts";
import { sound } from "./sound.ts";
import { OTHER_NAMES, unknownType } from "./unknown.ts";
import { vsock } from "./vsock.ts";

/** Device types with a decoder. */
export const DEVICE_TYPES: readonly DeviceType[] = [
  net,
  blk,
  console,
  rng,
  balloon,
  scsi,
  ninep,
  gpu,
  input,
  vsock,
  crypto,
  iommu,
  mem,
  sound,
  fs,
  pmem,
  i2c,
  gpio,
];

/** What others call a device type: QEMU, Linux and the standard. */
const ALIASES: { readonly [name: string]: string } = {
  network: "net",
  block: "blk",
  serial: "console",
  entropy: "rng",
  "scsi-host": "scsi",
  socket: "vsock",
  keyboard: "input",
  mouse: "input",
  tablet: "input",
  memory: "mem",
  snd: "sound",
  filesystem: "fs",
  vga: "gpu",
  "gpu-gl": "gpu",
  "vga-gl": "gpu",
};

const byId = new Map(DEVICE_TYPES.map((type) => [type.id, type]));
const byName = new Map(DEVICE_TYPES.map((type) => [type.name, type]));

/** The type with a virtio device id; one that only says lengths where there is no decoder. */
export function deviceType(id: number): DeviceType {
  return byId.get(id) ?? unknownType(id);
}

/**
 * The type with a name, as this project, QEMU (`virtio-net-pci`, `vhost-user-fs`) or the standard
 * says it; null where nobody has that name.
 */
export function deviceTypeNamed(name: string): DeviceType | null {
  const bare = name.toLowerCase().replace(/^(virtio|vhost-user|vhost)-/, "")
    .replace(/(-non-transitional|-transitional)$/, "").replace(/-(pci|ccw|device|mmio)$/, "");
  const known = byName.get(Object.hasOwn(ALIASES, bare) ? ALIASES[bare] : bare);
  return known ?? otherNamed(bare);
}

function otherNamed(name: string): DeviceType | null {
  const found = Object.entries(OTHER_NAMES).find(([, other]) => other === name);
  const number = /^unknown\((\d{1,5})\)$/.exec(name);
  if (number !== null) return deviceType(Number(number[1]));
  return found === undefined ? null : unknownType(Number(found[0]));
}
