/**
 * A vhost-user peer for tests: sends and receives messages with fds over a raw socket, and nothing
 * by itself.
 *
 * @module
 */
import { POLLIN, POLLOUT } from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import {
  decodeMessage,
  encodeMessage,
  type Frame,
  framePayload,
  frameReader,
  LIMIT,
  type Message,
  type Side,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys } from "./host.ts";

/** A message that arrived, and its fds, which are the test's. */
export interface Arrival {
  readonly message: Message;
  readonly frame: Frame;
  readonly fds: readonly number[];
}

/** One end of a conversation. */
export interface Peer extends Disposable {
  readonly fd: number;
  /** Sends a message in one piece. */
  send(message: Message, fds?: readonly number[]): Promise<void>;
  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array, fds?: readonly number[]): Promise<void>;
  /** The next message; null when the other side has closed. Throws after two seconds. */
  receive(timeoutMs?: number): Promise<Arrival | null>;
  /** Sends and gives the next message that arrives. */
  ask(message: Message, fds?: readonly number[]): Promise<Arrival>;
  /** Until the other side closes; what arrives before is dropped. */
  gone(): Promise<void>;
  close(): void;
}

/** Takes a socket over. `origin` is whose requests the channel carries. */
export function peer(number: number, origin: Side = "front-end"): Peer {
  const socket = new Fd(sys, number);
  const reader = frameReader();
  const wait = async (events: number, timeoutMs: number) => {
    const [revents] = await sys.poll([{ fd: socket.number, events }], timeoutMs);
    if (revents === 0) throw new Error(`nothing for ${timeoutMs} ms on fd ${socket.number}`);
  };
  const sendBytes = async (bytes: Uint8Array, fds: readonly number[] = []) => {
    for (let at = 0; at < bytes.length;) {
      const sent = sys.sendmsg(socket.number, bytes.subarray(at), at === 0 ? fds : []);
      if (sent === null) await wait(POLLOUT, 5000);
      else at += sent;
    }
  };
  const receive = async (timeoutMs = 2000): Promise<Arrival | null> => {
    while (true) {
      const buffer = new Uint8Array(reader.wanted);
      const got = sys.recvmsg(socket.number, buffer, LIMIT.fds);
      if (got === null) {
        await wait(POLLIN, timeoutMs);
        continue;
      }
      if (got.length === 0) return null;
      const frame = reader.push(buffer.subarray(0, got.length), got.fds);
      if (frame === null) continue;
      const message = decodeMessage(origin, frame.header, framePayload(frame));
      return { message, frame, fds: frame.fds };
    }
  };
  const close = () => {
    closeAll(sys, reader.take());
    socket.close();
  };
  return {
    get fd() {
      return socket.number;
    },
    send: (message, fds) => sendBytes(encodeMessage(message), fds),
    sendBytes,
    receive,
    async ask(message, fds) {
      await sendBytes(encodeMessage(message), fds);
      const arrival = await receive();
      if (arrival === null) throw new Error(`closed after ${message.name}`);
      return arrival;
    },
    async gone() {
      try {
        for (let arrival = await receive(); arrival !== null; arrival = await receive()) {
          closeAll(sys, arrival.fds);
        }
      } catch (error) {
        // What was not read is lost when the other side closes.
        if (!(error instanceof Error && error.message.includes("ECONNRESET"))) throw error;
      }
    },
    close,
    [Symbol.dispose]: close,
  };
}

/** A listening socket of a test, whose connections are peers. */
export interface PeerListener extends Disposable {
  readonly path: string;
  accept(timeoutMs?: number): Promise<Peer>;
}

/** Listens at a path. */
export function peerListener(path: string): PeerListener {
  const socket = new Fd(sys, sys.listenUnix(path, 16));
  return {
    path,
    async accept(timeoutMs = 2000) {
      while (true) {
        const fd = sys.accept(socket.number);
        if (fd !== null) return peer(fd);
        const [revents] = await sys.poll([{ fd: socket.number, events: POLLIN }], timeoutMs);
        if (revents === 0) throw new Error(`nobody connected to ${path}`);
      }
    },
    [Symbol.dispose]: () => {
      socket.close();
      sys.unlink(path);
    },
  };
}

/** Connects to a path. */
export function connectPeer(path: string): Peer {
  return peer(sys.connectUnix(path));
}
