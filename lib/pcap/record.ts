/**
 * Records packets for as long as it is asked to.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import { guestTarget, selectQueues } from "../guest/select.ts";
import type { Attachment } from "../source/source.ts";
import { Capture, type CaptureCounts } from "./capture.ts";

/** Milliseconds between two looks. A busy ring laps in less: then packets are counted as dropped. */
const PAUSE = 1;

/** Where blocks go, and when to stop. */
export interface RecordOptions {
  /** Takes whole blocks; what was written is a valid capture at any time. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Writes the packets of the target's network queues until `signal`. Returns what was captured. Throws
 * `SourceError` (not-found) where the target has no queue that carries packets.
 */
export async function record(
  attachment: Attachment,
  { write, signal }: RecordOptions,
): Promise<CaptureCounts> {
  const queues = selectQueues(attachment.devices, attachment.target);
  const capture = new Capture(attachment.memory, queues);
  if (capture.empty) {
    const text = `no network queue with packets in ${guestTarget(attachment.target)}`;
    const remedy = "name a virtio-net device that its driver has set up";
    throw new SourceError(attachment.target.scheme, "capture", "not-found", text, remedy);
  }
  for (const block of capture.preamble) await write(block);
  const epoch = BigInt(Math.round(performance.timeOrigin * 1e6));
  while (!signal.aborted) {
    const now = epoch + BigInt(Math.round(performance.now() * 1e6));
    const blocks = capture.poll(now);
    if (blocks.length > 0) await write(joined(blocks));
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  return capture.counts;
}

function joined(blocks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    bytes.set(block, at);
    at += block.length;
  }
  return bytes;
}
