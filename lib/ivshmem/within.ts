/**
 * Waiting with an end.
 *
 * @module
 */

/** Resolves with `promise`, or after `ms` milliseconds; leaves no timer behind. */
export async function within(promise: Promise<void>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
