/**
 * Rings that were found, as a layout file (`ring-image/1`) that every source takes.
 *
 * @module
 */
import { hex } from "../address.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { NamedRing } from "./names.ts";

/**
 * The text of a layout file. Its memory entries say what was scanned; for a dump in kdump form the
 * offsets in them are guest addresses, and only the devices count.
 */
export function carvedLayout(
  name: string,
  memory: GuestMemory,
  rings: readonly NamedRing[],
): string {
  const devices = new Map<string, NamedRing[]>();
  for (const ring of rings) devices.set(ring.device, [...devices.get(ring.device) ?? [], ring]);
  const layout = {
    format: "ring-image/1",
    name,
    memory: memory.table.regions.map(({ guest, length, offset, backing }) => ({
      file: backing.label.slice(backing.label.lastIndexOf("/") + 1) || "memory",
      gpa: hex(guest),
      size: hex(length),
      offset,
    })),
    devices: [...devices].map(([device, queues]) => deviceEntry(device, queues)),
  };
  return JSON.stringify(layout, null, 1) + "\n";
}

function deviceEntry(name: string, rings: readonly NamedRing[]): Record<string, unknown> {
  const features = rings.reduce((all, { config }) => all | config.features, 0n);
  const queues = rings.toSorted((a, b) => a.queue - b.queue).map(queueEntry);
  return { name, type: rings[0].type, features: hex(features), queues };
}

function queueEntry(ring: NamedRing): Record<string, unknown> {
  const { format, size, descriptor, driver, device, features } = ring.config;
  return {
    index: ring.queue,
    layout: format,
    queue_size: size,
    desc: hex(descriptor),
    driver: hex(driver),
    device: hex(device),
    features: hex(features),
    score: Math.round(ring.score * 100) / 100,
  };
}
