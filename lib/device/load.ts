/**
 * Loads the decoder of one device type, and no other: the files of all take longer to load than a
 * ring to read.
 *
 * @module
 */
import type { DeviceType } from "./decoder.ts";

/** Files of this folder, by device id. Each exports its type under the file's name. */
const FILES: { readonly [id: number]: string } = {
  1: "net",
  2: "blk",
  3: "console",
  4: "rng",
  5: "balloon",
  8: "scsi",
  9: "ninep",
  16: "gpu",
  18: "input",
  19: "vsock",
  20: "crypto",
  23: "iommu",
  24: "mem",
  25: "sound",
  26: "fs",
  27: "pmem",
  34: "i2c",
  41: "gpio",
};

/** The type with a virtio device id; one that only says lengths where there is no decoder. */
export async function loadDeviceType(id: number): Promise<DeviceType> {
  const file = FILES[id];
  // Names that Deno can not see ahead: it would read all of them before anything runs.
  const path = file === undefined ? "./unknown.ts" : `./${file}.ts`;
  const module = await import(path);
  return file === undefined ? module.unknownType(id) : module[file];
}
