/**
 * Names of device types: by virtio device id, as virtio 1.4 chapter 5 numbers them (37: Linux), and
 * from the names that others give them. No decoder is needed for that.
 *
 * @module
 */
import { type QueueContext, queueNameOf } from "./queue_roles.ts";

/** Short names of all assigned device ids. */
export const DEVICE_NAMES: { readonly [id: number]: string } = {
  0: "reserved",
  1: "net",
  2: "blk",
  3: "console",
  4: "rng",
  5: "balloon",
  6: "iomem",
  7: "rpmsg",
  8: "scsi",
  9: "9p",
  10: "mac80211-wlan",
  11: "rproc-serial",
  12: "caif",
  13: "memory-balloon",
  16: "gpu",
  17: "rtc",
  18: "input",
  19: "vsock",
  20: "crypto",
  21: "signal-dist",
  22: "pstore",
  23: "iommu",
  24: "mem",
  25: "sound",
  26: "fs",
  27: "pmem",
  28: "rpmb",
  29: "mac80211-hwsim",
  30: "video-encoder",
  31: "video-decoder",
  32: "scmi",
  33: "nitro-sec-mod",
  34: "i2c",
  35: "watchdog",
  36: "can",
  37: "dmabuf",
  38: "param-serv",
  39: "audio-policy",
  40: "bt",
  41: "gpio",
  42: "rdma",
  43: "camera",
  44: "ism",
  45: "spi",
  46: "tee",
  47: "cpu-balloon",
  48: "media",
  49: "usb",
};

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

const ids = new Map(Object.entries(DEVICE_NAMES).map(([id, name]) => [name, Number(id)]));

/** Short name of a device id; `unknown(200)` where it has none. */
export function deviceName(id: number): string {
  return DEVICE_NAMES[id] ?? `unknown(${id})`;
}

/**
 * The device id of a name, as this project, QEMU (`virtio-net-pci`, `vhost-user-fs`) or the standard
 * says it; null where nobody has that name.
 */
export function deviceIdNamed(name: string): number | null {
  const bare = name.toLowerCase().replace(/^(virtio|vhost-user|vhost)-/, "")
    .replace(/(-non-transitional|-transitional)$/, "").replace(/-(pci|ccw|device|mmio)$/, "");
  const number = /^unknown\((\d{1,5})\)$/.exec(bare);
  if (number !== null) return Number(number[1]);
  return ids.get(Object.hasOwn(ALIASES, bare) ? ALIASES[bare] : bare) ?? null;
}

/** Name of a queue of a device type: `rx0`, `ctrl`, `request0`. Never throws. */
export function queueName(id: number, queue: number, context: QueueContext): string {
  return queueNameOf(deviceName(id), queue, context);
}
