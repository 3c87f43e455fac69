/**
 * A device's queues as QEMU tells them.
 *
 * x-query-virtio-queue-status makes QEMU ask the back-end of a running vhost device for its index;
 * over vhost-user that is GET_VRING_BASE, which stops the ring. So it is only sent to devices that
 * have no back-end: who calls must have asked x-query-virtio-vhost-queue-status first.
 *
 * @module
 */
import { FEATURE, type RingConfig } from "../ring/config.ts";
import { type Answer, answer, count, optionalCount, unsigned64 } from "../wire/qmp/answer.ts";
import type { Command, QmpMonitor, Reply } from "./qemu_monitor.ts";

/** A queue before its device type has named it. */
export interface RawQueue {
  readonly index: number;
  readonly ring: RingConfig | null;
  readonly note: string;
}

/** QEMU's limit on queues per device (VIRTIO_QUEUE_MAX). */
const QUEUE_LIMIT = 1024;
/** Queues asked at a time where their number is not known. */
const PROBE = 8;
/** QEMU has a u32 here; what a ring may have is the walkers' to judge. */
const SIZE_LIMIT = 0xffff_ffff;
const INDEX_LIMIT = 0xffff;

const PLAIN = "x-query-virtio-queue-status";
const VHOST = "x-query-virtio-vhost-queue-status";
const NOT_STARTED = /has not started yet/;

const NOT_SET_UP = "not set up";
const NOT_TOLD = "vhost: QEMU does not tell this queue, and asking the back-end would stop it";

/** Whether a back-end runs the device's rings. */
export type VhostState = "running" | "none";

/** The question about queue 0 that sends nothing to a back-end; {@linkcode vhostState} reads it. */
export function vhostQuestion(path: string, queue = 0): Command {
  return { name: VHOST, args: { path, queue } };
}

/**
 * `none` only where QEMU says that vhost has not started. Any other refusal, such as a queue number
 * that is not vhost's, means that a back-end is there.
 */
export function vhostState(reply: Reply): VhostState {
  return !reply.ok && NOT_STARTED.test(reply.description) ? "none" : "running";
}

/** Queues of a device that QEMU itself serves. `total` is null where it is not known. */
export async function plainQueues(
  monitor: QmpMonitor,
  path: string,
  total: number | null,
  features: bigint,
): Promise<RawQueue[]> {
  return await collect(
    total,
    (queue) => ({ name: PLAIN, args: { path, queue } }),
    monitor,
    (reply, index) => plainQueue(reply, index, features),
  );
}

/** Queues of a device whose back-end runs: addresses and size, no indices. */
export async function vhostQueues(
  monitor: QmpMonitor,
  path: string,
  total: number | null,
  features: bigint,
): Promise<RawQueue[]> {
  return await collect(
    total,
    (queue) => vhostQuestion(path, queue),
    monitor,
    (reply, index) => vhostQueue(reply, index, features),
  );
}

async function collect(
  total: number | null,
  question: (queue: number) => Command,
  monitor: QmpMonitor,
  read: (reply: Reply, index: number) => RawQueue,
): Promise<RawQueue[]> {
  const queues: RawQueue[] = [];
  const end = Math.min(total ?? QUEUE_LIMIT, QUEUE_LIMIT);
  const step = total === null ? PROBE : QUEUE_LIMIT;
  for (let from = 0; from < end; from += step) {
    const some = Array.from({ length: Math.min(step, end - from) }, (_, i) => from + i);
    const replies = await monitor.ask(some.map(question));
    for (const [i, reply] of replies.entries()) {
      if (total === null && !reply.ok) return queues;
      queues.push(read(reply, from + i));
    }
  }
  return queues;
}

function plainQueue(reply: Reply, index: number, features: bigint): RawQueue {
  if (!reply.ok) return { index, ring: null, note: reply.description };
  const from = answer(PLAIN, reply.value);
  const size = count(from, "vring-num", SIZE_LIMIT);
  const descriptor = unsigned64(from, "vring-desc");
  if (size === 0 || descriptor === 0n) return { index, ring: null, note: NOT_SET_UP };
  const areas = {
    descriptor,
    driver: unsigned64(from, "vring-avail"),
    device: unsigned64(from, "vring-used"),
  };
  const ring = { ...ringConfig(size, features), ...areas, ...positions(from) };
  return { index, ring, note: "" };
}

function vhostQueue(reply: Reply, index: number, features: bigint): RawQueue {
  if (!reply.ok) return { index, ring: null, note: NOT_TOLD };
  const from = answer(VHOST, reply.value);
  const size = count(from, "num", SIZE_LIMIT);
  const descriptor = unsigned64(from, "desc-phys");
  if (size === 0 || descriptor === 0n) return { index, ring: null, note: NOT_SET_UP };
  const areas = {
    descriptor,
    driver: unsigned64(from, "avail-phys"),
    device: unsigned64(from, "used-phys"),
  };
  return { index, ring: { ...ringConfig(size, features), ...areas }, note: "" };
}

function ringConfig(
  size: number,
  features: bigint,
): Pick<RingConfig, "format" | "size" | "addressSpace" | "features"> {
  const format = (features & FEATURE.RING_PACKED) === 0n ? "split" : "packed";
  return { format, size, addressSpace: "guest", features };
}

/**
 * How far QEMU has fetched and used, at the moment of asking. Of a packed ring QEMU tells slots
 * without their wrap counters; the walker takes the slot and finds the lap in the descriptors' flags,
 * so `wrap` is false here whatever the lap.
 */
function positions(from: Answer): Pick<RingConfig, "fetched" | "used"> {
  const fetched = optionalCount(from, "last-avail-idx", INDEX_LIMIT);
  const at = (index: number) => ({ index, wrap: false });
  const used = optionalCount(from, "used-idx", INDEX_LIMIT);
  return {
    ...(fetched === null ? {} : { fetched: at(fetched) }),
    ...(used === null ? {} : { used: at(used) }),
  };
}
