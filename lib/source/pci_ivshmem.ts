/**
 * ivshmem as `pci:` shows it. From inside a guest its peers can not be listed, so the one that a
 * target names is taken as it is: `pci:00:05.0/PEER:VECTOR`.
 *
 * @module
 */
import type { Device } from "../guest/guest.ts";
import type { PciDevice } from "../transport/enumerate.ts";
import { MAX_ID, MAX_VECTORS } from "../wire/ivshmem/message.ts";
import type { Target } from "./source.ts";

const V2 = "ivshmem version 2: its registers are not known here";

/** The device itself. */
export function ivshmemDevice({ what, address }: PciDevice): Device {
  const note = what.kind === "ivshmem" ? "" : V2;
  return { ...plainDevice(what.kind, address), note };
}

/** The peer that a target names, with all the vectors that QEMU can ring; empty for none. */
export function namedPeer({ what, address }: PciDevice, { device }: Target): Device[] {
  if (what.kind !== "ivshmem" || device === null || !/^[0-9]{1,5}$/.test(device)) return [];
  if (Number(device) > MAX_ID) return [];
  const queues = Array.from({ length: MAX_VECTORS }, (_, index) => ({
    index,
    name: `vector${index}`,
    ring: null,
    note: "a doorbell has no ring",
  }));
  return [{ ...plainDevice(device, address), queues, note: "may be there or not" }];
}

function plainDevice(name: string, address: string): Omit<Device, "note"> {
  return {
    name,
    type: 0,
    bus: { kind: "pci", id: address },
    status: null,
    features: 0n,
    vhost: null,
    queues: [],
  };
}
