/**
 * Kick (or call) through the eventfd that carries it, taken from the process that holds it. The
 * same write that KVM or the peer would make: nothing else of the guest is touched.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import type { QueueNotifier } from "../guest/guest.ts";
import { attempt } from "../source/attempt.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";
import { type EventfdState, parseEventfd, signalEventfd, takeEventfd } from "./take_eventfd.ts";

/** The kick by eventfd. `notifier` is undefined where the source could not tell which fd it is. */
export function eventfdKick(
  sys: Sys,
  notifier: QueueNotifier | undefined,
  side: KickSide,
): Kick {
  const fd = (side === "kick" ? notifier?.kickFd : notifier?.callFd) ?? null;
  const place = notifier === undefined || fd === null ? null : placeOf(sys, notifier.pid, fd);
  return {
    name: "eventfd",
    lastResort: false,
    possible: fd === null ? `which eventfd carries this queue's ${side} is not known` : true,
    describe: () => `eventfd ${fd} of process ${notifier?.pid}: write 1 (${side})`,
    send: () => Promise.resolve().then(() => signal(sys, place as Place)),
  };
}

interface Place {
  readonly pid: number;
  readonly number: number;
  /** Which eventfd it was when the kick was made; null where that can not be told. */
  readonly id: number | null;
}

function placeOf(sys: Sys, pid: number, number: number): Place {
  const info = attempt(() => sys.readText(`/proc/${pid}/fdinfo/${number}`));
  return { pid, number, id: info === null ? null : parseEventfd(info)?.id ?? null };
}

function signal(sys: Sys, place: Place): KickProof {
  const { pid, number } = place;
  using fd = takeEventfd(sys, pid, number);
  const before = state(sys, fd.number, place);
  const what = `eventfd ${number} of process ${pid}`;
  signalEventfd(sys, fd.number, { what, reader: "who waits on it" });
  const after = state(sys, fd.number, place);
  const then = `${after.count} after the write`;
  const taken = after.count <= before.count ? ": taken at once" : "";
  return { evidence: [`${what}, counter ${before.count}, ${then}${taken}`] };
}

/** The fd numbers of a live process change: never write into what is not that eventfd any more. */
function state(sys: Sys, fd: number, { pid, number, id }: Place): EventfdState {
  const found = parseEventfd(sys.readText(`/proc/self/fdinfo/${fd}`));
  if (found !== null && (id === null || found.id === id)) return found;
  const now = found === null ? "is no eventfd now" : "is another eventfd now";
  const text = `fd ${number} of process ${pid} ${now}`;
  const remedy = "find the guest again: it was reconfigured since";
  throw new SourceError("kick", "check eventfd", "failed", text, remedy);
}
