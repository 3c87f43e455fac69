/**
 * The rings of a guest whose hypervisor can not be asked where they are, because it is stopped: looked
 * for in its memory by their shape, as `find --carve` does.
 *
 * @module
 */
import { carve, type Carving } from "../carve/carve.ts";
import type { NamedRing } from "../carve/names.ts";
import { breathe } from "../dump/replace_file.ts";
import type { Device } from "../guest/guest.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";

/** Steps of a scan between two looks at signals: 4 MiB. */
const STEPS = 16;

/** What is to be known of a queue that was found so. */
export const CARVED = "found by its shape in memory, as nobody can be asked: its name is a guess";

/** Devices made of the rings that look like some. Takes a second a GiB of memory that was written. */
export async function carvedDevices(
  memory: GuestMemory,
  signal: AbortSignal | null,
): Promise<Device[]> {
  const { rings } = await scan(memory, signal);
  const byDevice = Map.groupBy(rings.filter(isLikely), ({ device }) => device);
  return [...byDevice].map(([name, rings]) => deviceOf(name, rings));
}

/** What nothing but its shape speaks for would be one more stall that there is not. */
function isLikely({ guess, certainty }: NamedRing): boolean {
  return guess !== null || certainty !== "possible";
}

async function scan(memory: GuestMemory, signal: AbortSignal | null): Promise<Carving> {
  const steps = carve(memory);
  for (let n = 1;; n++) {
    const step = steps.next();
    if (step.done) return step.value;
    if (n % STEPS === 0) await breathe(signal);
  }
}

function deviceOf(name: string, rings: readonly NamedRing[]): Device {
  const queues = rings.toSorted((a, b) => a.queue - b.queue)
    .map(({ queue, queueName, config }) => ({
      index: queue,
      name: queueName,
      ring: config,
      note: "",
    }));
  const features = rings.reduce((all, { config }) => all | config.features, 0n);
  const bus = { kind: "none", id: "" } as const;
  return { name, type: rings[0].type, bus, status: null, features, vhost: null, note: "", queues };
}
