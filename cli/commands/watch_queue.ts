/**
 * What the full-screen view does with one queue: reads it, and kicks it.
 *
 * @module
 */
import { SourceError } from "../../lib/errors.ts";
import { openQueue } from "../../lib/guest/open_queue.ts";
import { isReadable, reportRing, typeOf } from "../../lib/guest/ring_report.ts";
import { type SelectedQueue, selectQueues } from "../../lib/guest/select.ts";
import { chooseKick, kicksOf } from "../../lib/kick/choose.ts";
import type { Kick } from "../../lib/kick/kick.ts";
import type { Ring } from "../../lib/ring/snapshot.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { describeFailure } from "../failure.ts";
import { chainListText } from "../render/chain_list.ts";
import { escape } from "../render/escape.ts";
import { movementText } from "../render/kick.ts";
import type { Event, Kicking } from "../screen/state.ts";
import { LOOK, proveKick } from "./kick_send.ts";

/** The guest as it is attached now; null while it is gone. */
export type AttachmentOf = () => Attachment | null;

/** Chains that are shown of an opened queue. */
const CHAINS = 100;

/** Reads a queue's chains and decodes them: text for the terminal. */
export async function readQueue(
  attachment: Attachment | null,
  target: string,
  shown: { readonly columns: number; readonly descriptors: boolean },
): Promise<string> {
  const { guest, selected } = select(attachment, target);
  const { device, queue } = selected;
  if (queue.xen !== undefined && queue.xen.open !== null) {
    const { xenRingText } = await import("../render/xen_ring.ts");
    const snapshot = queue.xen.open().snapshot();
    return xenRingText({ target, device, queue, xen: queue.xen, snapshot }, CHAINS);
  }
  if (!isReadable(selected)) return escape(queue.note || "the queue has no ring");
  const options = { chains: "outstanding" } as const;
  const report = reportRing(guest.memory, selected, await typeOf(device), options);
  return chainListText(report, { limit: CHAINS, ...shown });
}

function select(
  guest: Attachment | null,
  target: string,
): { readonly guest: Attachment; readonly selected: SelectedQueue } {
  if (guest === null) throw gone(target, "the guest is gone");
  const found = selectQueues(guest.devices, guest.target).find((one) => one.target === target);
  if (found === undefined) throw gone(target, "the queue is not there any more");
  return { guest, selected: found };
}

function gone(target: string, why: string): SourceError {
  return new SourceError("watch", "read", "not-found", `${target}: ${why}`, "");
}

/** Does what the state says of a kick: finds out what it would signal, and when told to, signals it. */
export class WatchKick {
  readonly #attachment: AttachmentOf;
  readonly #signal: AbortSignal;
  readonly #send: (event: Event) => void;
  #planned: { readonly kick: Kick; readonly ring: Ring | null } | null = null;

  /** What came of it is sent to `send`. */
  constructor(attachment: AttachmentOf, signal: AbortSignal, send: (event: Event) => void) {
    this.#attachment = attachment;
    this.#signal = signal;
    this.#send = send;
  }

  /** The state changed from `before` to `now`. */
  follow(before: Kicking | null, now: Kicking | null): void {
    if (now === null || before?.phase === now.phase) return;
    if (now.phase === "planning") this.#run(now.target, () => this.#plan(now.target));
    if (now.phase === "sending") this.#run(now.target, () => this.#kick(now.target));
  }

  async #run(target: string, step: () => Promise<void>): Promise<void> {
    try {
      // The question is on the terminal first: a search through QEMU's memory holds everything up.
      await new Promise((resolve) => setTimeout(resolve, 0));
      await step();
    } catch (error) {
      const { message, remedy } = describeFailure(error);
      const lines = [message, ...remedy === "" ? [] : [`remedy: ${remedy}`]];
      this.#send({ kind: "kicked", target, failed: true, lines });
    }
  }

  #plan(target: string): Promise<void> {
    const { guest, selected: { device, queue } } = select(this.#attachment(), target);
    const kick = chooseKick(kicksOf(guest, device, queue, "kick"), null);
    this.#planned = { kick, ring: openQueue(guest, queue) };
    const plan = { way: kick.name, signals: kick.describe() };
    this.#send({ kind: "plan", target, plan });
    return Promise.resolve();
  }

  async #kick(target: string): Promise<void> {
    const planned = this.#planned;
    this.#planned = null;
    if (planned === null) throw new Error("nothing was planned");
    select(this.#attachment(), target);
    const { evidence, moved } = await proveKick(planned.kick, planned.ring, LOOK, this.#signal);
    const lines = [...evidence, movementText(moved, LOOK)];
    this.#send({ kind: "kicked", target, failed: false, lines });
  }
}
