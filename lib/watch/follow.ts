/**
 * Samples all rings of a guest and reports on them at an interval.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import { hasRing } from "../guest/open_queue.ts";
import { selectQueues } from "../guest/select.ts";
import { haltedText, pausedMachine } from "../source/halted.ts";
import type { Attachment } from "../source/source.ts";
import { followQueues } from "./followed_queue.ts";
import { GuestProcess } from "./guest_process.ts";
import { Inspector } from "./inspect.ts";
import { copyOfQueue, type QueueRates } from "./queue_row.ts";
import { restUntil } from "./rest.ts";
import { Rounds } from "./rounds.ts";
import { trimmedHeap } from "./trimmed_heap.ts";
import { WatchedQueues } from "./watched_queues.ts";

export { copyOfQueue, type QueueRates } from "./queue_row.ts";

/** How to follow. */
export interface FollowOptions {
  /** Milliseconds between reports. */
  readonly interval: number;
  /** Ends the following, between two reports. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** Read rings without a pause: all of one processor. Default false. */
  readonly fast?: boolean;
  /** Default: the real system calls. */
  readonly sys?: Sys;
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
  /** Valid until the next report: a queue is one object that says something else then. */
  readonly queues: readonly QueueRates[];
  /** Queues that have no ring to read. */
  readonly unreadable: number;
}

/** Milliseconds between two looks at devices and memory layout. */
const REFRESH = 5000;
/** Milliseconds before a guest that went away is looked for again. */
const RETRY = 1000;
/** Milliseconds between two reports on a guest that is gone, at least. */
const GONE_INTERVAL = 100;

/**
 * Reports for ever, or until `signal`. Between two reports each ring is read many times, so that its
 * index can not lap unseen. Throws `SourceError` when the guest is gone or the target names no ring.
 */
export async function* follow(
  attachment: Attachment,
  { interval, signal, log, fast = false, sys = openSys() }: FollowOptions,
): AsyncGenerator<WatchReport> {
  using process = new GuestProcess(sys, attachment);
  using _heap = trimmedHeap(sys);
  const inspector = new Inspector();
  const rounds = new Rounds({ interval, signal, fast, sys });
  let watched = new WatchedQueues(followQueues(attachment, sys));
  if (watched.queues.length === 0) throw nothingToFollow(attachment);
  let unreadable = countUnreadable(attachment);
  let paused = await asked(() => pausedText(attachment), log) ?? null;
  let refreshed = performance.now();
  let next = performance.now() + interval;
  while (!signal.aborted) {
    await rounds.until(next, watched.board);
    if (signal.aborted) return;
    process.assertAlive();
    watched.expect(inspector.look(watched.queues, () => performance.now()));
    yield { ...reportOn(watched, process.halted() ?? paused), unreadable };
    next = Math.max(next + interval, performance.now());
    if (performance.now() - refreshed < REFRESH) continue;
    const { devices, memory } = attachment;
    await asked(() => attachment.refresh(), log);
    const told = await asked(() => pausedText(attachment), log);
    if (told !== undefined) paused = told;
    refreshed = performance.now();
    if (attachment.devices === devices && attachment.memory === memory) continue;
    watched.wakeAll();
    watched = new WatchedQueues(followQueues(attachment, sys, watched.queues));
    unreadable = countUnreadable(attachment);
  }
}

async function pausedText({ monitor }: Attachment): Promise<string | null> {
  const paused = await pausedMachine(monitor);
  return paused === null ? null : haltedText(paused);
}

/** How to follow a guest that may go and come back. */
export interface FollowGuestOptions extends FollowOptions {
  /** Attaches the guest; what it gives is disposed here. Throws as `openTarget` does. */
  readonly open: () => Promise<Attachment>;
  /**
   * `never`: a guest that goes away ends it, by what {@linkcode follow} throws, after a last report
   * that says so. `gone`: it is looked for again, and reports go on meanwhile. `missing`: it need not
   * be there at first, either.
   */
  readonly wait: "never" | "gone" | "missing";
  /** Told of each attachment, before its first report; it is valid until the next one or the end. */
  readonly onAttach?: (attachment: Attachment) => void;
}

/** Follows a guest over its end and return, as `wait` says. Throws as {@linkcode follow} does. */
export async function* followGuest(options: FollowGuestOptions): AsyncGenerator<WatchReport> {
  const { open, wait, signal, log } = options;
  let last: WatchReport = { time: 0, guest: { up: false, note: "" }, queues: [], unreadable: 0 };
  let waits = wait === "missing";
  while (!signal.aborted) {
    try {
      await using attachment = await open();
      options.onAttach?.(attachment);
      for await (const report of follow(attachment, options)) {
        last = report;
        waits = wait !== "never";
        yield report;
      }
      return;
    } catch (error) {
      if (signal.aborted || !isHostFailure(error)) throw error;
      log(`gone: ${error.message}`);
      const seen = last.queues.length > 0;
      if (waits || seen) yield last = goneReport(last, error.message);
      if (!waits) throw error;
    }
    yield* goneReports(last, options);
  }
}

/** Reports on a guest that is gone, until it is time to look for it again. */
async function* goneReports(
  last: WatchReport,
  { interval, signal, sys = openSys() }: FollowOptions,
): AsyncGenerator<WatchReport> {
  const end = performance.now() + RETRY;
  const step = Math.max(interval, GONE_INTERVAL);
  for (let next = performance.now() + step; next < end; next += step) {
    await restUntil(next, signal, sys);
    if (signal.aborted) return;
    yield { ...last, time: Date.now() };
  }
  await restUntil(end, signal, sys);
}

/** The queues as they were seen last, and nothing that would have to be seen now. */
function goneReport({ queues, unreadable }: WatchReport, note: string): WatchReport {
  const unseen = {
    elapsed: 0,
    samples: 0,
    availableRate: null,
    usedRate: null,
    gap: false,
    waiting: 0,
    oldest: null,
    verdict: null,
    evidence: [],
  };
  const guest = { up: false, note };
  return {
    time: Date.now(),
    guest,
    queues: queues.map((one) => ({
      ...copyOfQueue(one),
      ...unseen,
      inFlightWorst: one.indices?.inFlight ?? 0,
    })),
    unreadable,
  };
}

function isHostFailure(error: unknown): error is Error {
  return error instanceof SourceError || isSyscallFailure(error);
}

function reportOn(
  watched: WatchedQueues,
  halted: string | null,
): Omit<WatchReport, "unreadable"> {
  const queues = watched.report({ now: performance.now(), halted });
  return { time: Date.now(), guest: { up: true, note: halted ?? "" }, queues };
}

function countUnreadable({ devices, target }: Attachment): number {
  return selectQueues(devices, target).filter(({ queue }) => !hasRing(queue)).length;
}

/** A monitor that is busy for a moment changes nothing: undefined then. A guest that is gone ends it. */
async function asked<T>(
  ask: () => Promise<T>,
  log: (line: string) => void,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof SourceError) || error.kind === "not-found") throw error;
    log(`guest not asked: ${error.message}`);
  }
}

function nothingToFollow({ target, note }: Attachment): SourceError {
  const why = note === undefined || note === "" ? "no ring that can be read" : note;
  const remedy = "`guestmem find` says of each queue why; --layout FILE tells where rings are";
  return new SourceError(target.scheme, "watch", "failed", `${target.text}: ${why}`, remedy);
}
