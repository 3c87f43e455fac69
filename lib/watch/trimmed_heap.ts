/**
 * Memory that is free goes back to the system while something runs for hours.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";

/** Milliseconds between two times. */
const MINUTE = 60_000;

/**
 * Gives back what the C library keeps of freed memory, at an interval until disposed. Without it the
 * pages that a moment's work has touched stay resident for ever, a few more each hour.
 */
export function trimmedHeap(sys: Pick<Sys, "trimHeap">, milliseconds = MINUTE): Disposable {
  const timer = setInterval(() => sys.trimHeap(), milliseconds);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
