/**
 * Samples all rings of a guest and reports on them at an interval.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import type { Device, Queue } from "../guest/guest.ts";
import { hasRing, openQueue } from "../guest/open_queue.ts";
import { type SelectedQueue, selectQueues } from "../guest/select.ts";
import type { RingConfig } from "../ring/config.ts";
import type { Ring, RingIndices, Suppression } from "../ring/snapshot.ts";
import type { Attachment } from "../source/source.ts";
import { type Inspection, Inspector, newInspection } from "./inspect.ts";
import { createJudge, type Judge, type Judgement, readNotifications } from "./judge.ts";
import { createSampler, type RingRates, type RingSampler } from "./sampler.ts";

/** How to follow. */
export interface FollowOptions {
  /** Milliseconds between reports. */
  readonly interval: number;
  /** Ends the following, between two reports. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** Default: the real system calls. */
  readonly sys?: Sys;
}

/** One queue in a report. */
export interface QueueRates extends RingRates, Judgement {
  /** `qemu:4242/blk0:0`. */
  readonly target: string;
  readonly device: Device;
  readonly queue: Queue;
  /** The ring's; of a shared ring of Xen, what it is in a virtqueue's terms. */
  readonly config: RingConfig;
  readonly suppression: Suppression;
}

/** Whether the guest can be read. */
export interface GuestState {
  readonly up: boolean;
  /** Why not, or what else is the matter with it; empty where all is well. */
  readonly note: string;
}

/** All queues at one time. */
export interface WatchReport {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /**
   * While it is not up, queues are those of the last report before, with the indices that were read
   * last, no samples, and no rates, ages or verdicts.
   */
  readonly guest: GuestState;
  readonly queues: readonly QueueRates[];
  /** Queues that have no ring to read. */
  readonly unreadable: number;
}

interface Followed {
  readonly selected: SelectedQueue;
  readonly ring: Ring;
  readonly sampler: RingSampler;
  readonly judge: Judge;
  readonly inspection: Inspection;
  /** The last reading. */
  indices: RingIndices | null;
}

/** Readings in an interval, where it is long enough; and the time between two, in milliseconds. */
const SAMPLES = 20;
const SHORTEST = 1;
const LONGEST = 50;
/** The shorter of two distances in turn, as a part of the longer. */
const SHORT = 0.3;
/** Share of one processor that reading may take. */
const SHARE = 0.1;
/** Milliseconds between two looks at devices and memory layout. */
const REFRESH = 5000;

/**
 * Reports for ever, or until `signal`. Between two reports each ring is read many times, so that its
 * index can not lap unseen. Throws `SourceError` when the guest is gone or the target names no ring.
 */
export async function* follow(
  attachment: Attachment,
  { interval, signal, log, sys = openSys() }: FollowOptions,
): AsyncGenerator<WatchReport> {
  const inspector = new Inspector();
  let followed = start(attachment, []);
  if (followed.length === 0) throw nothingToFollow(attachment);
  let refreshed = performance.now();
  let next = performance.now() + interval;
  while (!signal.aborted) {
    await sampleUntil(followed, next, signal, Math.min(LONGEST, interval / SAMPLES));
    if (signal.aborted) return;
    inspector.look(followed, () => performance.now());
    yield report(attachment, followed, sys);
    next = Math.max(next + interval, performance.now());
    if (performance.now() - refreshed < REFRESH) continue;
    await refresh(attachment, log);
    followed = start(attachment, followed);
    refreshed = performance.now();
  }
}

/** Opens rings anew; a queue that is set up as before keeps its sampler. */
function start(attachment: Attachment, before: readonly Followed[]): Followed[] {
  const { devices, target } = attachment;
  return selectQueues(devices, target).flatMap((selected) => {
    const ring = openQueue(attachment, selected.queue);
    if (ring === null) return [];
    const old = before.find((one) => isSame(one, selected, ring));
    return [{
      selected,
      ring,
      sampler: old?.sampler ?? createSampler(ring.config),
      judge: old?.judge ?? createJudge(ring.config),
      inspection: old?.inspection ?? newInspection(),
      indices: old?.indices ?? null,
    }];
  });
}

function isSame(before: Followed, now: SelectedQueue, ring: Ring): boolean {
  const [a, b] = [before.ring.config, ring.config];
  return before.selected.target === now.target && a.format === b.format && a.size === b.size &&
    a.descriptor === b.descriptor && before.selected.queue.xen?.place === now.queue.xen?.place;
}

function read(one: Followed): void {
  one.indices = one.ring.indices();
  one.sampler.observe(one.indices, performance.now());
}

/** Reads all rings, at short and long distances in turn, until it is time for a report. */
async function sampleUntil(
  followed: readonly Followed[],
  until: number,
  signal: AbortSignal,
  longest: number,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const begin = performance.now();
    followed.forEach(read);
    const cost = performance.now() - begin;
    const left = until - performance.now();
    if (left <= 0) return;
    const pace = followed.reduce((least, { sampler }) => Math.min(least, sampler.pace()), longest);
    const rest = Math.max(turn % 2 === 0 ? pace * SHORT : pace, SHORTEST, cost / SHARE);
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, rest)));
  }
}

function report(
  { devices, target }: Attachment,
  followed: readonly Followed[],
  sys: Sys,
): WatchReport {
  const queues = followed.map((one) => queueRates(one, sys));
  const unreadable = selectQueues(devices, target).filter(({ queue }) => !hasRing(queue)).length;
  return { time: Date.now(), guest: { up: true, note: "" }, queues, unreadable };
}

function queueRates(one: Followed, sys: Sys): QueueRates {
  const { selected, ring, sampler, judge, inspection } = one;
  const { target, device, queue } = selected;
  const now = performance.now();
  const rates = sampler.report(now);
  const notifiers = () => readNotifications(sys, queue);
  const look = { selected, now, findings: inspection.lasting, halted: null, notifiers };
  const { suppression } = ring.snapshot({ chains: "none" });
  return {
    ...rates,
    ...judge.judge(rates, look),
    target,
    device,
    queue,
    config: ring.config,
    suppression,
  };
}

/** A monitor that is busy for a moment changes nothing; a guest that is gone ends it. */
async function refresh(attachment: Attachment, log: (line: string) => void): Promise<void> {
  try {
    await attachment.refresh();
  } catch (error) {
    if (!(error instanceof SourceError) || error.kind === "not-found") throw error;
    log(`devices not read again: ${error.message}`);
  }
}

function nothingToFollow({ target, note }: Attachment): SourceError {
  const why = note === undefined || note === "" ? "no ring that can be read" : note;
  const remedy = "`guestmem find` says of each queue why; --layout FILE tells where rings are";
  return new SourceError(target.scheme, "watch", "failed", `${target.text}: ${why}`, remedy);
}
