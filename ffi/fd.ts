/**
 * An owned file descriptor.
 *
 * @module
 */
import { isErrno } from "./errno.ts";
import type { Sys } from "./sys.ts";

/** Owns one fd and closes it once. */
export class Fd implements Disposable {
  readonly #sys: Pick<Sys, "close">;
  #number: number;

  /** Takes over `number`, which must be open. */
  constructor(sys: Pick<Sys, "close">, number: number) {
    if (!Number.isInteger(number) || number < 0) throw new RangeError(`${number} is not an fd`);
    this.#sys = sys;
    this.#number = number;
  }

  /** The fd, for a call. Throws Error when it is closed or was taken. */
  get number(): number {
    if (this.#number < 0) throw new Error("the file descriptor is closed");
    return this.#number;
  }

  /** False once closed or taken. */
  get isOpen(): boolean {
    return this.#number >= 0;
  }

  /** Hands the fd to the caller, who must close it. */
  take(): number {
    const number = this.number;
    this.#number = -1;
    return number;
  }

  /** Closes the fd; nothing the second time. */
  close(): void {
    if (this.isOpen) this.#sys.close(this.take());
  }

  /** {@linkcode Fd.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Closes raw fds that nobody wants, such as those of a refused message. Closes all, throws nothing. */
export function closeAll(sys: Pick<Sys, "close">, fds: Iterable<number>): void {
  for (const fd of fds) {
    try {
      sys.close(fd);
    } catch (error) {
      if (!isErrno(error)) throw error;
    }
  }
}
