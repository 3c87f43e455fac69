/**
 * Looks at all rings of a guest a few times and names each queue's stall.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { isPolled } from "../device/polled.ts";
import { isPosted } from "../device/posted.ts";
import type { Finding } from "../finding.ts";
import type { Device, Queue } from "../guest/guest.ts";
import { openQueue } from "../guest/open_queue.ts";
import { type SelectedQueue, selectQueues } from "../guest/select.ts";
import { hasWay, kicksOf } from "../kick/choose.ts";
import type { KickSide } from "../kick/kick.ts";
import type { Ring, RingSnapshot } from "../ring/snapshot.ts";
import { settledSnapshot } from "../ring/settled.ts";
import {
  diagnose,
  type Diagnosis,
  type QueueObservation,
  type QueueReading,
  VERDICTS,
} from "../ring/stall.ts";
import { isUnreadable } from "../ring/unreadable.ts";
import { type Halted, haltedText } from "../source/halted.ts";
import type { Attachment } from "../source/source.ts";
import { readNotifier } from "./notifier.ts";
import { suggestion } from "./suggest.ts";

/** How to look. */
export interface ObserveOptions {
  readonly sys: Sys;
  /** Milliseconds from the first look to the last. */
  readonly duration: number;
  /** How many looks; one is enough for what does not move. */
  readonly looks: number;
  readonly signal: AbortSignal | null;
}

/** What is known of a guest once it was looked at. */
export interface ReportOptions {
  readonly sys: Sys;
  /** What was looked at is a dump: there is nothing to kick, and no time to tell. */
  readonly still: boolean;
  /** Why the serving process can not serve after the last look; null where it runs. */
  readonly halted: Halted | null;
}

/** What is looked at. */
export type ObservedGuest = Pick<
  Attachment,
  "target" | "memory" | "devices" | "kicks" | "monitor"
>;

/** One queue's diagnosis. */
export interface QueueReport extends Diagnosis {
  /** Target of the queue: `qemu:4242/blk0:0`. */
  readonly target: string;
  /** The device's name. */
  readonly device: string;
  /** The queue's name. */
  readonly queue: string;
  /** The last reading; null where there was none. */
  readonly snapshot: RingSnapshot | null;
  /** Command that shows more or mends it; empty where all is well. */
  readonly next: string;
}

/** A queue under observation. */
export interface Observed {
  readonly device: Device;
  readonly queue: Queue;
  readonly target: string;
  readonly ring: Ring | null;
  readonly readings: QueueReading[];
  previous: RingSnapshot | null;
  last: RingSnapshot | null;
}

/** Looks at the queues that the target names. */
export async function observe(
  attachment: ObservedGuest,
  options: ObserveOptions,
): Promise<Observed[]> {
  const watched = selectQueues(attachment.devices, attachment.target)
    .map((selected) => watch(attachment, selected));
  const pause = options.duration / Math.max(1, options.looks - 1);
  for (let look = 0; look < options.looks; look++) {
    if (look > 0) await sleep(pause, options.signal);
    options.signal?.throwIfAborted();
    for (const one of watched) takeLook(one, options.sys);
  }
  return watched;
}

/** Diagnoses what was observed. Sorted worst first, then as the guest lists its queues. */
export function reports(
  attachment: ObservedGuest,
  observed: readonly Observed[],
  options: ReportOptions,
): QueueReport[] {
  return observed.map((one) => report(attachment, one, options)).sort(worstFirst);
}

function watch(attachment: ObservedGuest, { device, queue, target }: SelectedQueue): Observed {
  const ring = openQueue(attachment, queue);
  return { device, queue, target, ring, readings: [], previous: null, last: null };
}

/** Fds before the ring: a kick that is taken meanwhile then shows as one that was there. */
function takeLook(one: Observed, sys: Sys): void {
  if (one.ring === null) return;
  const { notifier } = one.queue;
  const kick = readNotifier(sys, notifier?.pid ?? null, notifier?.kickFd ?? null);
  const call = readNotifier(sys, notifier?.pid ?? null, notifier?.callFd ?? null);
  const snapshot = settledSnapshot(one.ring);
  [one.previous, one.last] = [one.last, snapshot];
  if (!isUnreadable(snapshot)) one.readings.push({ indices: snapshot, kick, call });
}

function report(attachment: ObservedGuest, one: Observed, options: ReportOptions): QueueReport {
  const { device, queue, target } = one;
  const { halted } = options;
  const diagnosis = diagnose(observation(one, halted === null ? null : haltedText(halted)));
  const unread = one.last !== null && isUnreadable(one.last);
  const canNotify = (side: KickSide) => isNotifiable(attachment, one, side, options);
  const next = suggestion(diagnosis.verdict, { target, unread, halted, canNotify });
  return { ...diagnosis, target, device: device.name, queue: queue.name, snapshot: one.last, next };
}

/** The back-end of a shared ring of Xen can only be kicked by its guest, and that of a dump by nobody. */
function isNotifiable(
  attachment: ObservedGuest,
  { device, queue }: Observed,
  side: KickSide,
  { sys, still }: ReportOptions,
): boolean {
  if (queue.xen !== undefined || still) return false;
  return hasWay(kicksOf(attachment, device, queue, side, { sys }));
}

function observation(one: Observed, halted: string | null): QueueObservation {
  const { device, queue, readings } = one;
  return {
    config: one.ring?.config ?? null,
    readings,
    findings: lasting(one),
    status: device.status,
    posted: isPosted(queue.name),
    armedAtZero: () => !isPolled(device.type, queue.name) && (one.ring?.isArmedAtZero() ?? false),
    fault: () => one.ring?.fault() ?? null,
    halted,
    note: queue.note,
  };
}

/** Findings of the last look that the one before had, too: a guest in mid-update proves nothing. */
function lasting({ previous, last, ring }: Observed): readonly Finding[] {
  if (ring === null || last === null || last.raced || previous?.raced) return [];
  const before = new Set((previous ?? last).findings.map(({ code, place }) => `${code}@${place}`));
  return last.findings.filter(({ code, place }) => before.has(`${code}@${place}`));
}

function worstFirst(a: QueueReport, b: QueueReport): number {
  return VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict);
}

function sleep(ms: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
