/**
 * What happens at a doorbell: interrupts that reach us, peers that come and go.
 *
 * @module
 */
import type { Attachment, Interrupts } from "../source/source.ts";

/** One thing that happened. */
export type DoorbellEvent =
  | {
    readonly kind: "interrupt";
    readonly vector: number;
    /** Rings since the last event of this vector; rings that came together may count as one. */
    readonly count: number;
    /** Rings since the attach. */
    readonly total: number;
  }
  | { readonly kind: "joined" | "left"; readonly peer: string; readonly vectors: number }
  /** No more notices will come; the text says why. */
  | { readonly kind: "ended"; readonly text: string };

/** How to follow. */
export interface DoorbellOptions {
  /** Longest time in which peers that come or go, and the signal, are not noticed; milliseconds. */
  readonly interval: number;
  readonly signal: AbortSignal;
}

/** Yields what happens until the signal, peers that are there already first. */
export async function* followInterrupts(
  attachment: Pick<Attachment, "devices" | "note">,
  interrupts: Interrupts,
  { interval, signal }: DoorbellOptions,
): AsyncGenerator<DoorbellEvent> {
  let peers = new Map<string, number>();
  let seen: readonly bigint[] = [];
  let ended = false;
  while (!signal.aborted) {
    const now = peersOf(attachment);
    yield* peerEvents(peers, now);
    peers = now;
    const { counts } = interrupts;
    yield* interruptEvents(seen, counts);
    seen = counts;
    if (!ended && attachment.note) {
      ended = true;
      yield { kind: "ended", text: attachment.note };
    }
    await interrupts.wait(seen, interval);
  }
}

function peersOf({ devices }: Pick<Attachment, "devices">): Map<string, number> {
  return new Map(devices.map(({ name, queues }) => [name, queues.length]));
}

function* peerEvents(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Generator<DoorbellEvent> {
  for (const [peer, vectors] of before) {
    if (!after.has(peer)) yield { kind: "left", peer, vectors };
  }
  for (const [peer, vectors] of after) {
    if (!before.has(peer)) yield { kind: "joined", peer, vectors };
  }
}

function* interruptEvents(
  before: readonly bigint[],
  after: readonly bigint[],
): Generator<DoorbellEvent> {
  for (const [vector, total] of after.entries()) {
    const count = total - (before[vector] ?? 0n);
    if (count > 0n) {
      yield { kind: "interrupt", vector, count: Number(count), total: Number(total) };
    }
  }
}
