/**
 * The process that serves a guest: whether it is still there, and whether it runs.
 *
 * Memory that we have mapped outlives the process that shared it. Its rings can be read for ever
 * then, and stand still for ever: so the process itself is looked at.
 *
 * @module
 */
import { POLLIN } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import { haltedProcess, haltedText, servingPid } from "../source/halted.ts";
import type { Attachment } from "../source/source.ts";

/** Milliseconds between two looks at whether it is there, and at whether it runs. */
const LOOK = 5;
const STATE = 250;

/** Looks that cost a few microseconds, and are made no more often than is useful. */
export class GuestProcess implements Disposable {
  readonly #pid: number | null;
  /** Not passed on to whoever gets the pid next. null where there is no process to look at. */
  readonly #pidfd: Fd | null;
  #looked = -Infinity;
  #asked = -Infinity;
  #halted: string | null = null;

  private readonly scheme: string;

  constructor(private readonly sys: Sys, attachment: Attachment) {
    this.scheme = attachment.target.scheme;
    this.#pid = servingPid(attachment);
    this.#pidfd = this.#pid === null ? null : openPidfd(sys, this.#pid, this.scheme);
  }

  /** Throws `SourceError` (not-found) where the process has ended. */
  assertAlive(now = performance.now()): void {
    if (this.#pidfd === null || now - this.#looked < LOOK) return;
    this.#looked = now;
    const [revents] = this.sys.pollNow([{ fd: this.#pidfd.number, events: POLLIN }]);
    if (revents !== 0) throw ended(this.#pid as number, this.scheme);
  }

  /** Why it does not run, in words; null where it runs, or is not known. */
  halted(now = performance.now()): string | null {
    if (this.#pid === null || now - this.#asked < STATE) return this.#halted;
    this.#asked = now;
    const halted = haltedProcess(this.sys, this.#pid);
    return this.#halted = halted === null ? null : haltedText(halted);
  }

  /** Closes the pidfd. */
  [Symbol.dispose](): void {
    this.#pidfd?.close();
  }
}

/** null where the kernel has no pidfds, or the process is none of ours to look at. */
function openPidfd(sys: Sys, pid: number, scheme: string): Fd | null {
  try {
    return new Fd(sys, sys.pidfdOpen(pid));
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    if (error.errno === "ESRCH") throw ended(pid, scheme);
    return null;
  }
}

function ended(pid: number, scheme: string): SourceError {
  const text = `process ${pid} has ended`;
  return new SourceError(scheme, "watch", "not-found", text, "guestmem find lists what is there");
}
