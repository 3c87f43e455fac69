/**
 * Kick through QEMU's ioeventfd, found in its memory: see `find_notifiers.ts`. Everything is checked
 * again just before the write, and the fd that pidfd_getfd gave must be the eventfd that was found.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { hex } from "../address.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { Device, Queue } from "../guest/guest.ts";
import { readMaps } from "../source/proc_maps.ts";
import {
  findNotifiers,
  type FoundNotifiers,
  type NotifierSearch,
  readStruct,
  wantedQueues,
} from "./find_notifiers.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";
import { observeProcess } from "./process_shape.ts";
import { parseEventfd, signalEventfd, takeEventfd } from "./take_eventfd.ts";
import type { WantedQueue } from "./virtqueue_struct.ts";

/** How long QEMU may take to read what was written, in milliseconds. */
const PROOF_MS = 200;

/** A queue of a QEMU. */
export interface QemuQueue {
  /** QEMU's process id; null where it is not known. */
  readonly pid: number | null;
  /** All devices of the guest: the more queues are known, the more is checked. */
  readonly devices: readonly Device[];
  readonly device: Device;
  readonly queue: Queue;
}

/**
 * The kick (or call) by ioeventfd. The search (some 50 ms) runs when `possible`, `describe` or `send`
 * is first asked.
 */
export function ioeventfdKick(sys: Sys, target: QemuQueue, side: KickSide): Kick {
  let result: NotifierSearch | undefined;
  const found = () => result ??= search(sys, target);
  return {
    name: "ioeventfd",
    lastResort: false,
    get possible() {
      return possible(found(), side);
    },
    describe() {
      const notifiers = found();
      if ("refused" in notifiers) return `ioeventfd: ${notifiers.refused}`;
      const { fd } = pick(notifiers, side);
      return `ioeventfd ${fd} of QEMU ${target.pid}: write 1 (${side})`;
    },
    send: () => send(sys, target, found(), side),
  };
}

function possible(notifiers: NotifierSearch, side: KickSide): true | string {
  if ("refused" in notifiers) return notifiers.refused;
  if (pick(notifiers, side).fd !== null) return true;
  return side === "kick"
    ? "QEMU set up no ioeventfd for this queue: the guest's writes are handled where they trap"
    : "QEMU set up no irqfd for this queue: it raises the interrupt itself";
}

function pick(found: FoundNotifiers, side: KickSide): { fd: number | null; id: number | null } {
  return side === "kick"
    ? { fd: found.kickFd, id: found.kickId }
    : { fd: found.callFd, id: found.callId };
}

function search(sys: Sys, target: QemuQueue): NotifierSearch {
  if (target.pid === null) return { refused: "QEMU's process is not known" };
  const wanted = wantedQueues(target.devices);
  const index = wanted.findIndex((queue) => isTarget(queue, target));
  if (index < 0) return { refused: "the queue's addresses are not known" };
  try {
    return findNotifiers(sys, target.pid, wanted)[index];
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    return { refused: `QEMU's memory can not be read: ${error.message}` };
  }
}

function isTarget(wanted: WantedQueue, { device, queue }: QemuQueue): boolean {
  return wanted.device === device.name && wanted.index === queue.index;
}

async function send(
  sys: Sys,
  target: QemuQueue,
  found: NotifierSearch,
  side: KickSide,
): Promise<KickProof> {
  if ("refused" in found) throw refusal(found.refused);
  const { fd, id } = pick(found, side);
  if (fd === null || target.pid === null) throw refusal(String(possible(found, side)));
  using own = takeEventfd(sys, target.pid, fd);
  assertStill(sys, target, found, side);
  const count = counter(sys, own.number, id);
  const what = `eventfd ${fd} of QEMU ${target.pid}`;
  signalEventfd(sys, own.number, { what, reader: side === "kick" ? "QEMU" : "KVM" });
  const where = `eventfd ${fd} of QEMU ${target.pid} (VirtQueue at ${hex(found.address)})`;
  return { evidence: [`${where}: counter ${count}, 1 added`, await taken(sys, own.number, id)] };
}

/** QEMU may have been reconfigured since the search: its struct must still say the same. */
function assertStill(sys: Sys, target: QemuQueue, found: FoundNotifiers, side: KickSide): void {
  const pid = target.pid as number;
  const wanted = wantedQueues([target.device]).find((queue) => isTarget(queue, target));
  const shape = observeProcess(sys, pid, readMaps(sys, pid));
  const now = wanted === undefined ? null : readStruct(sys, pid, found.address, wanted, shape);
  const fd = side === "kick" ? now?.hostNotifier : now?.guestNotifier;
  if (fd !== pick(found, side).fd) throw refusal("QEMU changed the queue since it was found");
}

/** The counter of an eventfd of ours; throws where it is not the one with that id. */
function counter(sys: Sys, fd: number, id: number | null): bigint {
  const state = parseEventfd(sys.readText(`/proc/self/fdinfo/${fd}`));
  if (state === null || state.id !== id) throw refusal("QEMU's fd is another file now");
  return state.count;
}

async function taken(sys: Sys, fd: number, id: number | null): Promise<string> {
  const start = performance.now();
  let count = counter(sys, fd, id);
  while (count > 0n && performance.now() - start < PROOF_MS) {
    await new Promise((done) => setTimeout(done, 1));
    count = counter(sys, fd, id);
  }
  const after = (performance.now() - start).toFixed(0);
  return count === 0n
    ? `counter 0 after ${after} ms: QEMU took it`
    : `counter still ${count} after ${after} ms: QEMU has not taken it`;
}

function refusal(text: string): SourceError {
  return new SourceError("kick", "ioeventfd", "unsupported", text, "find the guest again");
}
