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
import { deviceIdNamed } from "./names.ts";
import { net } from "./net.ts";
import { ninep } from "./ninep.ts";
import { pmem } from "./pmem.ts";
import { rng } from "./rng.ts";
import { scsi } from "./scsi.ts";
import { sound } from "./sound.ts";
import { unknownType } from "./unknown.ts";
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

const byId = new Map(DEVICE_TYPES.map((type) => [type.id, type]));

/** The type with a virtio device id; one that only says lengths where there is no decoder. */
export function deviceType(id: number): DeviceType {
  return byId.get(id) ?? unknownType(id);
}

/** The type of a name that {@linkcode deviceIdNamed} knows; null for others. */
export function deviceTypeNamed(name: string): DeviceType | null {
  const id = deviceIdNamed(name);
  return id === null ? null : deviceType(id);
}
