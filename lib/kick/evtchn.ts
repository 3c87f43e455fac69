/**
 * Notifying a Xen guest by event channel.
 *
 * ```text
 *   guest: front-end's port P  <---- interdomain ---->  port B of the back-end's domain
 * ```
 *
 * An event reaches the end that did not send it. From the back-end's domain the guest can be notified
 * (call); the back-end itself only by the guest. A port that the guest left unbound for us is bound,
 * notified and unbound again, which leaves it as it was.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { openEvtchn } from "../../ffi/xen/evtchn.ts";
import { type EventChannelStatus, EVTCHNSTAT } from "../../ffi/xen/hypercall.ts";
import type { XenQueue } from "../guest/xen_queue.ts";
import { explained, type XenHost } from "../xen/host.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

/** The domain that we are in. */
const OURS = 0;

const STATUS_NAMES = [
  "closed",
  "unbound",
  "interdomain",
  "a physical irq",
  "a virtual irq",
  "an IPI",
];

/** How an event can be sent, or why not. */
type Way =
  | { readonly how: "bind" }
  | { readonly how: "send"; readonly port: number }
  | { readonly how: "none"; readonly why: string };

/** The kick by event channel. Looks at the channel's state; sends nothing yet. */
export function evtchnKick(host: XenHost, queue: XenQueue, side: KickSide): Kick {
  const { domain, port } = queue;
  const way = port === null
    ? { how: "none" as const, why: "the guest has told no event channel" }
    : wayTo(host, queue, port, side);
  return {
    name: "evtchn",
    lastResort: false,
    possible: way.how === "none" ? way.why : true,
    describe: () => describe(way, domain, port),
    send: () => Promise.resolve().then(() => send(host, way, queue)),
  };
}

function wayTo(host: XenHost, queue: XenQueue, port: number, side: KickSide): Way {
  const { domain } = queue;
  const status = explained("ask event channel", () => host.calls.eventChannelStatus(domain, port));
  const name = `port ${port} of domain ${domain}`;
  // A bare port has no sides: whoever is bound to it in the guest is notified.
  if (queue.kind !== null && side === "kick") {
    const why = `${name} is ${stateText(status)}: only the guest can signal its back-end; ` +
      "--call notifies the guest";
    return { how: "none", why };
  }
  if (status.remoteDomain === OURS && status.status === EVTCHNSTAT.unbound) return { how: "bind" };
  if (status.remoteDomain === OURS && status.remotePort !== null) {
    return { how: "send", port: status.remotePort };
  }
  return { how: "none", why: `${name} is ${stateText(status)}` };
}

function stateText(status: EventChannelStatus): string {
  const name = STATUS_NAMES[status.status] ?? `in state ${status.status}`;
  if (status.remotePort !== null) {
    return `bound to port ${status.remotePort} of domain ${status.remoteDomain}`;
  }
  return status.remoteDomain === null ? name : `${name}, for domain ${status.remoteDomain}`;
}

function describe(way: Way, domain: number, port: number | null): string {
  const target = `port ${port} of domain ${domain}`;
  if (way.how === "none") return `${target}: ${way.why}`;
  return way.how === "bind"
    ? `${target}: bind it, send one event (and the one that binding makes), unbind it`
    : `${target}: send one event from the other end, our port ${way.port}`;
}

function send(host: XenHost, way: Way, queue: XenQueue): KickProof {
  if (way.how === "none") throw new TypeError("not possible");
  const before = stateOf(host, queue);
  const port = way.how === "bind"
    ? bindAndNotify(host.sys, queue)
    : explained("send event", () => (host.calls.sendEvent(way.port), way.port));
  const after = stateOf(host, queue);
  const name = `port ${queue.port} of domain ${queue.domain}`;
  return { evidence: [`${name} was ${before}; sent on our port ${port}; is ${after}`] };
}

function stateOf(host: XenHost, { domain, port }: XenQueue): string {
  return stateText(
    explained("ask event channel", () => host.calls.eventChannelStatus(domain, port ?? 0)),
  );
}

/** Disposing evtchn unbinds the port. */
function bindAndNotify(sys: Sys, { domain, port }: XenQueue): number {
  return explained("notify", () => {
    using events = openEvtchn(sys);
    const local = events.bindInterdomain(domain, port ?? 0);
    events.notify(local);
    events.unbind(local);
    return local;
  });
}
