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
import { observe, type QueueReport, reports } from "./observe.ts";

/** What is the matter with a guest. */
export interface GuestReport {
  /** As it was named. */
  readonly target: string;
  /** Why its process can not serve its devices; null where it runs. */
  readonly halted: string | null;
  /** It is a dump: what is said of it is what one moment shows. */
  readonly still: boolean;
  /** Worst first. Empty where the guest could not be attached because it is halted. */
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
  const stopped = stoppedProcess(sys, text);
  try {
    await using attachment = await openTarget(text, { ...options, sys });
    // What a session holds is attached although its process is stopped.
    const before = await haltedGuest(sys, attachment);
    const still = await isStill(attachment);
    const { duration = 1000, signal = null } = options;
    const looks = still ? 1 : options.looks ?? 5;
    const observed = await observe(attachment, { sys, duration, looks, signal });
    const halted = await haltedSince(before, sys, attachment);
    const queues = reports(attachment, observed, { sys, still, halted });
    return { target: text, halted: halted === null ? null : haltedText(halted), still, queues };
  } catch (error) {
    if (stopped === null || !(error instanceof SourceError)) throw error;
    return { target: text, halted: haltedText(stopped), still: false, queues: [] };
  }
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

/** Targets that name a process by its id can be looked at before anything is asked of it. */
function stoppedProcess(sys: Sys, text: string): Halted | null {
  const pid = namedPid(text);
  return pid === null ? null : haltedProcess(sys, pid);
}
