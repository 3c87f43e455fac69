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
import { explained, type XenHost } from "./host.ts";

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

/** What a scan of guest frames found. */
export interface GfnScan {
  readonly runs: readonly FrameRun[];
  /** Frames that hold memory. */
  readonly found: number;
  /** Frames that were asked for. */
  readonly scanned: number;
}

/** Frames of one batch: each takes an address, and outside PV a page of dom0, while it is looked at. */
const BATCH = 4096;

/**
 * Asks for every guest frame below `limit` whether it maps; nothing is read. Stops early when `wanted`
 * frames were found. `aborted` is asked between batches.
 */
export function scanGfns(
  host: XenHost,
  domain: number,
  limit: number,
  wanted: number,
  aborted: () => boolean,
): GfnScan {
  const collector = runCollector();
  let found = 0;
  let scanned = 0;
  while (scanned < limit && found < wanted && !aborted()) {
    const count = Math.min(BATCH, limit - scanned);
    const list = BigUint64Array.from({ length: count }, (_, i) => BigInt(scanned + i));
    explained("scan frames", () => {
      using frames = host.privcmd.mapFrames(domain, list);
      for (let i = 0; i < count; i++) {
        if (frames.errnoOf(i) !== null) continue;
        collector.add(scanned + i);
        found++;
      }
    });
    scanned += count;
  }
  return { runs: collector.runs(), found, scanned };
}
