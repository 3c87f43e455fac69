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
import { openSys, type PeerCredentials, type Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";
import { absolutePath } from "../source/unix_listener.ts";
import { type Publication, publication } from "../source/published.ts";
import type { Json } from "../wire/vhost_user/vhost_user.ts";
import { connectLater } from "./connector.ts";
import { connectionLayout, emptyLayout, type LayoutContext } from "./layout.ts";
import { openListener } from "./listener.ts";
import { eventRecord } from "./record.ts";
import { openRelay, type Relay, type RelayEnd } from "./relay.ts";
import {
  closeEvent,
  connectEvent,
  isReady,
  problemEvent,
  readyEvent,
  refuseEvent,
  type TapEvent,
} from "./tap_events.ts";

/** What to tap. */
export interface TapOptions {
  /**
   * Default: the real system calls.
   *
   * @internal
   */
  readonly sys?: Sys;
  /** Path of our socket. */
  readonly listen: string;
  /** Path of the far side's socket. */
  readonly connect: string;
  /** Connections at a time. Default 64. */
  readonly maxConnections?: number;
  /** A user who may connect beside root and our own: the socket becomes theirs. Default none. */
  readonly allowUid?: number | null;
  /** How long the far side may be away when a peer comes. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** In which a message that has begun must end. Default 10000. */
  readonly stallMs?: number;
  /** Gets every message and event as a record. A SyscallError (disk full) ends the recording only. */
  readonly record?: (record: Record<string, Json>) => void;
  /** Gets what happens to connections, as it happens. */
  readonly event?: (event: TapEvent) => void;
}

export type { TapEvent };

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

/** Whether two paths lead to one socket, of which nothing need be there yet. */
export function isSameSocket(one: string, other: string, sys: Sys = openSys()): boolean {
  return absolutePath(sys, one) === absolutePath(sys, other);
}

/**
 * Starts. Throws SourceError (`busy`) where the path is taken, and SyscallError. Needs no more than
 * the rights of the user that both peers run as.
 */
export function startTap(options: TapOptions): Tap {
  const { sys = openSys(), maxConnections = 64, stallMs = 10_000 } = options;
  let recorder = options.record ?? null;
  const record = recorder && ((entry: Record<string, Json>) => recorded(entry));
  using undo = new DisposableStack();
  const poller = new Poller(sys);
  undo.defer(() => void poller.close());
  const open = new Map<number, { readonly relay: Relay; readonly slot: number }>();
  const pending = new Map<number, Disposable>();
  const idle = undo.use(publication(sys));
  const peer = absolutePath(sys, options.connect);
  const socket = absolutePath(sys, options.listen);
  let accepted = 0;

  const listener = undo.use(openListener({
    sys,
    poller,
    path: options.listen,
    allowUid: options.allowUid ?? null,
    room: () => open.size + pending.size < maxConnections,
    accept: (fd, credentials) => begin(fd, credentials),
    refuse: (reason, who) => report(refuseEvent(null, reason, who)),
  }));

  /** The peer is watched while it waits: it may leave before the far side is there. */
  function begin(fd: number, credentials: PeerCredentials): void {
    const connection = ++accepted;
    using undoOne = new DisposableStack();
    const leave = (reason: string) => {
      pending.get(connection)?.[Symbol.dispose]();
      report(refuseEvent(connection, reason, credentials));
    };
    undoOne.defer(() => closeAll(sys, [fd]));
    undoOne.defer(() => poller.remove(fd));
    poller.add(fd, 0, (bits) => bits & POLLHUP && leave("it left before the far side was there"));
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
    report(connectEvent(connection, ...pids));
    const slot = freeSlot([...open.values()].map((other) => other.slot));
    const contextOf = (frontEnd: 0 | 1): LayoutContext => ({
      ...{ kind: "tap", socket, peer, connection, slot },
      frontEndPid: pids[frontEnd],
      backEndPid: pids[1 - frontEnd],
    });
    let ready = false;
    const started = openRelay({
      sys,
      poller,
      stallMs,
      connection,
      fds: [fd, far],
      record,
      changed: (self) => {
        const context = contextOf(self.frontEnd ?? 0);
        // A tap that can not publish still relays.
        told(connection, () => published.replace(connectionLayout(context, self.state)));
        if (isReady(self.state) && !ready) report(readyEvent(context, self.state));
        ready = isReady(self.state);
      },
      ended: (self) => ended(self, published),
    });
    open.set(connection, { relay: started, slot });
  }

  function ended(self: Relay, published: Publication): void {
    open.delete(self.connection);
    published.close();
    const [first, second] = self.passed;
    report(closeEvent(self.connection, self.end as RelayEnd, first + second));
  }

  /** What fails here is no reason to end anybody's connection. */
  function told(connection: number | null, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      options.event?.(problemEvent(connection, error.message));
    }
  }

  function report(event: TapEvent): void {
    const time = new Date().toISOString();
    const { connection, kind, details } = event;
    record?.(eventRecord(connection, time, kind, details));
    options.event?.(event);
  }

  function recorded(entry: Record<string, Json>): void {
    try {
      recorder?.(entry);
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      recorder = null;
      options.event?.(problemEvent(null, `recording stopped: ${error.message}`));
    }
  }

  function closeSync(): void {
    listener[Symbol.dispose]();
    [...pending.values()].forEach((connection) => connection[Symbol.dispose]());
    [...open.values()].forEach((connection) => connection.relay.close());
    idle.close();
  }

  // There for life: what is published per connection comes and goes.
  told(null, () => idle.replace(emptyLayout({ kind: "tap", socket, peer })));
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

/** The lowest number that is not taken: who reconnects gets its device's name again. */
function freeSlot(taken: readonly number[]): number {
  let slot = 0;
  while (taken.includes(slot)) slot++;
  return slot;
}
