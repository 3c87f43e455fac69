/**
 * Which eventfd of a QEMU is the ioeventfd of a queue: the one that KVM, or QEMU's own device model,
 * signals when the guest writes the queue's notify register. QEMU tells nobody; it is found in its
 * memory beside the queue's addresses, and believed only where everything agrees:
 *
 * 1. exactly one `struct VirtQueue` has the queue's size, index and three addresses,
 * 2. the notifiers beside it are eventfds that the process has open (/proc/PID/fdinfo),
 * 3. no other queue that was found has one of them,
 * 4. all queues of one device name the same device.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { hex } from "../address.ts";
import type { Device } from "../guest/guest.ts";
import { attempt } from "../source/attempt.ts";
import { readMaps } from "../source/proc_maps.ts";
import { type ObservedProcess, observeProcess } from "./process_shape.ts";
import { searchHeap } from "./virtqueue_search.ts";
import {
  parseVirtQueue,
  VIRTQUEUE_LENGTH,
  type VirtQueueStruct,
  type WantedQueue,
} from "./virtqueue_struct.ts";

/** A queue's notifiers, known beyond doubt. */
export interface FoundNotifiers {
  /** Where the struct stands in QEMU. */
  readonly address: bigint;
  /** fd numbers in QEMU; null where it has none for that direction. */
  readonly kickFd: number | null;
  readonly callFd: number | null;
  /** Id of the kick's eventfd: the same in every process that holds it. */
  readonly kickId: number | null;
  readonly callId: number | null;
}

/** Found, or why it is not told. */
export type NotifierSearch = FoundNotifiers | { readonly refused: string };

/** Every queue whose areas are known by guest address. */
export function wantedQueues(devices: readonly Device[]): WantedQueue[] {
  return devices.flatMap((device) =>
    device.queues.flatMap(({ index, ring }) =>
      ring === null || ring.addressSpace !== "guest" || ring.descriptor === 0n
        ? []
        : [{ device: device.name, index, ring }]
    )
  );
}

/**
 * Finds the notifiers of every wanted queue in process `pid`; results in the order of `wanted`. The
 * more queues of a device are wanted, the more is checked. Throws `SyscallError` where the process
 * is gone or may not be looked at.
 */
export function findNotifiers(
  sys: Sys,
  pid: number,
  wanted: readonly WantedQueue[],
): NotifierSearch[] {
  const maps = readMaps(sys, pid);
  const shape = observeProcess(sys, pid, maps);
  const { hits, complete } = searchHeap(sys, pid, maps, wanted);
  if (!complete) return wanted.map(() => ({ refused: "ambiguous: too many copies of addresses" }));
  const candidates: Candidates = wanted.map(() => new Map());
  for (const { wanted: index, address } of hits) {
    const found = readStruct(sys, pid, address, wanted[index], shape);
    if (found !== null) candidates[index].set(address, found);
  }
  return wanted.map((_, index) => judge(index, wanted, candidates, shape));
}

/** Reads one queue's struct again, as a check just before it is relied upon. */
export function readStruct(
  sys: Sys,
  pid: number,
  address: bigint,
  queue: WantedQueue,
  shape: ObservedProcess,
): VirtQueueStruct | null {
  const bytes = new Uint8Array(VIRTQUEUE_LENGTH);
  const got = attempt(() => sys.processVmReadv(pid, address, bytes));
  return got === bytes.length ? parseVirtQueue(bytes, queue, shape) : null;
}

/** Per wanted queue: address → struct. */
type Candidates = readonly Map<bigint, VirtQueueStruct>[];

function judge(
  index: number,
  wanted: readonly WantedQueue[],
  candidates: Candidates,
  shape: ObservedProcess,
): NotifierSearch {
  const mine = [...candidates[index]];
  if (mine.length === 0) {
    return { refused: "no struct VirtQueue with this queue's addresses found" };
  }
  if (mine.length > 1) {
    const where = mine.map(([address]) => hex(address)).join(", ");
    return { refused: `ambiguous: ${mine.length} structs look like this queue, at ${where}` };
  }
  const [address, { vdev, hostNotifier, guestNotifier }] = mine[0];
  const doubt = contradiction(index, vdev, wanted, candidates) ??
    shared(index, [hostNotifier, guestNotifier], candidates, shape);
  if (doubt !== null) return { refused: doubt };
  const id = (fd: number | null) => fd === null ? null : shape.eventfds.get(fd)?.id ?? null;
  const ids = { kickId: id(hostNotifier), callId: id(guestNotifier) };
  return { address, kickFd: hostNotifier, callFd: guestNotifier, ...ids };
}

/** Queues of one device must name one device, and those of others another. */
function contradiction(
  index: number,
  vdev: bigint,
  wanted: readonly WantedQueue[],
  candidates: Candidates,
): string | null {
  for (const [other, structs] of candidates.entries()) {
    const same = wanted[other].device === wanted[index].device;
    for (const found of structs.values()) {
      if ((found.vdev === vdev) === same) continue;
      const { device, index: queue } = wanted[other];
      return `ambiguous: ${device}:${queue} contradicts it about the device`;
    }
  }
  return null;
}

/** One eventfd belongs to one queue and one direction. */
function shared(
  index: number,
  fds: readonly (number | null)[],
  candidates: Candidates,
  { eventfds }: ObservedProcess,
): string | null {
  const identity = (fd: number) => eventfds.get(fd)?.id ?? -1 - fd;
  const mine = fds.filter((fd) => fd !== null).map(identity);
  const others = candidates.flatMap((structs, other) =>
    other === index
      ? []
      : [...structs.values()].flatMap((found) => [found.hostNotifier, found.guestNotifier])
  ).filter((fd) => fd !== null).map(identity);
  const twice = new Set(mine).size < mine.length || mine.some((id) => others.includes(id));
  return twice ? "ambiguous: another queue has the same eventfd" : null;
}
