/**
 * A progress bar on stderr. Loaded only when there is a terminal to show it on.
 *
 * @module
 */
// @ts-types="./cli_progress.d.ts"
import progress from "cli-progress";
import type { Progress } from "./progress.ts";
import { sizeText } from "./render/size.ts";

/** Starts a bar that counts `total` bytes. */
export function startBar(what: string, total: number): Progress {
  const bar = new progress.SingleBar({
    format: `${what} {bar} {percentage}%  {done} of {size}  {rate}/s  {eta_formatted} left`,
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  });
  const start = performance.now();
  const fields = (done: number) => {
    const seconds = Math.max(0.001, (performance.now() - start) / 1000);
    return { done: sizeText(done), size: sizeText(total), rate: sizeText(done / seconds) };
  };
  let last = 0;
  bar.start(total, last, fields(last));
  return {
    update(done) {
      last = Number(done);
      bar.update(last, fields(last));
    },
    async aside(print) {
      bar.stop();
      await print();
      bar.start(total, last, fields(last));
    },
    [Symbol.dispose]: () => bar.stop(),
  };
}
