/**
 * Progress of long work: a bar where stderr is a terminal, nothing elsewhere.
 *
 * @module
 */
import type { Context } from "./context.ts";

/** Shown until disposed. */
export interface Progress extends Disposable {
  /** Bytes behind us. */
  update(done: bigint): void;
}

const SILENT: Progress = { update() {}, [Symbol.dispose]() {} };

/** Work shorter than this many bytes is done before a bar could be read. */
const WORTH = 64n << 20n;

/** A bar over `total` bytes, where it can be seen and is worth it. */
export async function startProgress(
  context: Context,
  what: string,
  total: bigint,
): Promise<Progress> {
  if (!context.progress || total < WORTH) return SILENT;
  const { startBar } = await import("./progress_bar.ts");
  return startBar(what, Number(total));
}
