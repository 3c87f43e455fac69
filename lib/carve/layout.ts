/**
 * Rings that were found, as a layout file (`ring-image/1`) that every source takes.
 *
 * @module
 */
import { hex } from "../address.ts";
import type { Region } from "../memory/region.ts";
import type { LayoutMemory } from "../source/layout.ts";
import type { Attachment } from "../source/source.ts";
import type { NamedRing } from "./names.ts";

/** What was scanned. */
export type Scanned = Pick<Attachment, "memory" | "layoutMemory" | "warnings">;

/**
 * The text of a layout file. Its memory entries say what was scanned, and of a process by which of its
 * memfds, fds or addresses that is reached; for a dump in kdump form the offsets in them are guest
 * addresses, and only the devices count.
 */
export function carvedLayout(
  name: string,
  { memory, layoutMemory = [], warnings = [] }: Scanned,
  rings: readonly NamedRing[],
): string {
  const devices = new Map<string, NamedRing[]>();
  for (const ring of rings) devices.set(ring.device, [...devices.get(ring.device) ?? [], ring]);
  const layout = {
    format: "ring-image/1",
    name,
    ...(warnings.length === 0 ? {} : { warnings }),
    memory: memory.table.regions.map((region) => memoryEntry(region, layoutMemory)),
    devices: [...devices].map(([device, queues]) => deviceEntry(device, queues)),
  };
  return JSON.stringify(layout, null, 1) + "\n";
}

function memoryEntry(region: Region, named: readonly LayoutMemory[]): Record<string, unknown> {
  const { guest, length, offset } = region;
  const bytes = named.find(({ gpa, size }) => gpa === guest && size === length)?.bytes;
  return { ...bytesEntry(region, bytes), gpa: hex(guest), size: hex(length), offset };
}

/** As the layout that was attached by had it; a file is found beside the layout. */
function bytesEntry(
  { backing: { label } }: Region,
  bytes: LayoutMemory["bytes"] | undefined,
): Record<string, unknown> {
  switch (bytes?.kind) {
    case "memfd":
      return { memfd: bytes.name };
    case "fd":
      return { fd: bytes.fd };
    case "address":
      return { address: hex(bytes.address) };
    case "foreign":
    case "grants":
      return { [bytes.kind]: bytes.domain, on_demand: !bytes.inAdvance };
    default:
      return { file: label.slice(label.lastIndexOf("/") + 1) || "memory" };
  }
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
