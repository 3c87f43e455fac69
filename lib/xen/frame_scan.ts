/**
 * Looks for the frames of a guest whose address space the hypervisor translates.
 *
 * Most of what is below 4 GiB is a hole, so a few frames of each 2 MiB are asked for first, then all
 * of every 2 MiB that had one, and the rest, from the top on, only while pages are missing: what a
 * toolstack puts beside RAM stands there.
 *
 * @module
 */
import { type FrameRun, runsOf } from "./frame_runs.ts";
import { explained, type XenHost } from "./host.ts";

/** What a scan found. */
export interface GfnScan {
  readonly runs: readonly FrameRun[];
  /** Frames that hold memory. */
  readonly found: number;
  /** Frames that were asked for. */
  readonly scanned: number;
}

/** What to look for. */
export interface ScanOptions {
  readonly domain: number;
  /** One past the last frame that is looked at. */
  readonly limit: number;
  /** Pages that the guest has: when as many are found the scan ends. */
  readonly wanted: number;
  /** Asked between batches. */
  aborted(): boolean;
}

/** Frames of a chunk: 2 MiB, what a toolstack allocates at a time. */
const CHUNK = 512;
/** Frames of a chunk that are asked for first. */
const SAMPLES = [0, 170, 341, 511] as const;
/** Frames of one call: each takes an address, and outside PV a page of dom0, while it is looked at. */
const BATCH = 4096;

/** Asks whether frames map; nothing is read, and nothing stays mapped. Throws `SourceError`. */
export function scanGfns(host: XenHost, options: ScanOptions): GfnScan {
  const { limit, wanted, aborted } = options;
  const scan = frameSet(host, options);
  const chunks = Array.from({ length: Math.ceil(limit / CHUNK) }, (_, i) => i);
  const enough = () => scan.found >= wanted || aborted();
  askChunks(chunks, SAMPLES.length, () => false, (part) => scan.ask(framesOf(part, SAMPLES)));
  const [likely, rest] = split(
    chunks,
    (chunk) => SAMPLES.some((at) => scan.has(chunk * CHUNK + at)),
  );
  const all = Array.from({ length: CHUNK }, (_, i) => i);
  askChunks(likely, CHUNK, aborted, (part) => scan.ask(framesOf(part, all)));
  askChunks(rest.reverse(), CHUNK, enough, (part) => scan.ask(framesOf(part, all)));
  return { runs: runsOf(limit, scan.has), found: scan.found, scanned: scan.scanned };
}

/** Hands on chunks in parts that fill a batch. */
function askChunks(
  chunks: readonly number[],
  each: number,
  stop: () => boolean,
  ask: (part: readonly number[]) => void,
): void {
  const size = Math.max(1, Math.floor(BATCH / each));
  for (let start = 0; start < chunks.length && !stop(); start += size) {
    ask(chunks.slice(start, start + size));
  }
}

function framesOf(chunks: readonly number[], offsets: readonly number[]): Uint32Array {
  const frames = new Uint32Array(chunks.length * offsets.length);
  let at = 0;
  for (const chunk of chunks) for (const offset of offsets) frames[at++] = chunk * CHUNK + offset;
  return frames;
}

function split<T>(list: readonly T[], has: (item: T) => boolean): [T[], T[]] {
  const [yes, no]: [T[], T[]] = [[], []];
  for (const item of list) (has(item) ? yes : no).push(item);
  return [yes, no];
}

/** The frames that were found: a bit each. */
function frameSet(host: XenHost, { domain, limit }: ScanOptions) {
  const bits = new Uint8Array(Math.ceil(limit / 8));
  const has = (frame: number) => (bits[frame >>> 3] & (1 << (frame & 7))) !== 0;
  return {
    found: 0,
    scanned: 0,
    has,
    ask(frames: Uint32Array) {
      const wanted = frames.filter((frame) => frame < limit && !has(frame));
      if (wanted.length === 0) return;
      const list = new BigUint64Array(wanted.length);
      const words = new Uint32Array(list.buffer);
      for (let i = 0; i < wanted.length; i++) words[2 * i] = wanted[i];
      const errors = explained("scan frames", () => host.privcmd.probeFrames(domain, list));
      this.scanned += wanted.length;
      for (let i = 0; i < wanted.length; i++) {
        if (errors[i] !== 0) continue;
        bits[wanted[i] >>> 3] |= 1 << (wanted[i] & 7);
        this.found++;
      }
    },
  };
}
