/**
 * Waiting, for the real `Sys`.
 *
 * @module
 */
import { retry } from "./call.ts";
import { POLLFD } from "./layout.ts";
import type { Libc } from "./libc.ts";
import type { PollCalls, PollEntry } from "./sys.ts";

/** poll over the C library. */
export function pollCalls(c: Libc): PollCalls {
  const pollNow = (entries: readonly PollEntry[], blockMs = 0) => {
    const set = encode(entries);
    retry("poll", subject(entries), () => c.poll(set, BigInt(entries.length), blockMs));
    return revents(set, entries.length);
  };
  return {
    pollNow,
    poll: (entries, timeoutMs) => waitFor(c, entries, timeoutMs, pollNow),
    // A signal ends it early, which is what waiting is about.
    nap: (microseconds) => void c.usleep(Math.min(999, Math.max(0, Math.floor(microseconds)))),
  };
}

async function waitFor(
  c: Libc,
  entries: readonly PollEntry[],
  timeoutMs: number,
  pollNow: PollCalls["pollNow"],
): Promise<number[]> {
  const deadline = timeoutMs < 0 ? Infinity : performance.now() + timeoutMs;
  while (true) {
    const set = encode(entries);
    const rest = deadline === Infinity ? -1 : Math.max(0, Math.ceil(deadline - performance.now()));
    const result = await c.poll_async(set, BigInt(entries.length), Math.min(rest, 0x7fff_ffff));
    if (result > 0) return revents(set, entries.length);
    // errno stayed on the other thread: ask again from this one, which throws what is wrong.
    if (result < 0) pollNow(entries);
    if (performance.now() >= deadline) return entries.map(() => 0);
  }
}

/** In a buffer of its own: small typed arrays may move while another thread writes to them. */
function encode(entries: readonly PollEntry[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(Math.max(1, entries.length) * POLLFD.SIZE));
  entries.forEach(({ fd, events }, index) => {
    view.setInt32(index * POLLFD.SIZE + POLLFD.fd, fd, true);
    view.setInt16(index * POLLFD.SIZE + POLLFD.events, events, true);
  });
  return new Uint8Array(view.buffer);
}

function revents(set: Uint8Array, count: number): number[] {
  const view = new DataView(set.buffer);
  const at = (index: number) => view.getUint16(index * POLLFD.SIZE + POLLFD.revents, true);
  return Array.from({ length: count }, (_, index) => at(index));
}

function subject(entries: readonly PollEntry[]): string {
  return `${entries.length} fds`;
}
