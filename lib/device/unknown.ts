/**
 * Devices that nobody decodes: named where virtio 1.4 chapter 5 (or Linux, 37) names them.
 *
 * @module
 */
import type { ChainBytes, DecodedRequest, DeviceType } from "./decoder.ts";
import { plural } from "./exchange.ts";
import { hexBytes } from "./kind.ts";
import { deviceName } from "./names.ts";

/** Bytes of the readable part that are shown. */
const PREVIEW = 16;

/** A device type that says of a chain only how long it is and how it begins. */
export function unknownType(id: number): DeviceType {
  const name = deviceName(id);
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
