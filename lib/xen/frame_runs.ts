/**
 * Which guest frames hold memory, as runs of neighbours.
 *
 * ```text
 * frames   0 1 2 3 4 5 6 7 8        runs
 *          m m m . . m m m .        [0, 3) [5, 8)
 * ```
 *
 * @module
 */
import { isOwnFrame } from "./p2m.ts";

/** Guest frames [first, first + count). */
export interface FrameRun {
  readonly first: number;
  readonly count: number;
}

/** Runs kept at most: a guest that scatters its memory on purpose does not fill ours. */
export const RUN_LIMIT = 4096;

/** Runs of the frames for which `has` says yes, in [0, count). */
export function runsOf(count: number, has: (frame: number) => boolean): FrameRun[] {
  const collector = runCollector();
  for (let frame = 0; frame < count; frame++) if (has(frame)) collector.add(frame);
  return collector.runs();
}

/** Runs of a p2m table. */
export function runsOfP2m(mfns: BigUint64Array): FrameRun[] {
  const words = new Uint32Array(mfns.buffer, mfns.byteOffset, mfns.length * 2);
  return runsOf(mfns.length, (frame) => isOwnFrame(words[2 * frame + 1]));
}

function runCollector() {
  const runs: { first: number; count: number }[] = [];
  return {
    add(frame: number) {
      const last = runs[runs.length - 1];
      if (last !== undefined && last.first + last.count === frame) last.count++;
      else runs.push({ first: frame, count: 1 });
    },
    runs: () => limitRuns(runs, RUN_LIMIT),
  };
}

/**
 * At most `limit` runs: where there are more, the smallest gaps are closed, and their frames become
 * memory that can not be read instead of holes.
 */
export function limitRuns(runs: readonly FrameRun[], limit: number): FrameRun[] {
  if (runs.length <= limit) return [...runs];
  const gaps = runs.slice(1).map((run, i) => run.first - runs[i].first - runs[i].count);
  const smallest = [...gaps].sort((a, b) => a - b)[runs.length - limit - 1];
  const merged: FrameRun[] = [runs[0]];
  runs.slice(1).forEach((run, i) => {
    const last = merged[merged.length - 1];
    if (gaps[i] > smallest) merged.push(run);
    else merged[merged.length - 1] = { ...last, count: run.first + run.count - last.first };
  });
  return merged;
}
