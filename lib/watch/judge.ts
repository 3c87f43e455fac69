/**
 * What each queue is stuck on, from what `watch` samples anyway.
 *
 * `diagnose` looks at two readings. Here the first of them is the one since which the used index
 * stands still, so that a verdict does not depend on how often there is a report, and a queue that
 * gives something back now and then is not called stuck in between.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { isPosted } from "../device/posted.ts";
import { readNotifier } from "../diagnose/notifier.ts";
import type { Finding } from "../finding.ts";
import type { Queue } from "../guest/guest.ts";
import type { SelectedQueue } from "../guest/select.ts";
import type { RingConfig } from "../ring/config.ts";
import type { RingIndices } from "../ring/snapshot.ts";
import { diagnose, type Diagnosis, type NotifierReading, type Verdict } from "../ring/stall.ts";
import type { RingRates } from "./sampler.ts";

/** A queue's state in a report. */
export interface Judgement {
  /** null while it is too early to say: nothing moved, and not for long enough. */
  readonly verdict: Verdict | null;
  /** What a verdict of a stall rests on, a clause each; empty where all is well. */
  readonly evidence: readonly string[];
}

/** Judges one queue, report by report. */
export interface Judge {
  judge(rates: RingRates, look: QueueLook): Judgement;
}

/** What else is known of a queue at a report. */
export interface QueueLook {
  readonly selected: SelectedQueue;
  /** Milliseconds of a steady clock. */
  readonly now: number;
  /** Findings that stood in more than one look at the chains. */
  readonly findings: readonly Finding[];
  /** Why nobody can serve the queue; null where somebody can. */
  readonly halted: string | null;
  /** The queue's two notifications; asked only where they make a difference. */
  readonly notifiers: () => QueueNotifications;
}

/** Pending notifications of a queue. */
export interface QueueNotifications {
  readonly kick: NotifierReading | null;
  readonly call: NotifierReading | null;
}

/** Milliseconds without movement that make a stall: a little less than the default interval. */
const STILL = 900;

const NOTHING: QueueNotifications = { kick: null, call: null };
const MOVING: Judgement = { verdict: "moving", evidence: [] };
const IDLE: Judgement = { verdict: "idle", evidence: [] };
const UNKNOWN: Judgement = { verdict: null, evidence: [] };

/** A judge for one queue and its ring. */
export function createJudge(config: RingConfig): Judge {
  /** Since when the used index is where it is: the last movement, or else the first look. */
  let since = NaN;
  let first: RingIndices | null = null;
  let moved = false;

  const ask = (rates: RingRates, look: QueueLook, notifications: QueueNotifications) =>
    diagnose({
      config,
      readings: [first, rates.indices].filter((one) => one !== null)
        .map((indices) => ({ indices, ...notifications })),
      findings: look.findings,
      status: look.selected.device.status,
      posted: isPosted(look.selected.queue.name),
      halted: look.halted,
      note: look.selected.queue.note,
    });

  const follow = (rates: RingRates, now: number) => {
    const { indices } = rates;
    const movement = hasMoved(first, rates);
    if (movement || first === null) since = movement ? now : now - rates.elapsed;
    if (movement) moved = true;
    if (movement || first === null || indices === null) first = indices;
  };

  return {
    judge(rates, look) {
      follow(rates, look.now);
      const soon = look.now - since < STILL;
      const quick = ask(rates, look, NOTHING);
      if (quick.verdict === "corrupt" || quick.verdict === "not ready") return judgement(quick);
      if (moved && soon) return MOVING;
      if (quick.verdict === "idle" && soon) return IDLE;
      return soon ? UNKNOWN : judgement(ask(rates, look, look.notifiers()));
    },
  };
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

/** Reads both notifications of a queue from the process that holds them. */
export function readNotifications(sys: Sys, { notifier }: Queue): QueueNotifications {
  if (notifier === undefined) return NOTHING;
  const { pid, kickFd, callFd } = notifier;
  return { kick: readNotifier(sys, pid, kickFd), call: readNotifier(sys, pid, callFd) };
}
