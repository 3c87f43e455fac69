/**
 * One queue under watch: its ring, and all that is kept of it from report to report.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { readNotifier } from "../diagnose/notifier.ts";
import type { Finding } from "../finding.ts";
import type { Device, Queue } from "../guest/guest.ts";
import { openQueue } from "../guest/open_queue.ts";
import { type SelectedQueue, selectQueues } from "../guest/select.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig, RingPosition } from "../ring/config.ts";
import { fillPositions } from "../ring/positions.ts";
import type { Ring, RingIndices, RingPositions, Suppression } from "../ring/snapshot.ts";
import { NOTHING_WANTED } from "../ring/suppression.ts";
import type { Attachment } from "../source/source.ts";
import { type Inspection, newInspection } from "./inspect.ts";
import { Judge, type JudgedQueue, type Judgement, type Moment } from "./judge.ts";
import { type RingRates, RingSampler } from "./sampler.ts";

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

/** A queue whose ring can be read. */
export class FollowedQueue implements JudgedQueue {
  /** The last reading that a report was made of. */
  indices: RingIndices | null = null;
  /** The last report, while the queue is idle; and when all of the ring was read. */
  #idle: Writable<QueueRates> | null = null;
  #read = -Infinity;

  constructor(
    readonly selected: SelectedQueue,
    readonly ring: Ring,
    /** What the ring was opened in. */
    readonly memory: GuestMemory,
    private readonly sys: Sys,
    readonly sampler = new RingSampler(ring.config),
    readonly judge = new Judge(),
    readonly inspection: Inspection = newInspection(),
  ) {}

  get findings(): readonly Finding[] {
    return this.inspection.lasting;
  }

  notifications() {
    const { notifier } = this.selected.queue;
    if (notifier === undefined) return { kick: null, call: null };
    const { pid, kickFd, callFd } = notifier;
    const kick = readNotifier(this.sys, pid, kickFd);
    return { kick, call: readNotifier(this.sys, pid, callFd) };
  }

  /**
   * A last reading, and what came of all since the last report. Of a queue that is idle and stays so
   * it is the object of the report before, brought up to date; flags and event indices of such a queue
   * are read once a second.
   */
  report(moment: Moment): QueueRates {
    const idle = this.#stillIdle(moment);
    if (idle !== null) return idle;
    const { ring, sampler } = this;
    const { target, device, queue } = this.selected;
    const indices = ring.indices();
    this.indices = indices;
    if (indices !== null) fillPositions(POSITIONS, indices, ring.config.size);
    sampler.observe(indices === null ? null : POSITIONS, moment.now);
    const rates = sampler.report(moment.now, indices);
    const { verdict, evidence } = this.judge.judge(rates, this, moment);
    // Member by member: a spread costs more than all of the reading.
    const report = {
      elapsed: rates.elapsed,
      samples: rates.samples,
      indices,
      availableRate: rates.availableRate,
      usedRate: rates.usedRate,
      usedAverage: rates.usedAverage,
      inFlightWorst: rates.inFlightWorst,
      gap: rates.gap,
      waiting: rates.waiting,
      oldest: rates.oldest,
      verdict,
      evidence,
      target,
      device,
      queue,
      config: ring.config,
      suppression: indices === null ? NOTHING_WANTED : ring.suppression(indices),
    };
    this.#read = moment.now;
    this.#idle = isAtRest(report) ? report : null;
    return report;
  }

  #stillIdle({ now, halted }: Moment): QueueRates | null {
    const report = this.#idle;
    if (report === null || now - this.#read >= FULL || halted !== null) return null;
    if (this.findings.length > 0 || !this.ring.positions(POSITIONS)) return null;
    this.sampler.observe(POSITIONS, now);
    const still = this.sampler.reportStill(now);
    if (still === null) return null;
    report.elapsed = still.elapsed;
    report.samples = still.samples;
    report.usedAverage = still.usedAverage;
    return report;
  }

  /** The same queue as the guest describes it now; its history stays. */
  again(selected: SelectedQueue, ring: Ring, memory: GuestMemory): FollowedQueue {
    const { sys, sampler, judge, inspection } = this;
    return new FollowedQueue(selected, ring, memory, sys, sampler, judge, inspection);
  }
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/** Milliseconds between two whole readings of an idle queue. */
const FULL = 1000;

/** Whether nothing is with the device, and nothing moved. */
function isAtRest({ verdict, indices, availableRate, usedRate }: QueueRates): boolean {
  return verdict === "idle" && indices?.inFlight === 0 && availableRate === 0 && usedRate === 0;
}

/** Filled and used at once. */
const POSITIONS: RingPositions = { available: 0, used: 0, inFlight: 0, exact: true };

/** Opens the rings that a target names; a queue that is set up as before keeps its history. */
export function followQueues(
  attachment: Attachment,
  sys: Sys,
  before: readonly FollowedQueue[] = [],
): FollowedQueue[] {
  const { devices, target, memory } = attachment;
  const known = new Map(before.map((one) => [one.selected.target, one]));
  return selectQueues(devices, target).flatMap((selected) => {
    const old = known.get(selected.target);
    const ring = old !== undefined && old.memory === memory && isUnchanged(old, selected)
      ? old.ring
      : openQueue(attachment, selected.queue);
    if (ring === null) return [];
    return old !== undefined && isSame(old, selected, ring)
      ? old.again(selected, ring, memory)
      : new FollowedQueue(selected, ring, memory, sys);
  });
}

/** Whether a ring need not be opened again: nothing about it is new. Those of Xen may be elsewhere. */
function isUnchanged({ selected: { queue } }: FollowedQueue, now: SelectedQueue): boolean {
  const [a, b] = [queue.ring, now.queue.ring];
  return a !== null && b !== null && isSameRing(a, b) && a.features === b.features &&
    a.driver === b.driver && a.device === b.device && a.addressSpace === b.addressSpace &&
    isSamePlace(a.start, b.start) && isSamePlace(a.used, b.used) &&
    isSamePlace(a.fetched, b.fetched);
}

/** Whether readings of both are readings of one ring. */
function isSame({ selected, ring }: FollowedQueue, now: SelectedQueue, fresh: Ring): boolean {
  return isSameRing(ring.config, fresh.config) &&
    selected.queue.xen?.place === now.queue.xen?.place;
}

function isSameRing(a: RingConfig, b: RingConfig): boolean {
  return a.format === b.format && a.size === b.size && a.descriptor === b.descriptor;
}

function isSamePlace(a?: RingPosition, b?: RingPosition): boolean {
  return a?.index === b?.index && a?.wrap === b?.wrap;
}
