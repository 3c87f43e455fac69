/**
 * What each queue is stuck on, from what `watch` samples anyway.
 *
 * `diagnose` looks at two readings. Here the first of them is the one since which the used index
 * stands still, so that a verdict does not depend on how often there is a report, and a queue that
 * gives something back now and then is not called stuck in between.
 *
 * @module
 */
import { isPolled } from "../device/polled.ts";
import { isPosted } from "../device/posted.ts";
import type { Finding } from "../finding.ts";
import type { SelectedQueue } from "../guest/select.ts";
import { copyIndices, copyOfIndices, newIndices } from "../ring/positions.ts";
import type { Ring, RingIndices, RingSide } from "../ring/snapshot.ts";
import { diagnose, type Diagnosis, type NotifierReading, type Verdict } from "../ring/stall.ts";
import type { RingRates } from "./ring_rates.ts";

/** A queue's state in a report. */
export interface Judgement {
  /** null while it is too early to say: nothing moved, and not for long enough. */
  readonly verdict: Verdict | null;
  /** What a verdict of a stall rests on, a clause each; empty where all is well. */
  readonly evidence: readonly string[];
}

/** What is known of a queue beside its rates. */
export interface JudgedQueue {
  readonly selected: SelectedQueue;
  readonly ring: Pick<Ring, "config" | "isArmedAtZero" | "fault">;
  /** Findings that stood in more than one look at the chains. */
  readonly findings: readonly Finding[];
  /** The queue's two notifications; asked only where they make a difference. */
  notifications(): QueueNotifications;
}

/** When a report is made, and what is true of all its queues. */
export interface Moment {
  /** Milliseconds of a steady clock. */
  readonly now: number;
  /** Why nobody can serve the guest's queues; null where somebody can. */
  readonly halted: string | null;
}

/** Pending notifications of a queue. */
export interface QueueNotifications {
  readonly kick: NotifierReading | null;
  readonly call: NotifierReading | null;
}

/** Milliseconds without movement that make a stall: a little less than the default interval. */
const STILL = 900;
/** Milliseconds for which what was said of the same is not decided anew. */
const FRESH = 1000;

const NOTHING: QueueNotifications = { kick: null, call: null };
const MOVING: Judgement = { verdict: "moving", evidence: [] };
const IDLE: Judgement = { verdict: "idle", evidence: [] };
const UNKNOWN: Judgement = { verdict: null, evidence: [] };

/** Judges one queue, report by report. */
export class Judge {
  /** Since when the used index is where it is: the last movement, or else the first look. */
  #since = NaN;
  #first: RingIndices | null = null;
  readonly #firstCopy = newIndices();
  #moved = false;
  /** The queue as it was when it was found to be ready: its device's status can not have changed. */
  #ready: SelectedQueue | null = null;
  #said: Said | null = null;

  /** The queue's state, from its rates and what else is known. */
  judge(rates: RingRates, queue: JudgedQueue, moment: Moment): Judgement {
    const movement = this.#follow(rates, moment.now);
    const soon = moment.now - this.#since < STILL;
    const { indices } = rates;
    if (soon && indices !== null && queue.findings.length === 0 && this.#ready === queue.selected) {
      if (this.#moved) return MOVING;
      if (indices.inFlight === 0) return IDLE;
    }
    const said = this.#said;
    if (!movement && said !== null && isSame(said, rates, queue, moment, soon)) {
      return said.judgement;
    }
    const judgement = this.#decide(rates, queue, moment, soon);
    const { selected, findings } = queue;
    this.#said = {
      ...moment,
      indices: copyOfIndices(indices),
      selected,
      findings,
      soon,
      judgement,
    };
    return judgement;
  }

  /** When the judgement may be another without anything having moved; Infinity where it can not. */
  get due(): number {
    const settled = this.#since + STILL;
    const said = this.#said;
    if (said === null || !(said.now >= settled)) return settled;
    return said.selected.queue.notifier === undefined ? Infinity : said.now + FRESH;
  }

  /** Whether the used index has moved. */
  #follow(rates: RingRates, now: number): boolean {
    const { indices } = rates;
    const movement = hasMoved(this.#first, rates);
    if (movement) this.#moved = true;
    if (movement || this.#first === null) this.#since = movement ? now : now - rates.elapsed;
    if (movement || this.#first === null || indices === null) this.#begin(indices);
    return movement;
  }

  /** What was read is filled anew at the next report. */
  #begin(indices: RingIndices | null): void {
    if (indices !== null) copyIndices(this.#firstCopy, indices);
    this.#first = indices === null ? null : this.#firstCopy;
  }

  #decide(rates: RingRates, queue: JudgedQueue, moment: Moment, soon: boolean): Judgement {
    const quick = this.#diagnose(rates, queue, moment, NOTHING);
    if (quick.verdict !== "not ready") this.#ready = queue.selected;
    if (quick.verdict === "corrupt" || quick.verdict === "not ready") return judgement(quick);
    if (this.#moved && soon) return MOVING;
    if (quick.verdict === "idle" && soon) return IDLE;
    return soon ? UNKNOWN : judgement(this.#diagnose(rates, queue, moment, queue.notifications()));
  }

  #diagnose(
    { indices }: RingRates,
    { selected: { device, queue }, ring, findings }: JudgedQueue,
    { halted }: Moment,
    notifications: QueueNotifications,
  ): Diagnosis {
    const readings = [this.#first, indices].filter((one) => one !== null)
      .map((indices) => ({ indices, ...notifications }));
    const posted = isPosted(queue.name);
    const { status } = device;
    return diagnose({
      config: ring.config,
      readings,
      findings,
      status,
      posted,
      armedAtZero: () => !isPolled(device.type, queue.name) && ring.isArmedAtZero(),
      fault: () => ring.fault(),
      halted,
      note: queue.note,
    });
  }
}

/** What was said last, and of what. */
interface Said extends Moment {
  readonly indices: RingIndices | null;
  readonly selected: SelectedQueue;
  readonly findings: readonly Finding[];
  readonly soon: boolean;
  readonly judgement: Judgement;
}

/** Whether there is nothing new that a judgement could come from, but perhaps the notifiers. */
function isSame(
  said: Said,
  { indices }: RingRates,
  { selected, findings }: JudgedQueue,
  { now, halted }: Moment,
  soon: boolean,
): boolean {
  if (said.indices === null || indices === null) return false;
  const fresh = selected.queue.notifier === undefined || now - said.now < FRESH;
  return fresh && said.soon === soon && said.selected === selected &&
    said.findings === findings && said.halted === halted &&
    isSameSide(said.indices.used, indices.used) &&
    isSameSide(said.indices.available, indices.available);
}

/** Whether a side stands where it did, and says what it said. */
export function isSameSide(a: RingSide, b: RingSide): boolean {
  return a === b ||
    a.index === b.index && a.flags === b.flags && a.event === b.event && a.wrap === b.wrap &&
      a.eventWrap === b.eventWrap;
}

/** By what was seen in between, too: an index may have come round to where it was. */
function hasMoved(first: RingIndices | null, { indices, usedRate, gap }: RingRates): boolean {
  if (indices === null) return false;
  if (gap || (usedRate ?? 0) > 0) return true;
  return first !== null &&
    (first.used.index !== indices.used.index || first.used.wrap !== indices.used.wrap);
}

function judgement({ verdict, evidence }: Diagnosis): Judgement {
  if (verdict === "idle") return IDLE;
  return verdict === "moving" ? MOVING : { verdict, evidence };
}
