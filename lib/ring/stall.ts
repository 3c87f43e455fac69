/**
 * Whose turn it is: what a few readings of one ring say about a queue that does not move.
 *
 * ```text
 *        used      avail_event        avail
 *  ───────┼────────────┼────────────────┼──────▶   free-running indices
 *   done  │  fetched   │  not fetched   │
 *         └── device ──┘ the device asked for a kick here, and the driver is past it
 * ```
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { RingConfig } from "./config.ts";
import type { RingIndices, RingSide } from "./snapshot.ts";
import { EVENT, needEvent, USED } from "./spec.ts";

/** What is the matter with a queue; `moving` and `idle` are well. */
export type Verdict =
  | "corrupt"
  | "lost kick"
  | "device not consuming"
  | "ring full"
  | "driver not reaping"
  | "kicks suppressed"
  | "not ready"
  | "moving"
  | "idle";

/** Verdicts, worst first. */
export const VERDICTS: readonly Verdict[] = [
  "corrupt",
  "lost kick",
  "ring full",
  "device not consuming",
  "driver not reaping",
  "kicks suppressed",
  "not ready",
  "moving",
  "idle",
];

/** An eventfd as /proc/PID/fdinfo shows it: how many notifications nobody has taken yet. */
export interface NotifierReading {
  /** Counter of the eventfd. */
  readonly pending: bigint;
}

/** One look at a queue. */
export interface QueueReading {
  /** Where both sides stood. */
  readonly indices: RingIndices;
  /** Kick fd, driver to device; null where it is not known. */
  readonly kick: NotifierReading | null;
  /** Call fd, device to driver; null where it is not known. */
  readonly call: NotifierReading | null;
}

/** Everything that is known about a queue. */
export interface QueueObservation {
  /** null where the queue is not set up or its ring can not be read. */
  readonly config: RingConfig | null;
  /** Oldest first. Verdicts on movement want two; one is all there is of a dump. */
  readonly readings: readonly QueueReading[];
  /** Of the last reading, where they also stood in one before; a raced reading proves nothing. */
  readonly findings: readonly Finding[];
  /** virtio status byte; null where unknown. */
  readonly status: number | null;
  /** The driver posts buffers here for the device to fill some day: waiting is not a stall. */
  readonly posted: boolean;
  /**
   * Whether a used_event of 0 is where the driver waits to be called, and not what a driver leaves
   * there that looks by itself. Asked only where the answer makes a difference.
   */
  readonly armedAtZero: () => boolean;
  /** errno for which the ring can not be read, where it is known. Asked only where it can not. */
  readonly fault: () => string | null;
  /** The process that should serve the queue is stopped or its virtual machine paused: why. */
  readonly halted: string | null;
  /** Why there is no ring, as the source says. */
  readonly note: string;
}

/** The answer. */
export interface Diagnosis {
  /** What the queue is stuck on, if it is. */
  readonly verdict: Verdict;
  /** Who must act for the queue to go on. */
  readonly turn: "driver" | "device" | "nobody";
  /** Milliseconds between the first reading and the last; null where there are not two of them. */
  readonly observed: number | null;
  /** What was seen, a clause each, in the words of the standard. */
  readonly evidence: readonly string[];
}

/** virtio 1.4, 2.1. */
const STATUS = { DRIVER_OK: 4, NEEDS_RESET: 64, FAILED: 128 } as const;

/** Names the stall of one queue. Pure: the same observation gives the same diagnosis. */
export function diagnose(seen: QueueObservation): Diagnosis {
  const queue = seen.halted === null ? seen : { ...seen, readings: standing(seen.readings) };
  const observed = span(queue.readings);
  const answer = notReady(queue) ?? corrupt(queue) ?? moving(queue) ?? still(queue);
  return { ...answer, observed };
}

/**
 * The readings since the used index stands. What moved before the process was stopped says nothing of
 * whether it moves.
 */
function standing(readings: readonly QueueReading[]): readonly QueueReading[] {
  const used = readings.at(-1)?.indices.used;
  const moved = readings.findLastIndex(({ indices }) => !sameIndex(indices.used, used as RingSide));
  return readings.slice(moved + 1);
}

type Answer = Omit<Diagnosis, "observed">;

function notReady(queue: QueueObservation): Answer | null {
  const { config, status, note } = queue;
  const say = (text: string): Answer => ({
    verdict: "not ready",
    turn: "driver",
    evidence: [text],
  });
  if (status !== null && (status & STATUS.NEEDS_RESET) !== 0) {
    return say("the device asks for a reset (DEVICE_NEEDS_RESET)");
  }
  if (status !== null && (status & STATUS.FAILED) !== 0) return say("the driver gave up (FAILED)");
  if (config === null) return say(note === "" ? "the queue is not set up" : note);
  if (status !== null && (status & STATUS.DRIVER_OK) === 0) {
    return say(`DRIVER_OK is not set (status ${status})`);
  }
  return unread(queue);
}

/**
 * The ring stands in memory that the host does not read: nobody can say what it holds, and no side is
 * to blame. A ring where no memory is, or that is broken besides, is the driver's fault: `corrupt`.
 */
function unread({ readings, findings, fault }: QueueObservation): Answer | null {
  if (findings.some(({ code }) => code !== "ring-unreadable")) return null;
  if (findings.length === 0 && readings.length > 0) return null;
  const errno = fault();
  const text = `the ring can not be read${errno === null ? "" : `: ${errno}`}`;
  return { verdict: "not ready", turn: "nobody", evidence: [text] };
}

function corrupt({ findings }: QueueObservation): Answer | null {
  if (findings.length === 0) return null;
  const evidence = findings.slice(0, 3).map(({ code, place, text, section }) =>
    `${code} at ${place}: ${text} (${/^\d/.test(section) ? "virtio " : ""}${section})`
  );
  const more = findings.length > 3 ? [`and ${findings.length - 3} more findings`] : [];
  return { verdict: "corrupt", turn: "driver", evidence: [...evidence, ...more] };
}

/** The device's side advanced: slow perhaps, not stuck. */
function moving({ readings }: QueueObservation): Answer | null {
  const [first, last] = ends(readings);
  if (first === last || sameIndex(first.indices.used, last.indices.used)) return null;
  const text = `used moved from ${place(first.indices.used)} to ${place(last.indices.used)}`;
  return { verdict: "moving", turn: "nobody", evidence: [text] };
}

function still(queue: QueueObservation): Answer {
  const { indices } = ends(queue.readings)[1];
  if (indices.inFlight === 0) return reaped(queue);
  if (queue.posted) {
    const [count, are, wait] = indices.inFlight === 1
      ? ["1 buffer", "is", "waits"]
      : [`${indices.inFlight} buffers`, "are", "wait"];
    const text = `${count} ${are} posted and ${wait} for the device to have something`;
    return { verdict: "idle", turn: "nobody", evidence: [text] };
  }
  return stalled(queue);
}

/** Everything was used. Has the driver seen it? */
function reaped({ readings, config, armedAtZero, halted }: QueueObservation): Answer {
  const [, last] = ends(readings);
  const { available, used } = last.indices;
  const evidence = [`available and used both stand at ${place(used)}`];
  const pending = last.call?.pending ?? 0n;
  const behind = config === null ? 0 : pastEvent(last.indices, config);
  const looking = behind > 0 && config?.format === "split" && available.event === 0 &&
    !armedAtZero();
  const waiting = behind > 0 && !looking;
  if (looking) evidence.push("the driver asks for no call (used_event 0): it looks by itself");
  if (pending === 0n && !waiting) return { verdict: "idle", turn: "nobody", evidence };
  if (waiting) {
    const event = config?.format === "packed" ? "desc_event_off" : "used_event";
    evidence.push(`used is ${behind} past the driver's ${event} ${available.event}`);
  }
  if (pending > 0n) {
    evidence.push(`calls that nobody has taken are pending in the call fd: ${pending}`);
  }
  if (halted !== null) evidence.push(halted);
  return { verdict: "driver not reaping", turn: "driver", evidence };
}

/** How many entries used has passed since the driver asked to be called; 0 where it has not. */
function pastEvent({ available, used, exact }: RingIndices, config: RingConfig): number {
  if (available.event === null || !exact) return 0;
  const lap = config.format === "split" ? 0x10000 : 2 * config.size;
  const event = position(available.event, available.eventWrap, config.size);
  const behind = (position(used.index, used.wrap, config.size) - event + lap) % lap;
  return behind <= config.size ? behind : 0;
}

/** A slot of a packed ring as a number that counts over both laps; another ring's index as it is. */
function position(index: number, wrap: boolean | null, size: number): number {
  return wrap === false ? index + size : index;
}

/** Buffers are with the device and nothing comes back. */
function stalled(queue: QueueObservation): Answer {
  const [first, last] = ends(queue.readings);
  const { indices } = last;
  const evidence = [outstanding(queue, first.indices, indices)];
  if (queue.halted !== null) return device("device not consuming", [...evidence, queue.halted]);
  const pending = last.kick?.pending ?? null;
  if (pending !== null && pending > 0n) {
    return full(queue, [
      ...evidence,
      `it was kicked: the kick fd holds ${pending} that it has not taken`,
    ]);
  }
  const notified = notification(queue);
  evidence.push(notified.text);
  if (notified.state === "suppressed") {
    return { verdict: "kicks suppressed", turn: "device", evidence };
  }
  if (notified.state === "fetched" || pending === null && notified.state === "unknown") {
    return full(queue, evidence);
  }
  if (pending !== null) evidence.push("the kick fd is empty");
  if (notified.state === "due") return device("lost kick", evidence);
  return full(queue, evidence);
}

/** A ring without a free entry is the driver's side of the same stall. */
function full(queue: QueueObservation, evidence: string[]): Answer {
  const { indices } = ends(queue.readings)[1];
  if (queue.config === null || indices.inFlight < queue.config.size) {
    return device("device not consuming", evidence);
  }
  return device("ring full", [...evidence, `all ${queue.config.size} entries are in flight`]);
}

function device(verdict: Verdict, evidence: readonly string[]): Answer {
  return { verdict, turn: "device", evidence };
}

/** What the ring says about the kick for what is outstanding. */
interface Notification {
  /**
   * `due`: the device asked for a kick and the driver is past that point. `fetched`: the device has
   * taken everything, so a kick would tell it nothing. `suppressed`: it does not want kicks.
   */
  readonly state: "due" | "fetched" | "suppressed" | "unknown";
  readonly text: string;
}

function notification({ config, readings }: QueueObservation): Notification {
  const { indices } = ends(readings)[1];
  const { available, used } = indices;
  if (config?.format === "packed") return packedNotification(used, available);
  if (used.event === null) return flagsNotification(config, used, available);
  if (used.event === available.index) {
    return { state: "fetched", text: `avail_event ${used.event} says that it fetched all of them` };
  }
  return needEvent(used.event, available.index, used.index)
    ? {
      state: "due",
      text: `a kick was due: available is past the device's avail_event ${used.event}`,
    }
    : {
      state: "suppressed",
      text: `avail_event ${used.event} asks for no kick before it comes round`,
    };
}

function flagsNotification(
  config: RingConfig | null,
  used: RingSide,
  available: RingSide,
): Notification {
  if ((used.flags & USED.F_NO_NOTIFY) !== 0) {
    return { state: "suppressed", text: "the device has set NO_NOTIFY" };
  }
  const fetched = config?.fetched?.index;
  if (fetched === undefined) return { state: "unknown", text: "notifications are enabled" };
  return fetched === available.index
    ? { state: "fetched", text: `the device has fetched all up to ${fetched}` }
    : { state: "due", text: `a kick was due: the device has fetched up to ${fetched} only` };
}

function packedNotification(used: RingSide, available: RingSide): Notification {
  const kind = used.flags & EVENT.FLAGS_MASK;
  if (kind === EVENT.DISABLE) {
    return { state: "suppressed", text: "the device has disabled notifications" };
  }
  if (used.event === null) return { state: "unknown", text: "notifications are enabled" };
  const all = used.event === available.index && used.eventWrap === available.wrap;
  return all
    ? { state: "fetched", text: `desc_event_off ${used.event} says that it fetched all of them` }
    : {
      state: "due",
      text: `a kick was due: available is past the device's desc_event_off ${used.event}`,
    };
}

function outstanding(queue: QueueObservation, first: RingIndices, last: RingIndices): string {
  const moved = sameIndex(first.available, last.available)
    ? `available stands at ${place(last.available)}`
    : `available moved from ${place(first.available)} to ${place(last.available)}`;
  const one = queue.config?.format === "packed" ? "slot" : "buffer";
  const what = last.inFlight === 1 ? one : `${one}s`;
  return `${moved}, used at ${place(last.used)}: ${last.inFlight} ${what} with the device`;
}

/** Index, and for packed rings the wrap counter. */
function place({ index, wrap }: RingSide): string {
  return wrap === null ? `${index}` : `${index} (wrap ${wrap ? 1 : 0})`;
}

function sameIndex(a: RingSide, b: RingSide): boolean {
  return a.index === b.index && a.wrap === b.wrap;
}

function ends(readings: readonly QueueReading[]): [QueueReading, QueueReading] {
  return [readings[0], readings[readings.length - 1]];
}

function span(readings: readonly QueueReading[]): number | null {
  if (readings.length < 2) return null;
  const [first, last] = ends(readings);
  return last.indices.time - first.indices.time;
}
