/**
 * One end of a conversation: a nonblocking Unix socket, frames in and bytes with fds out.
 *
 * At most one outgoing message waits. Whoever feeds a port stops reading its own source while
 * `busy`, so that a peer that does not read stops the other side and fills no memory here.
 *
 * @module
 */
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT } from "../../ffi/constants.ts";
import { closeAll } from "../../ffi/fd.ts";
import type { Poller } from "../../ffi/poller.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, ProtocolError } from "../errors.ts";
import { type Frame, frameReader, LIMIT } from "../wire/vhost_user/vhost_user.ts";

/** The calls it makes. */
export type PortSys = Pick<Sys, "recvmsg" | "sendmsg" | "close">;

/** What a port belongs to. */
export interface PortContext {
  readonly sys: PortSys;
  readonly poller: Pick<Poller, "add" | "change" | "remove">;
  /** Milliseconds in which a message that has begun must end. */
  readonly stallMs: number;
}

/** What a port tells. None is called after `close`. */
export interface PortHandlers {
  /** A whole message. The fds are the handler's from now on. May throw ProtocolError. */
  frame(frame: Frame): void;
  /** Some messages were handled and no more are at hand: the time to tell others. */
  batch?(): void;
  /** The waiting message is gone: more can be sent. */
  drained(): void;
  /** The peer left (`error` null), or the stream can not go on. Called once; close the port then. */
  end(reason: string, error: ProtocolError | null): void;
}

/** See the module. */
export interface Port extends Disposable {
  readonly fd: number;
  /** A message waits to be sent: do not send another. */
  readonly busy: boolean;
  /** fds of the message that waits: not to be closed by others before it is sent. */
  readonly waiting: readonly number[];
  /** Messages received and sent. */
  readonly received: number;
  readonly sent: number;
  /** Begins to read. */
  start(): void;
  /**
   * Sends bytes with fds on the first of them; what the socket does not take waits. `spent` are
   * closed when all is sent, or the port is closed. Throws Error while busy.
   */
  send(bytes: Uint8Array, fds: readonly number[], spent: readonly number[]): void;
  /** Stops and resumes reading. */
  pause(): void;
  resume(): void;
  /** Closes the socket and every fd that is still on its way. */
  close(): void;
}

interface Outgoing {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
  readonly spent: readonly number[];
}

/** Messages handled in one go, before other sockets have their turn. */
const BATCH = 64;

/** Takes over `fd`. Call `start` when the handlers are ready. */
export function openPort(context: PortContext, fd: number, handlers: PortHandlers): Port {
  const { sys, poller, stallMs } = context;
  const reader = frameReader();
  const buffer = new Uint8Array(LIMIT.payload);
  let outgoing: Outgoing | null = null;
  let watched: number | null = null;
  let reading = false;
  let closed = false;
  let ended = false;
  let hungUp = false;
  let waited = false;
  let received = 0;
  let sent = 0;
  let stall: ReturnType<typeof setTimeout> | undefined;
  /** Messages that had come when it was set. */
  let stalled = 0;

  /** A peer that hung up keeps poll ready for ever: while nothing is wanted, it is not watched. */
  function watch(): void {
    const events = closed || ended ? 0 : (reading ? POLLIN : 0) | (outgoing !== null ? POLLOUT : 0);
    const wanted = events === 0 && (hungUp || closed || ended) ? null : events;
    if (wanted === watched) return;
    if (wanted === null) poller.remove(fd);
    else if (watched === null) poller.add(fd, wanted, ready);
    else poller.change(fd, wanted);
    watched = wanted;
  }

  function ready(revents: number): void {
    if (revents & (POLLHUP | POLLERR | POLLNVAL)) hungUp = true;
    guarded(() => {
      if (outgoing !== null && revents & (POLLOUT | POLLERR | POLLHUP)) flush();
      if (reading) readBatch();
    });
    if (!closed && !ended) handlers.batch?.();
    if (!closed) watch();
  }

  /** A wrong stream or a dead peer ends the port; every other error is ours. */
  function guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof ProtocolError) finish(error.message, error);
      else if (isSyscallFailure(error)) finish(error.message, null);
      else throw error;
    }
  }

  function finish(reason: string, error: ProtocolError | null): void {
    if (closed || ended) return;
    ended = true;
    clearTimeout(stall);
    handlers.end(reason, error);
    if (!closed) watch();
  }

  function readBatch(): void {
    for (let count = 0; count < BATCH && reading && !closed && !ended; count++) {
      if (!readOne()) break;
    }
    expectRest();
  }

  /** Reads one message or what there is of it; false where nothing more is at hand. */
  function readOne(): boolean {
    while (true) {
      const got = sys.recvmsg(fd, buffer.subarray(0, reader.wanted), LIMIT.fds);
      if (got === null) return false;
      if (got.length === 0) return atEnd(got.fds);
      const frame = reader.push(buffer.subarray(0, got.length), got.fds);
      if (got.truncated) throw lostFds(frame, sys);
      if (frame === null) continue;
      received++;
      handlers.frame(frame);
      return true;
    }
  }

  function atEnd(fds: readonly number[]): false {
    closeAll(sys, fds);
    const partial = reader.partial;
    finish(partial ? "closed in the middle of a message" : "closed", null);
    return false;
  }

  /**
   * A message that has begun must end in time, however often a byte of it comes; a peer between two
   * messages may wait for ever.
   */
  function expectRest(): void {
    const expected = !closed && !ended && reader.partial && reading;
    if (expected && stall !== undefined && stalled === received) return;
    clearTimeout(stall);
    stall = undefined;
    if (!expected) return;
    stalled = received;
    stall = setTimeout(() => {
      const error = new ProtocolError(
        "vhost-user",
        "message",
        `its rest within ${stallMs} ms`,
        "silence",
      );
      finish(error.message, error);
    }, stallMs);
  }

  function flush(): void {
    if (outgoing === null) return;
    const { bytes, fds, spent } = outgoing;
    const length = sys.sendmsg(fd, bytes, fds);
    if (length === null) return;
    if (length < bytes.length) {
      // The fds went with the first byte.
      outgoing = { bytes: bytes.subarray(length), fds: [], spent };
      return;
    }
    outgoing = null;
    sent++;
    closeAll(sys, spent);
    if (waited) {
      waited = false;
      handlers.drained();
    }
  }

  function close(): void {
    if (closed) return;
    closed = true;
    clearTimeout(stall);
    if (watched !== null) poller.remove(fd);
    closeAll(sys, [...reader.take(), ...(outgoing?.spent ?? [])]);
    outgoing = null;
    closeAll(sys, [fd]);
  }

  return {
    fd,
    get busy(): boolean {
      return outgoing !== null;
    },
    get waiting(): readonly number[] {
      return outgoing?.fds ?? [];
    },
    get received(): number {
      return received;
    },
    get sent(): number {
      return sent;
    },
    start(): void {
      reading = true;
      watch();
    },
    send(bytes, fds, spent): void {
      if (outgoing !== null) throw new Error("a message is waiting to be sent");
      outgoing = { bytes, fds, spent };
      guarded(flush);
      waited = outgoing !== null;
      if (!closed) watch();
    },
    pause(): void {
      reading = false;
      expectRest();
      watch();
    },
    resume(): void {
      if (closed || ended) return;
      reading = true;
      watch();
    },
    close,
    [Symbol.dispose]: close,
  };
}

function lostFds(frame: Frame | null, sys: PortSys): ProtocolError {
  closeAll(sys, frame?.fds ?? []);
  const wanted = `at most ${LIMIT.fds} fds, and room for them here (ulimit -n)`;
  return new ProtocolError("vhost-user", "message", wanted, "fds that were lost on the way");
}
