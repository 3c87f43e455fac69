/**
 * One queue under watch: its ring, and all that is kept of it from report to report.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { readNotifier } from "../diagnose/notifier.ts";
import type { Finding } from "../finding.ts";
import { openQueue } from "../guest/open_queue.ts";
import { type SelectedQueue, selectQueues } from "../guest/select.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig, RingPosition } from "../ring/config.ts";
import { fillPositions, newIndices } from "../ring/positions.ts";
import type { Ring, RingIndices, RingPositions } from "../ring/snapshot.ts";
import { NOTHING_WANTED } from "../ring/suppression.ts";
import type { Attachment } from "../source/source.ts";
import { type Inspection, newInspection } from "./inspect.ts";
import { isSameSide, Judge, type JudgedQueue, type Moment } from "./judge.ts";
import { QueueRow } from "./queue_row.ts";
import { RingSampler } from "./sampler.ts";

/** A queue whose ring can be read. */
export class FollowedQueue implements JudgedQueue {
  /** The last reading that a report was made of; what it says changes with the next. */
  indices: RingIndices | null = null;
  readonly row: QueueRow;
  readonly #indices = newIndices();

  constructor(
    readonly selected: SelectedQueue,
    readonly ring: Ring,
    /** What the ring was opened in. */
    readonly memory: GuestMemory,
    private readonly sys: Sys,
    readonly sampler = new RingSampler(ring.config),
    readonly judge = new Judge(),
    readonly inspection: Inspection = newInspection(ring.findings),
  ) {
    this.row = new QueueRow(selected, ring.config, sampler);
  }

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

  /** A whole reading, and what came of all since the last: `row` says it then. */
  report(moment: Moment): void {
    const { ring, sampler, row } = this;
    const indices = this.#read();
    this.indices = indices;
    row.readings++;
    if (indices !== null) fillPositions(POSITIONS, indices, ring.config.size);
    sampler.observe(indices === null ? null : POSITIONS, moment.now);
    const rates = sampler.report(moment.now, indices, row.rates);
    row.judgement = this.judge.judge(rates, this, moment);
    row.suppression = indices === null ? NOTHING_WANTED : ring.suppression(indices);
  }

  /** A new object at each reading weighs, with thousands of rings. */
  #read(): RingIndices | null {
    if (this.ring.fill === undefined) return this.ring.indices();
    return this.ring.fill(this.#indices) ? this.#indices : null;
  }

  /** Whether the ring says what it said when it was reported on last. */
  isAsBefore(): boolean {
    const { indices: before, ring } = this;
    if (before === null) return false;
    if (ring.stands !== undefined) return ring.stands(before);
    const now = ring.indices();
    return now !== null && isSameSide(before.used, now.used) &&
      isSameSide(before.available, now.available);
  }

  /** The same queue as the guest describes it now; its history stays. */
  again(selected: SelectedQueue, ring: Ring, memory: GuestMemory): FollowedQueue {
    const { sys, sampler, judge, inspection } = this;
    return new FollowedQueue(selected, ring, memory, sys, sampler, judge, inspection);
  }
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
