/**
 * Records packets for as long as it is asked to.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import { guestTarget, selectQueues } from "../guest/select.ts";
import type { Attachment } from "../source/source.ts";
import { type CapturedPacket, enhancedPacket } from "../wire/pcapng.ts";
import { Capture, type CaptureCounts, SNAP } from "./capture.ts";

/** Milliseconds between two looks. A busy ring laps in less: then packets are counted as dropped. */
const PAUSE = 1;

/** Milliseconds between two looks at devices and memory: a guest that starts anew is followed. */
const REFRESH = 2000;

/** Where blocks go, and when to stop. */
export interface RecordOptions {
  /** Takes whole blocks; what was written is a valid capture at any time. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly signal: AbortSignal;
}

/** What came of it. */
export interface Recorded {
  readonly counts: CaptureCounts;
  /** Why it ended before `signal`: the guest is gone. */
  readonly gone: SourceError | null;
}

/**
 * Writes the packets of the target's network queues until `signal`, or until the guest is gone. Throws
 * `SourceError` (not-found) where the target has no queue that carries packets.
 */
export async function record(
  attachment: Attachment,
  { write, signal }: RecordOptions,
): Promise<Recorded> {
  const queues = selectQueues(attachment.devices, attachment.target);
  const capture = new Capture(attachment.memory, queues);
  if (capture.empty) {
    const text = `no network queue with packets in ${guestTarget(attachment.target)}`;
    const remedy = "name a virtio-net device that its driver has set up";
    throw new SourceError(attachment.target.scheme, "capture", "not-found", text, remedy);
  }
  const blocks = blockWriter(write);
  const epoch = BigInt(Math.round(performance.timeOrigin * 1e6));
  await using looks = refresher(attachment);
  while (!signal.aborted && looks.gone === null) {
    if (looks.due()) {
      capture.follow(attachment.memory, selectQueues(attachment.devices, attachment.target));
    }
    for (const block of capture.preamble()) await write(block);
    const now = epoch + BigInt(Math.round(performance.now() * 1e6));
    for (const packet of capture.poll(now)) await blocks.add(packet);
    await blocks.flush();
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  return { counts: capture.counts, gone: looks.gone };
}

/** Looks at the guest again while packets are read: a monitor may take its time to answer. */
function refresher(attachment: Attachment) {
  let [next, seen] = [performance.now() + REFRESH, false];
  let gone: SourceError | null = null;
  let failure: { readonly error: unknown } | null = null;
  let running: Promise<void> | null = null;
  const look = async () => {
    try {
      await attachment.refresh();
      seen = true;
    } catch (error) {
      if (!(error instanceof SourceError)) failure = { error };
      // A monitor that is busy for a moment changes nothing.
      else if (error.kind === "not-found") gone = error;
    }
    [next, running] = [performance.now() + REFRESH, null];
  };
  return {
    get gone(): SourceError | null {
      return gone;
    },
    /** Whether there is something new to follow since the last call. */
    due(): boolean {
      if (failure !== null) throw failure.error;
      if (running === null && performance.now() >= next) running = look();
      const news = seen;
      seen = false;
      return news;
    },
    async [Symbol.asyncDispose]() {
      await running;
    },
  };
}

/** Bytes that are collected before they are written. */
const BATCH = 1 << 20;

/** The most that one packet takes: what is kept of it, its block, and a comment. */
const LARGEST = SNAP + 1024;

/** Collects blocks in one buffer, over and over: a capture makes no more garbage than its packets. */
function blockWriter(write: RecordOptions["write"]) {
  const buffer = new Uint8Array(BATCH);
  let filled = 0;
  const flush = async () => {
    if (filled > 0) await write(buffer.subarray(0, filled));
    filled = 0;
  };
  const add = async (packet: CapturedPacket) => {
    if (filled + LARGEST > BATCH) await flush();
    filled += enhancedPacket(packet, buffer.subarray(filled)).length;
  };
  return { add, flush };
}
