/**
 * Whether a queue moved after it was notified.
 *
 * @module
 */
import type { Ring, RingIndices } from "../ring/snapshot.ts";

/** Both indices of a queue (packed: slots). */
export interface QueueStand {
  readonly available: number;
  readonly used: number;
}

/** A queue before and after; null where its ring can not be read. */
export interface Movement {
  readonly before: QueueStand | null;
  readonly after: QueueStand | null;
}

/** Milliseconds between two looks. */
const STEP = 5;

/**
 * Reads where a queue stands now. The function it gives waits up to `milliseconds` for the used index
 * to move, and tells where the queue stands then.
 */
export function observeMovement(
  ring: Ring | null,
): (milliseconds: number, signal: AbortSignal | null) => Promise<Movement> {
  const stand = () => standOf(ring?.indices() ?? null);
  const before = stand();
  return async (milliseconds, signal) => {
    const end = performance.now() + milliseconds;
    let after = stand();
    while (before !== null && after?.used === before.used && performance.now() < end) {
      if (signal?.aborted) break;
      await new Promise((resolve) => setTimeout(resolve, STEP));
      after = stand();
    }
    return { before, after };
  };
}

function standOf(indices: RingIndices | null): QueueStand | null {
  if (indices === null) return null;
  return { available: indices.available.index, used: indices.used.index };
}
