/**
 * A session's end of one client's connection: lines in, answers with fds out, one at a time. While an
 * answer waits to be read no further request is taken, so a client that does not read holds one
 * answer here and delays nobody; one that does not read for long is sent away.
 *
 * @module
 */
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT } from "../../ffi/constants.ts";
import { closeAll } from "../../ffi/fd.ts";
import type { Poller } from "../../ffi/poller.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, ProtocolError } from "../errors.ts";
import { LineReader } from "../wire/qmp/line_reader.ts";
import { REQUEST_LIMIT } from "./protocol.ts";

/** A line to send. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  /** Sent with the first byte, and closed afterwards. */
  readonly fds: readonly number[];
}

/** What a port belongs to. */
export interface PortOptions {
  readonly sys: Pick<Sys, "recvmsg" | "sendmsg" | "close">;
  readonly poller: Pick<Poller, "add" | "change" | "remove">;
  /** The socket, which the port takes over. */
  readonly fd: number;
  /** Milliseconds in which an answer must be read. */
  readonly stallMs: number;
  /** Sent first. */
  readonly greeting: Uint8Array;
  /** Answers a line. Must not reject. The signal is aborted when the client leaves. */
  readonly answer: (line: string, signal: AbortSignal) => Promise<Outgoing>;
  /** The client left, or was sent away. Called once, when all is closed. */
  readonly ended: (reason: string) => void;
}

/** Bytes taken at a time. */
const CHUNK = 16 << 10;

/** Opens the port and greets. Dispose it to send the client away; `ended` is not called then. */
export function openPort(options: PortOptions): Disposable {
  const { sys, poller, fd, stallMs, answer } = options;
  const lines = new LineReader("session", REQUEST_LIMIT);
  const buffer = new Uint8Array(CHUNK);
  const leaving = new AbortController();
  const waiting: string[] = [];
  let outgoing: Outgoing | null = { bytes: options.greeting, fds: [] };
  let busy = true;
  let closed = false;
  let stall: ReturnType<typeof setTimeout> | undefined;

  function ready(revents: number): void {
    try {
      if (outgoing !== null && revents & POLLOUT) flush();
      if (!closed && revents & POLLIN && !busy) read();
      // What a client asked and did not wait for, nobody wants.
      else if (revents & (POLLHUP | POLLERR | POLLNVAL)) end("left");
    } catch (error) {
      if (error instanceof ProtocolError || isSyscallFailure(error)) end(error.message);
      else throw error;
    }
  }

  function read(): void {
    const got = sys.recvmsg(fd, buffer, 0);
    if (got === null) return;
    closeAll(sys, got.fds);
    if (got.length === 0) return end("left");
    waiting.push(...lines.push(buffer.subarray(0, got.length)));
    next();
  }

  function next(): void {
    const line = waiting.shift();
    if (closed || busy || line === undefined) return;
    busy = true;
    watch();
    answer(line, leaving.signal).then(send);
  }

  function send(line: Outgoing): void {
    if (closed) return closeAll(sys, line.fds);
    outgoing = line;
    stall = setTimeout(() => end(`did not read for ${stallMs} ms`), stallMs);
    try {
      flush();
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      end(error.message);
    }
  }

  function flush(): void {
    while (outgoing !== null) {
      const { bytes, fds } = outgoing;
      const length = sys.sendmsg(fd, bytes, fds);
      if (length === null) return watch();
      closeAll(sys, fds);
      outgoing = length < bytes.length ? { bytes: bytes.subarray(length), fds: [] } : null;
    }
    clearTimeout(stall);
    busy = false;
    watch();
    next();
  }

  /** Nothing is asked of the socket while a question is worked on; that it hung up is told always. */
  function watch(): void {
    if (!closed) poller.change(fd, outgoing !== null ? POLLOUT : busy ? 0 : POLLIN);
  }

  function close(): void {
    if (closed) return;
    closed = true;
    clearTimeout(stall);
    poller.remove(fd);
    closeAll(sys, [fd, ...outgoing?.fds ?? []]);
    outgoing = null;
    leaving.abort(new DOMException("the client left", "AbortError"));
  }

  function end(reason: string): void {
    if (closed) return;
    close();
    options.ended(reason);
  }

  poller.add(fd, POLLOUT, ready);
  return { [Symbol.dispose]: close };
}
