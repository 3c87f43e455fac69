/**
 * The end of what runs for a given time.
 *
 * @module
 */

/** A signal that also ends after `milliseconds`; without them it is `signal`. Disposing ends the wait. */
export function deadline(
  signal: AbortSignal,
  milliseconds?: number,
): Disposable & { readonly signal: AbortSignal } {
  const own = new AbortController();
  const timer = milliseconds === undefined
    ? undefined
    : setTimeout(() => own.abort(), milliseconds);
  return {
    signal: AbortSignal.any([signal, own.signal]),
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
