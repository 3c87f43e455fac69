/**
 * What changes in a range of guest memory: two readings, and where they differ.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { Attachment } from "../source/source.ts";
import { GuestProcess } from "./guest_process.ts";
import { restUntil } from "./rest.ts";

/** What a byte of a reading is: three states that are never mixed up. */
export const STATES = ["bytes", "hole", "unreadable"] as const;
/** One of {@linkcode STATES}. */
export type ByteState = (typeof STATES)[number];

/** Bytes that can be watched at once. */
export const MEMORY_LIMIT = 1 << 20;

/** A reading of [address, address + length). A private copy. */
export class MemoryImage {
  readonly bytes: Uint8Array;
  /** Index in {@linkcode STATES} per byte; where it is not 0 the byte means nothing. */
  readonly states: Uint8Array;

  constructor(readonly address: bigint, length: number) {
    this.bytes = new Uint8Array(length);
    this.states = new Uint8Array(length);
  }

  /** Reads it from memory, by copies: what vanishes under it is unreadable, and no more. */
  read(memory: GuestMemory): void {
    const { address, bytes, states } = this;
    // What lies beyond 2^64 is not given.
    states.fill(STATES.indexOf("hole"));
    bytes.fill(0);
    for (const span of memory.read(address, BigInt(bytes.length), CHUNK)) {
      const from = Number(span.address - address);
      states.fill(STATES.indexOf(span.state), from, from + Number(span.length));
      if (span.state === "bytes") bytes.set(span.bytes, from);
    }
  }
}

/** A stretch that is not what it was, all of it in one state before and in one state after. */
export interface MemoryChange {
  /** Bytes from the start of the range; and how many. */
  readonly offset: number;
  readonly length: number;
  readonly before: ByteState;
  readonly after: ByteState;
}

/** Stretches in which two readings of one range differ, in order. */
export function* changesBetween(before: MemoryImage, after: MemoryImage): Generator<MemoryChange> {
  const { length } = before.bytes;
  const differs = (at: number) =>
    before.states[at] !== after.states[at] || before.bytes[at] !== after.bytes[at];
  for (let at = 0; at < length;) {
    if (!differs(at)) {
      at++;
      continue;
    }
    const from = at;
    const same = (other: number) =>
      before.states[other] === before.states[from] && after.states[other] === after.states[from];
    while (at < length && differs(at) && same(at)) at++;
    yield {
      offset: from,
      length: at - from,
      before: STATES[before.states[from]],
      after: STATES[after.states[from]],
    };
  }
}

/** What was seen at one time. */
export interface MemoryReport {
  /** Milliseconds since the epoch, and since the reading before. */
  readonly time: number;
  readonly elapsed: number;
  /** Both readings; valid until the next report. */
  readonly before: MemoryImage;
  readonly after: MemoryImage;
  /** Where they differ; never empty. */
  readonly changes: readonly MemoryChange[];
}

/** What to watch, and how. */
export interface FollowMemoryOptions {
  readonly address: bigint;
  /** Bytes: 1 to {@linkcode MEMORY_LIMIT}. */
  readonly length: number;
  /** Milliseconds between two readings. */
  readonly interval: number;
  readonly signal: AbortSignal;
  /** Default: the real system calls. */
  readonly sys?: Sys;
}

/** Bytes read at a time. */
const CHUNK = 1 << 16;
/** Milliseconds between two looks at the memory layout. */
const REFRESH = 5000;

/**
 * Reads a range at an interval and reports where something has changed, until `signal`. Throws
 * `SourceError` when the guest is gone, RangeError for a length that is out of bounds.
 */
export async function* followMemory(
  attachment: Attachment,
  { address, length, interval, signal, sys = openSys() }: FollowMemoryOptions,
): AsyncGenerator<MemoryReport> {
  if (!(length >= 1 && length <= MEMORY_LIMIT)) throw new RangeError(`length ${length}`);
  using process = new GuestProcess(sys, attachment);
  let [before, after] = [new MemoryImage(address, length), new MemoryImage(address, length)];
  before.read(attachment.memory);
  let last = performance.now();
  let refreshed = last;
  for (let next = last + interval; !signal.aborted; next = Math.max(next + interval, last)) {
    await restUntil(next, signal, sys);
    if (signal.aborted) return;
    process.assertAlive();
    after.read(attachment.memory);
    const [now, elapsed] = [performance.now(), performance.now() - last];
    last = now;
    const changes = [...changesBetween(before, after)];
    if (changes.length > 0) {
      yield { time: Date.now(), elapsed, before, after, changes };
      [before, after] = [after, before];
    }
    if (now - refreshed < REFRESH) continue;
    await attachment.refresh();
    refreshed = now;
  }
}
