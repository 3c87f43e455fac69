/**
 * One poll over all fds. Deno runs nonblocking calls on 32 threads shared with file I/O, so a poll
 * per fd would stop everything at the 33rd; here one thread waits, and an eventfd wakes it when the
 * set of fds changes.
 *
 * @module
 */
import { EFD_NONBLOCK, POLLIN } from "./constants.ts";
import { Fd } from "./fd.ts";
import type { Sys } from "./sys.ts";

/** The calls it makes. */
export type PollerSys = Pick<Sys, "eventfd" | "signal" | "drain" | "poll" | "close">;

/** Called with the POLL* bits that are set: those asked for, or POLLERR, POLLHUP, POLLNVAL. */
export type PollCallback = (revents: number) => void;

interface Watch {
  readonly fd: number;
  readonly events: number;
  readonly callback: PollCallback;
}

/**
 * Calls back when fds are ready, level-triggered: a callback that does not read is called again.
 * Does not own the fds: `remove` them before closing them.
 */
export class Poller implements AsyncDisposable {
  readonly #sys: PollerSys;
  readonly #wake: Fd;
  readonly #watches = new Map<number, Watch>();
  readonly #waiting = new Set<(reason: Error) => void>();
  #running: Promise<void> | null = null;
  #stopping = false;

  /** Opens the wake eventfd. */
  constructor(sys: PollerSys) {
    this.#sys = sys;
    this.#wake = new Fd(sys, sys.eventfd(0, EFD_NONBLOCK));
  }

  /** fds being watched. */
  get size(): number {
    return this.#watches.size;
  }

  /** Watches an fd. Throws Error where it is watched already. Allowed while running. */
  add(fd: number, events: number, callback: PollCallback): void {
    if (this.#watches.has(fd)) throw new Error(`fd ${fd} is watched already`);
    this.#watches.set(fd, { fd, events, callback });
    this.#interrupt();
  }

  /** Changes what an fd is watched for; 0 keeps only errors and hang-ups. */
  change(fd: number, events: number): void {
    const watch = this.#watches.get(fd);
    if (watch === undefined) throw new Error(`fd ${fd} is not watched`);
    if (watch.events === events) return;
    this.#watches.set(fd, { ...watch, events });
    this.#interrupt();
  }

  /** Stops watching; its callback is not called any more, even if it was ready. */
  remove(fd: number): void {
    if (this.#watches.delete(fd)) this.#interrupt();
  }

  /**
   * The next readiness of an fd, once: its revents, or 0 when the time is up (-1: never). Rejects
   * when the poller ends before.
   */
  async once(fd: number, events: number, timeoutMs = -1): Promise<number> {
    if (this.#stopping) throw new Error("the poller has ended");
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.add(fd, events, resolve);
    this.#waiting.add(reject);
    const timer = timeoutMs < 0 ? undefined : setTimeout(() => resolve(0), timeoutMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(reject);
      this.remove(fd);
    }
  }

  /**
   * Waits and calls back until `stop`. Rejects with what a callback throws, or SyscallError where
   * poll fails. Call it once; `close` waits for it.
   */
  run(): Promise<void> {
    if (this.#running !== null) throw new Error("the poller runs already");
    this.#running = this.#loop().finally(() => this.#end());
    return this.#running;
  }

  /** Ends `run` after the callbacks in progress. */
  stop(): void {
    this.#stopping = true;
    this.#interrupt();
  }

  /** Stops, waits for `run` to end and closes the wake eventfd. Errors are those of `run`, not here. */
  async close(): Promise<void> {
    if (!this.#wake.isOpen) return;
    this.stop();
    await this.#running?.catch(() => {});
    this.#end();
    this.#watches.clear();
    this.#wake.close();
  }

  /** {@linkcode Poller.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      const watches = [...this.#watches.values()];
      const entries = [{ fd: this.#wake.number, events: POLLIN }, ...watches];
      const [woken, ...revents] = await this.#sys.poll(entries, -1);
      if (woken !== 0) this.#sys.drain(this.#wake.number);
      this.#dispatch(watches, revents);
    }
  }

  /** Whoever still waits for an fd is told that nothing will come. */
  #end(): void {
    this.#stopping = true;
    for (const reject of this.#waiting) reject(new Error("the poller has ended"));
  }

  /** A watch that was removed or replaced meanwhile is skipped: its fd may be another file by now. */
  #dispatch(watches: readonly Watch[], revents: readonly number[]): void {
    watches.forEach((watch, index) => {
      const bits = revents[index];
      if (bits === 0 || this.#stopping) return;
      if (this.#watches.get(watch.fd) === watch) watch.callback(bits);
    });
  }

  #interrupt(): void {
    if (this.#running !== null && this.#wake.isOpen) this.#sys.signal(this.#wake.number);
  }
}
