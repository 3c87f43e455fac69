/**
 * Reports of `watch` as tests want them.
 *
 * @module
 */
import type { QueueRates, WatchReport } from "../../lib/watch/follow.ts";

/** What matters of a queue; the rest is a split ring of 16 that stands still. */
export interface QueueSketch extends Partial<Omit<QueueRates, "device" | "queue">> {
  /** `blk0:0 request0`. */
  readonly name: string;
  readonly size?: number;
  readonly available?: number;
  readonly used?: number;
  readonly inFlight?: number;
}

/** A queue of the guest `qemu:1`. */
export function watched(sketch: QueueSketch): QueueRates {
  const { name, size = 16, available = 0, used = 0, inFlight = 0, ...more } = sketch;
  const [place, title = "q"] = name.split(" ");
  const [device, index] = place.split(":");
  const side = (at: number) => ({ index: at, flags: 0, event: null, wrap: null, eventWrap: null });
  const areas = { descriptor: 0n, driver: 0n, device: 0n, addressSpace: "guest" } as const;
  const config = { format: "split", size, features: 0n, ...areas } as const;
  const queue = { index: Number(index), name: title, ring: config, note: "" };
  return {
    target: `qemu:1/${place}`,
    device: {
      name: device,
      type: device.startsWith("blk") ? 2 : 1,
      bus: { kind: "pci", id: "" },
      status: null,
      features: 0n,
      vhost: null,
      queues: [queue],
      note: "",
    },
    queue,
    config,
    suppression: { kickWanted: true, callWanted: false, by: "flags" },
    readings: 1,
    elapsed: 1000,
    samples: 20,
    indices: {
      available: side(available),
      used: side(used),
      inFlight,
      exact: true,
      raced: false,
      time: 0,
    },
    availableRate: 0,
    usedRate: 0,
    usedAverage: 0,
    inFlightWorst: inFlight,
    gap: false,
    waiting: 0,
    oldest: 0,
    verdict: "idle",
    evidence: [],
    ...more,
  };
}

/** A report at 07:30:00 UTC. */
export function reportOf(
  queues: readonly QueueSketch[],
  more: Partial<Omit<WatchReport, "queues">> = {},
): WatchReport {
  const time = Date.UTC(2026, 10, 28, 7, 30);
  return {
    time,
    guest: { up: true, note: "" },
    unreadable: 0,
    ...more,
    queues: queues.map(watched),
  };
}
