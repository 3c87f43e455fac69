/**
 * Diagnoses a guest from its target: also one that can not answer, since that is when it is asked.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import { type OpenOptions, openTarget } from "../source/attach.ts";
import { haltedProcess, haltedText, pausedMachine } from "../source/halted.ts";
import { sourceFor } from "../source/registry.ts";
import type { Attachment } from "../source/source.ts";
import { observe, type QueueReport } from "./observe.ts";

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
    const halted = stopped ?? stoppedProcess(sys, attachment.origin ?? "") ??
      await pausedMachine(attachment.monitor);
    const still = await isStill(attachment);
    const { duration = 1000, signal = null } = options;
    const looks = still ? 1 : options.looks ?? 5;
    const queues = await observe(attachment, { sys, duration, looks, still, signal, halted });
    return { target: text, halted, still, queues };
  } catch (error) {
    if (stopped === null || !(error instanceof SourceError)) throw error;
    return { target: text, halted: stopped, still: false, queues: [] };
  }
}

/** Whether all that can be seen is one moment; also where a session holds it. */
async function isStill({ target, origin }: Attachment): Promise<boolean> {
  const scheme = origin?.split(":", 1)[0] ?? target.scheme;
  return (await sourceFor(scheme))?.still ?? false;
}

/** Targets that name a process by its id can be looked at before anything is asked of it. */
function stoppedProcess(sys: Sys, text: string): string | null {
  const match = /^(?:qemu|proc):([0-9]+)(?:\/|$)/.exec(text);
  const halted = match === null ? null : haltedProcess(sys, Number(match[1]));
  return halted === null ? null : haltedText(halted);
}
