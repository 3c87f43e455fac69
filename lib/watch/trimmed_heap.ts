/**
 * Memory that is free goes back to the system while something runs for hours.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";

/** Milliseconds between two times. */
const MINUTE = 60_000;

/** What V8 offers under --expose-gc, which the command line's task has. */
const tidying = globalThis as { gc?: (options: { readonly type: "major" }) => void };

/**
 * Gives back what V8 and the C library keep of freed memory, at an interval until disposed. Both wait
 * for much more than that to be free: a program that does the same for ever would grow for an hour.
 */
export function trimmedHeap(sys: Pick<Sys, "trimHeap">, milliseconds = MINUTE): Disposable {
  const trim = () => {
    tidying.gc?.({ type: "major" });
    sys.trimHeap();
  };
  const timer = setInterval(trim, milliseconds);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
