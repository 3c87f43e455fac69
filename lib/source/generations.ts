/**
 * Opened memory that a refresh puts another in the place of.
 *
 * @module
 */

/**
 * Holds what is opened now, and what was before it until `forget`: a refresh may come while somebody
 * reads the old memory, and a guest that is gone is not to be kept in ours for longer than that.
 */
export class Generations<T extends Disposable> implements Disposable {
  #now: T | null = null;
  #before: T | null = null;

  /** What is open. Throws Error where nothing was put in. */
  get now(): T {
    if (this.#now === null) throw new Error("no memory is open");
    return this.#now;
  }

  /** Takes the place of what is open, which stays so until `forget`. */
  put(next: T): void {
    this.forget();
    [this.#before, this.#now] = [this.#now, next];
  }

  /** Closes what was replaced: for the begin of a refresh. */
  forget(): void {
    const old = this.#before;
    this.#before = null;
    old?.[Symbol.dispose]();
  }

  /** Closes both. */
  [Symbol.dispose](): void {
    using _now = this.#now;
    this.#now = null;
    this.forget();
  }
}
