/**
 * `tap LISTEN CONNECT`: stands between vhost-user front-ends and back-ends, passes everything on, and
 * publishes what it has learnt, so that `vhost:LISTEN` is a target for every other verb.
 *
 * Either side may be the one that listens: who sends the first request is the front-end. Every peer
 * that comes gets a connection of its own to the far side; when either leaves, both are closed, and
 * whoever reconnects starts anew.
 *
 * @module
 */
import { Poller } from "../../ffi/poller.ts";
import { POLLHUP } from "../../ffi/constants.ts";
import { closeAll } from "../../ffi/fd.ts";
import type { PeerCredentials, Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";
import { absolutePath } from "../source/unix_listener.ts";
import { type Publication, publication } from "../source/published.ts";
import type { Json } from "../wire/vhost_user/vhost_user.ts";
import { connectLater } from "./connector.ts";
import { connectionLayout, emptyLayout, type LayoutContext } from "./layout.ts";
import { openListener } from "./listener.ts";
import { eventRecord } from "./record.ts";
import { openRelay, type Relay, type RelayEnd } from "./relay.ts";

/** What to tap. */
export interface TapOptions {
  readonly sys: Sys;
  /** Path of our socket. */
  readonly listen: string;
  /** Path of the far side's socket. */
  readonly connect: string;
  /** Connections at a time. Default 64. */
  readonly maxConnections?: number;
  /** User ids that may connect, beside root and our own. Default none. */
  readonly allowUids?: readonly number[];
  /** How long the far side may be away when a peer comes. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** In which a message that has begun must end. Default 10000. */
  readonly stallMs?: number;
  /** Gets every message and event as a record. May throw SyscallError, which ends the connection. */
  readonly record?: (record: Record<string, Json>) => void;
  /** Gets one line for each thing that happens, for people. */
  readonly log?: (line: string) => void;
}

/** A running tap. */
export interface Tap extends AsyncDisposable {
  /** Absolute path of our socket. */
  readonly socket: string;
  /** Connections that are open, oldest first. */
  readonly connections: readonly Relay[];
  /** How many peers came, those sent away included. */
  readonly accepted: number;
  /** Ends with the tap; rejects where it can not go on. */
  readonly done: Promise<void>;
  /** Ends every connection and removes the socket. */
  close(): Promise<void>;
}

interface Connection {
  readonly relay: Relay;
  readonly published: Publication;
}

/**
 * Starts. Throws SourceError (`busy`) where the path is taken, and SyscallError. Needs no more than
 * the rights of the user that both peers run as.
 */
export function startTap(options: TapOptions): Tap {
  const { sys, maxConnections = 64, stallMs = 10_000, record = null, log = () => {} } = options;
  using undo = new DisposableStack();
  const poller = new Poller(sys);
  undo.defer(() => void poller.close());
  const open = new Map<number, Connection>();
  const pending = new Map<number, Disposable>();
  const idle = undo.use(publication(sys));
  const peer = absolutePath(sys, options.connect);
  const socket = absolutePath(sys, options.listen);
  let accepted = 0;
  const now = () => new Date().toISOString();

  const listener = undo.use(openListener({
    sys,
    poller,
    path: options.listen,
    allowUids: options.allowUids ?? [],
    room: () => open.size + pending.size < maxConnections,
    accept: (fd, credentials) => begin(fd, credentials),
    refuse: (reason, who) =>
      log(`refused ${who === null ? "a peer" : `pid ${who.pid}`}: ${reason}`),
  }));

  /** The peer is watched while it waits: it may leave before the far side is there. */
  function begin(fd: number, credentials: PeerCredentials): void {
    const connection = ++accepted;
    using undoOne = new DisposableStack();
    const leave = (reason: string) => {
      pending.get(connection)?.[Symbol.dispose]();
      report(connection, "refuse", { reason });
    };
    undoOne.defer(() => closeAll(sys, [fd]));
    undoOne.defer(() => poller.remove(fd));
    poller.add(
      fd,
      0,
      (revents) => revents & POLLHUP && leave("left before the far side was there"),
    );
    const resources = undoOne.move();
    resources.defer(() => pending.delete(connection));
    pending.set(connection, resources);
    const connecting = connectLater({
      sys,
      path: options.connect,
      timeoutMs: options.connectTimeoutMs ?? 5000,
      connected: (far) => {
        pending.delete(connection);
        poller.remove(fd);
        relay(connection, fd, far, credentials);
      },
      failed: leave,
    });
    // It may have failed at once.
    if (!resources.disposed) resources.use(connecting);
  }

  function relay(connection: number, fd: number, far: number, near: PeerCredentials): void {
    const pids = [near.pid, sys.peerCredentials(far).pid] as const;
    const published = publication(sys);
    const started = openRelay({
      sys,
      poller,
      stallMs,
      connection,
      fds: [fd, far],
      record,
      changed: (self) => publish(published, self, pids),
      ended: (self) => ended(self, published),
    });
    open.set(connection, { relay: started, published });
    report(connection, "connect", { pids: [...pids] });
  }

  /** A tap that can not publish still relays. */
  function publish(published: Publication, self: Relay, pids: readonly [number, number]): void {
    const frontEnd = self.frontEnd ?? 0;
    const context: LayoutContext = {
      kind: "tap",
      socket,
      peer,
      connection: self.connection,
      frontEndPid: pids[frontEnd],
      backEndPid: pids[1 - frontEnd],
    };
    told(() => {
      published.replace(connectionLayout(context, self.state));
      idle.close();
    });
  }

  function ended(self: Relay, published: Publication): void {
    open.delete(self.connection);
    if (open.size === 0) publishIdle();
    published.close();
    const { by, reason, hostile } = self.end as RelayEnd;
    const [first, second] = self.passed;
    report(self.connection, "close", { by, reason, hostile, messages: first + second });
  }

  function publishIdle(): void {
    told(() => idle.replace(emptyLayout({ kind: "tap", socket, peer })));
  }

  function told(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      log(`can not publish: ${error.message}`);
    }
  }

  function report(connection: number, event: string, details: { [key: string]: Json }): void {
    told(() => record?.(eventRecord(connection, now(), event, details)));
    const text = Object.entries(details).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
    log(`connection ${connection}: ${event}, ${text.join(", ")}`);
  }

  function closeSync(): void {
    listener[Symbol.dispose]();
    [...pending.values()].forEach((connection) => connection[Symbol.dispose]());
    [...open.values()].forEach((connection) => connection.relay.close());
    idle.close();
  }

  publishIdle();
  const running = poller.run();
  // Whoever does not look at `done` still gets the error from `close`.
  running.catch(closeSync);
  undo.move();
  const close = async () => {
    closeSync();
    await poller.close();
  };
  return {
    socket,
    get connections(): readonly Relay[] {
      return [...open.values()].map((connection) => connection.relay);
    },
    get accepted(): number {
      return accepted;
    },
    done: running,
    close,
    [Symbol.asyncDispose]: close,
  };
}
