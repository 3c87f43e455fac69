/**
 * Diagnoses a guest from its target: also one that can not answer, since that is when it is asked.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import { type OpenOptions, openTarget } from "../source/attach.ts";
import { type Halted, haltedGuest, haltedProcess, haltedText, namedPid } from "../source/halted.ts";
import { sourceFor } from "../source/registry.ts";
import type { Attachment } from "../source/source.ts";
import { CARVED, carvedDevices } from "./carved.ts";
import { observe, type ObservedGuest, type QueueReport, reports } from "./observe.ts";

/** What is the matter with a guest. */
export interface GuestReport {
  /** As it was named. */
  readonly target: string;
  /** Why its process can not serve its devices; null where it runs. */
  readonly halted: string | null;
  /** It is a dump: what is said of it is what one moment shows. */
  readonly still: boolean;
  /** Worst first. Where a stopped process can not be asked for its queues, those that memory shows. */
  readonly queues: readonly QueueReport[];
}

/** How to attach, how long to look, and how often. */
export interface DiagnoseOptions extends OpenOptions {
  /** Milliseconds from the first look to the last. Default 1000. */
  readonly duration?: number;
  /** Looks at each queue, at least 2 to see what moves; a dump gets one. Default 5. */
  readonly looks?: number;
}

/**
 * Attaches, observes and diagnoses. Throws `SourceError` or `SyscallError` like `openTarget`, except
 * for a guest that does not answer because its process is stopped: that is the diagnosis.
 */
export async function diagnoseGuest(
  text: string,
  options: DiagnoseOptions = {},
): Promise<GuestReport> {
  const sys = options.sys ?? openSys();
  const { duration = 1000, signal = null } = options;
  const opened = await attach(text, { ...options, sys });
  if (!("memory" in opened)) {
    return { target: text, halted: haltedText(opened), still: false, queues: [] };
  }
  await using attachment = opened;
  // What a session holds is attached although its process is stopped.
  const before = await haltedGuest(sys, attachment);
  const still = await isStill(attachment);
  const looks = still ? 1 : options.looks ?? 5;
  const guest = await known(attachment, before, signal);
  const observed = await observe(guest, { sys, duration, looks, signal });
  const halted = await haltedSince(before, sys, attachment);
  const queues = reports(guest, observed, { sys, still, halted })
    .map((queue) => guest === attachment ? queue : asCarved(queue, halted));
  return { target: text, halted: halted === null ? null : haltedText(halted), still, queues };
}

/**
 * A device can not be asked for while the process is stopped: its guest's memory can be read then. What
 * the process suffers from, where not even that can be had.
 */
async function attach(
  text: string,
  options: OpenOptions & { sys: Sys },
): Promise<Attachment | Halted> {
  try {
    return await openTarget(text, options);
  } catch (error) {
    const pid = namedPid(text);
    const halted = pid === null ? null : haltedProcess(options.sys, pid);
    if (halted === null || !(error instanceof SourceError)) throw error;
    return await memoryAlone(text, options) ?? halted;
  }
}

async function memoryAlone(text: string, options: OpenOptions): Promise<Attachment | null> {
  try {
    return await openTarget(text.split("/", 1)[0], options);
  } catch (error) {
    if (error instanceof SourceError) return null;
    throw error;
  }
}

/** The guest, with rings that are looked for in its memory where nobody can say which it has. */
async function known(
  attachment: Attachment,
  halted: Halted | null,
  signal: AbortSignal | null,
): Promise<ObservedGuest> {
  const { target, memory, note = "" } = attachment;
  if (halted === null || note === "" || attachment.devices.length > 0) return attachment;
  const devices = await carvedDevices(memory, signal);
  return { target: { ...target, device: null, queue: null }, memory, devices };
}

/** Nobody else knows its name: only who lets the process go on can be of help. */
function asCarved(queue: QueueReport, halted: Halted | null): QueueReport {
  const next = queue.next === "" ? "" : halted?.command ?? "";
  return { ...queue, evidence: [...queue.evidence, CARVED], next };
}

/** Whether all that can be seen is one moment; also where a session holds it. */
async function isStill({ target, origin }: Attachment): Promise<boolean> {
  const scheme = origin?.split(":", 1)[0] ?? target.scheme;
  return (await sourceFor(scheme))?.still ?? false;
}

/**
 * Whether it is halted now that it was looked at: it may have been stopped meanwhile, or set going. A
 * monitor that does not answer any more says nothing new.
 */
async function haltedSince(
  before: Halted | null,
  sys: Sys,
  attachment: Attachment,
): Promise<Halted | null> {
  try {
    return await haltedGuest(sys, attachment);
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return before;
  }
}
