/**
 * Gives rings that were found the devices and queue numbers that targets are made of. Nothing in
 * memory says which rings belong to one device; a device has each of its queues once, and drivers
 * allocate them one after the other. So rings of a type are dealt out by address.
 *
 * @module
 */
import type { FoundRing } from "./found_ring.ts";

/** A ring with its place in a target. */
export interface NamedRing extends FoundRing {
  /** `net0`; `ring3` where the requests do not tell. */
  readonly device: string;
  /** virtio device id; 0 where the requests do not tell. */
  readonly type: number;
  readonly queue: number;
  /** `rx0`; `queue0` where the type is not known. */
  readonly queueName: string;
}

/** Device types of which each ring is a device of its own: any number of queues does the same work. */
const ALL_ALIKE = new Set(["blk", "rng", "fs", "9p"]);

/** Names rings; keeps their order. */
export function nameRings(rings: readonly FoundRing[]): NamedRing[] {
  const names = new Map<FoundRing, string>();
  const devices = new Map<string, Set<number>[]>();
  const byAddress = rings.toSorted((a, b) => Number(a.config.descriptor - b.config.descriptor));
  for (const ring of byAddress) {
    const kind = ring.guess?.type.name ?? "ring";
    const list = devices.get(kind) ?? [];
    devices.set(kind, list);
    names.set(ring, `${kind.replace(/[^a-z0-9]/g, "")}${place(list, ring)}`);
  }
  const alike = rings.filter(takesInput);
  return rings.map((ring) => {
    const one = named(ring, names.get(ring) as string);
    return alike.length > 1 && alike.includes(ring) ? doubtful(one) : one;
  });
}

/** Virtio device id of a console (virtio 1.4, 5.3.1). */
const CONSOLE = 3;

/** A queue of a console by which it gets input: rx of any port, or its ctrl-rx (5.3.2). */
function takesInput({ guess }: FoundRing): boolean {
  return guess?.type.id === CONSOLE && guess.queue === 0;
}

/** Empty buffers tell these queues apart no more than they tell which of several consoles has them. */
function doubtful(ring: NamedRing): NamedRing {
  const certainty = ring.certainty === "certain" ? "likely" : ring.certainty;
  return { ...ring, certainty, notes: [...ring.notes, "rx or ctrl-rx: their buffers look alike"] };
}

/** Number of the first device whose queue of that number is free. */
function place(devices: Set<number>[], { guess }: FoundRing): number {
  const queue = guess?.queue ?? 0;
  const alone = guess === null || ALL_ALIKE.has(guess.type.name);
  const free = alone ? -1 : devices.findIndex((queues) => !queues.has(queue));
  if (free >= 0) {
    devices[free].add(queue);
    return free;
  }
  devices.push(new Set([queue]));
  return devices.length - 1;
}

function named(ring: FoundRing, device: string): NamedRing {
  const { guess } = ring;
  if (guess === null) return { ...ring, device, type: 0, queue: 0, queueName: "queue0" };
  const { type, queue, features } = guess;
  const queueName = type.queueName(queue, { features, queueCount: null });
  return { ...ring, device, type: type.id, queue, queueName };
}
