/**
 * Progress of long work: a bar where stderr is a terminal, nothing elsewhere.
 *
 * @module
 */
import type { Context } from "./context.ts";

/** A bar that is shown until disposed. */
export interface Progress extends Disposable {
  /** Bytes behind us. */
  update(done: bigint): void;
  /** Takes the bar away for as long as something is printed. */
  aside(print: () => Promise<void> | void): Promise<void>;
}

/** Work shorter than this many bytes is done before a bar could be read. */
const WORTH = 64n << 20n;

/** Runs `run` under a bar over `total` bytes, where it can be seen and is worth it: else it has none. */
export async function withProgress<T>(
  context: Pick<Context, "progress">,
  what: string,
  total: bigint,
  run: (update: Progress["update"], aside: Progress["aside"]) => Promise<T>,
): Promise<T> {
  using bar = context.progress && total >= WORTH
    ? (await import("./progress_bar.ts")).startBar(what, Number(total))
    : null;
  return await run(
    (done) => bar?.update(done),
    async (print) => await (bar === null ? print() : bar.aside(print)),
  );
}
