/**
 * A worker of the demo as its owner sees it.
 *
 * @module
 */
import type { Start, Told } from "./side.ts";

/** Runs one side. Disposing it asks for the end and waits until everything was let go. */
export class DemoWorker implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #stop: () => void;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();

  /** `stop` makes the worker's loop end; it may be called more than once. */
  constructor(url: URL, start: Start, stop: () => void) {
    this.#stop = stop;
    this.#ended.promise.catch(() => {});
    this.#ready.promise.catch(() => {});
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Told>) => {
      if (data === "ready") this.#ready.resolve();
      else if (data === "ended") this.#ended.resolve();
      else this.#fail(data.failed);
    };
    // What no message tells: its module could not be loaded.
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(event.message);
    };
    this.#worker.postMessage(start);
  }

  /** Resolves when it is set up; rejects when it failed. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when it has ended; rejects when it failed. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Lets it begin. */
  go(): void {
    this.#worker.postMessage("go");
  }

  #fail(why: string): void {
    const error = new Error(`demo worker: ${why}`);
    this.#ready.reject(error);
    this.#ended.reject(error);
  }

  /** Ends it. A worker that has not begun begins, to find that it is to stop. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    this.go();
    await this.ended.catch(() => {});
    this.#worker.terminate();
  }
}
