/**
 * Connects to the far side, waiting a while for it to be there: a tap may be started before its
 * back-end, and a back-end that is started anew is away for a moment.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";

/** Where and how long. */
export interface ConnectorOptions {
  readonly sys: Pick<Sys, "connectUnix">;
  readonly path: string;
  /** Milliseconds after which the last failure counts. 0: one try. */
  readonly timeoutMs: number;
  /** The socket; the callee owns it. */
  readonly connected: (fd: number) => void;
  /** Called once, with the last failure. */
  readonly failed: (reason: string) => void;
}

/** Not there yet; away; its queue is full. */
const WORTH_WAITING = new Set(["ENOENT", "ECONNREFUSED", "EAGAIN"]);

const PAUSE_MS = 20;

/** Tries at once, and then again and again. Disposed, it stops trying and calls nothing any more. */
export function connectLater(options: ConnectorOptions): Disposable {
  const deadline = performance.now() + options.timeoutMs;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function attempt(): void {
    let fd: number;
    try {
      fd = options.sys.connectUnix(options.path);
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      const again = WORTH_WAITING.has(error.errno) && performance.now() < deadline;
      if (again) timer = setTimeout(attempt, PAUSE_MS);
      else options.failed(error.message);
      return;
    }
    options.connected(fd);
  }

  attempt();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
