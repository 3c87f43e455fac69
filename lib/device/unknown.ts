/**
 * Devices that nobody decodes: named where virtio 1.4 chapter 5 (or Linux, 37) names them.
 *
 * @module
 */
import type { ChainBytes, DecodedRequest, DeviceType } from "./decoder.ts";
import { plural } from "./exchange.ts";
import { hexBytes } from "./kind.ts";

/** Short names of device ids without a decoder. */
export const OTHER_NAMES: { readonly [id: number]: string } = {
  0: "reserved",
  6: "iomem",
  7: "rpmsg",
  10: "mac80211-wlan",
  11: "rproc-serial",
  12: "caif",
  13: "memory-balloon",
  17: "rtc",
  21: "signal-dist",
  22: "pstore",
  28: "rpmb",
  29: "mac80211-hwsim",
  30: "video-encoder",
  31: "video-decoder",
  32: "scmi",
  33: "nitro-sec-mod",
  35: "watchdog",
  36: "can",
  37: "dmabuf",
  38: "param-serv",
  39: "audio-policy",
  40: "bt",
  42: "rdma",
  43: "camera",
  44: "ism",
  45: "spi",
  46: "tee",
  47: "cpu-balloon",
  48: "media",
  49: "usb",
};

/** Bytes of the readable part that are shown. */
const PREVIEW = 16;

/** A device type that says of a chain only how long it is and how it begins. */
export function unknownType(id: number): DeviceType {
  const name = OTHER_NAMES[id] ?? `unknown(${id})`;
  return {
    id,
    name,
    features: {},
    queueName: (queue) => `queue${queue}`,
    decode: (bytes) => describe(name, bytes),
  };
}

function describe(device: string, bytes: ChainBytes): DecodedRequest {
  const head = hexBytes(bytes.readRequest(0, Math.min(PREVIEW, bytes.readable)));
  const { readable, writable } = bytes;
  return {
    device,
    type: "unknown",
    summary: `${plural(readable, "readable byte")}, ${plural(writable, "writable byte")}`,
    fields: { readable, writable, head },
    notes: [],
  };
}
