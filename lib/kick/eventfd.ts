/**
 * Kick (or call) through the eventfd that carries it, taken from the process that holds it. The
 * same write that KVM or the peer would make: nothing else of the guest is touched.
 *
 * @module
 */
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import type { QueueNotifier } from "../guest/guest.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

/** What `/proc/PID/fdinfo/FD` tells of an eventfd: proc_pid_fdinfo(5). */
export interface EventfdState {
  /** Not yet taken by whoever reads it. */
  readonly count: bigint;
  /** The same for all fds of one eventfd, in every process; null before Linux 5.2. */
  readonly id: number | null;
}

/** Parses fdinfo; null where the fd is no eventfd. */
export function parseEventfd(fdinfo: string): EventfdState | null {
  const count = /^eventfd-count:\s*([0-9a-f]{1,16})$/m.exec(fdinfo);
  if (count === null) return null;
  const id = /^eventfd-id:\s*([0-9]+)$/m.exec(fdinfo);
  return { count: BigInt("0x" + count[1]), id: id === null ? null : Number(id[1]) };
}

/** The kick by eventfd. `notifier` is undefined where the source could not tell which fd it is. */
export function eventfdKick(
  sys: Sys,
  notifier: QueueNotifier | undefined,
  side: KickSide,
): Kick {
  const fd = (side === "kick" ? notifier?.kickFd : notifier?.callFd) ?? null;
  return {
    name: "eventfd",
    lastResort: false,
    possible: fd === null ? `which eventfd carries this queue's ${side} is not known` : true,
    describe: () => `eventfd ${fd} of process ${notifier?.pid}: write 1 (${side})`,
    send: () => Promise.resolve().then(() => signal(sys, notifier as QueueNotifier, fd as number)),
  };
}

function signal(sys: Sys, notifier: QueueNotifier, number: number): KickProof {
  using process = new Fd(sys, sys.pidfdOpen(notifier.pid));
  using fd = new Fd(sys, sys.pidfdGetfd(process.number, number));
  const before = state(sys, fd.number, notifier, number);
  sys.signal(fd.number);
  const after = state(sys, fd.number, notifier, number);
  const taken = after.count <= before.count;
  const what = `eventfd ${number} of process ${notifier.pid}, counter ${before.count}`;
  const then = taken
    ? `${after.count} after the write: taken at once`
    : `${after.count} after the write`;
  return { evidence: [`${what}, ${then}`] };
}

/** The fd numbers of a live process change: never write into what is not an eventfd any more. */
function state(sys: Sys, fd: number, notifier: QueueNotifier, number: number): EventfdState {
  const found = parseEventfd(sys.readText(`/proc/self/fdinfo/${fd}`));
  if (found !== null) return found;
  throw new SourceError(
    "kick",
    "check eventfd",
    "failed",
    `fd ${number} of process ${notifier.pid} is no eventfd now`,
    "find the guest again: it was reconfigured since",
  );
}
