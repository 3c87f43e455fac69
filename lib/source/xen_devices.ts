/**
 * Xen devices as every other source shows devices.
 *
 * @module
 */
import type { Device, Queue } from "../guest/guest.ts";
import type { XenRing } from "../ring/xen/snapshot.ts";
import type { XenDevice, XenRingPlace } from "../xen/devices.ts";
import { placeText } from "../xen/rings.ts";

/** Opens a ring; null for a listing, where none is. */
export type RingOpener = ((device: XenDevice, place: XenRingPlace) => XenRing) | null;

/** One device. */
export function commonDevice(domain: number, device: XenDevice, open: RingOpener): Device {
  return {
    name: device.name,
    type: device.type,
    bus: { kind: "xen", id: device.name },
    status: null,
    features: 0n,
    vhost: null,
    queues: device.rings.map((place) => commonQueue(domain, device, place, open)),
    note: device.note,
  };
}

function commonQueue(
  domain: number,
  device: XenDevice,
  place: XenRingPlace,
  open: RingOpener,
): Queue {
  const text = placeText(place.pages);
  const usable = open !== null && place.pages !== null;
  return {
    index: place.index,
    name: place.name,
    ring: null,
    note: text === "" ? "no ring reference yet" : `${place.kind} at ${text}`,
    xen: {
      ...{ kind: place.kind, domain, backend: device.backend, port: place.port, place: text },
      open: usable ? () => open(device, place) : null,
    },
  };
}

/** `port-N`: an event channel of the guest that no device in xenstore names. */
export function portDevice(domain: number, name: string): Device | null {
  const match = /^port-([0-9]{1,6})$/.exec(name);
  if (match === null) return null;
  const port = Number(match[1]);
  const xen = { kind: null, domain, backend: 0, port, place: "", open: null };
  const queue = { index: 0, name: "port", ring: null, note: "an event channel, no ring", xen };
  return {
    ...{ name, type: 0, bus: { kind: "xen", id: name }, status: null, features: 0n, vhost: null },
    queues: [queue],
    note: "",
  };
}
