/**
 * A vhost-user back-end that consumes nothing: it negotiates, takes memory and rings, and lets them
 * be looked at. Requests that a driver puts into its rings stay there for ever, unless a device is
 * put behind it: see `lib/vhost_user/backend.ts`.
 *
 * @module
 */
import { closeAll } from "../../ffi/fd.ts";
import { Poller } from "../../ffi/poller.ts";
import { openSys, type PeerCredentials, type Sys } from "../../ffi/sys.ts";
import { ProtocolError } from "../errors.ts";
import { hasXen } from "../source/has_xen.ts";
import { absolutePath } from "../source/unix_listener.ts";
import {
  checkMessage,
  decodeMessage,
  encodeMessage,
  type Frame,
  framePayload,
  type Message,
} from "../wire/vhost_user/vhost_user.ts";
import { checkFds } from "./check_fds.ts";
import { type ConnectionState, dialectOf, FRESH_CONNECTION, heldFds, learn } from "./connection.ts";
import { connectionLayout, type LayoutJson } from "./layout.ts";
import { openListener } from "./listener.ts";
import { openPort, type Port } from "./port.ts";
import { SINK_PROTOCOL_FEATURES, SINK_XEN_FEATURES, sinkAnswer } from "./sink_answers.ts";

/** What answers and serves in the place of a sink's nothing. */
export interface SinkDevice {
  /** The answer to a request, after the state has taken it in; null where none is due. */
  answer(message: Message, state: ConnectionState): Message | null;
  /**
   * Called with each new state before its answer is sent and before fds of the old one are closed:
   * FRESH_CONNECTION when the front-end has left. Throws ProtocolError or SyscallError to end the
   * connection.
   */
  settle(state: ConnectionState): void;
}

/** Where to serve. */
export interface SinkOptions {
  /**
   * Default: the real system calls.
   *
   * @internal
   */
  readonly sys?: Sys;
  /** Path of the socket to make. */
  readonly listen: string;
  /** A user who may connect beside root and our own: the socket becomes theirs. Default none. */
  readonly allowUid?: number | null;
  /** In which a message that has begun must end. Default 10000. */
  readonly stallMs?: number;
  /**
   * Default: one that offers everything and does nothing. It shares the sink's poller. A device of
   * your own is served by `serveVhostUser`.
   *
   * @internal
   */
  readonly device?: (poller: Poller) => SinkDevice;
  /** Called after each change of the state, and when the front-end comes or leaves. */
  readonly changed?: (sink: Sink) => void;
  /** Gets one line for each thing that happens. */
  readonly log?: (line: string) => void;
}

/** A running sink: one front-end at a time. */
export interface Sink extends AsyncDisposable {
  /** Absolute path of the socket. */
  readonly socket: string;
  /** What the front-end has told; fds are those of this process. FRESH_CONNECTION without one. */
  readonly state: ConnectionState;
  /** pid of the front-end, or null where none is connected. */
  readonly frontEnd: number | null;
  /** The state as a layout with our fd numbers. */
  layout(): LayoutJson;
  /** Rejects where the sink can not go on. */
  readonly done: Promise<void>;
  /** Closes everything and removes the socket. */
  close(): Promise<void>;
}

/** What a sink offers beside rings: a Xen domain's memory, where this machine can map it. */
function nothing(sys: Sys): SinkDevice {
  const features = SINK_PROTOCOL_FEATURES | (hasXen(sys) ? SINK_XEN_FEATURES : 0n);
  return { answer: (message, state) => sinkAnswer(message, state, features), settle: () => {} };
}

interface Session {
  readonly port: Port;
  readonly peer: PeerCredentials;
  state: ConnectionState;
}

/** Starts to serve. Throws SourceError (`busy`) where the path is taken, and SyscallError. */
export function startSink(options: SinkOptions): Sink {
  const { sys = openSys(), stallMs = 10_000, log = () => {}, changed = () => {} } = options;
  using undo = new DisposableStack();
  const poller = new Poller(sys);
  undo.defer(() => void poller.close());
  const device = options.device?.(poller) ?? nothing(sys);
  const socket = absolutePath(sys, options.listen);
  let session: Session | null = null;
  let sessions = 0;

  const listener = undo.use(openListener({
    sys,
    poller,
    path: options.listen,
    allowUid: options.allowUid ?? null,
    room: () => session === null,
    accept: begin,
    refuse: (reason, peer) =>
      log(`refused ${peer === null ? "a peer" : `pid ${peer.pid}`}: ${reason}`),
  }));

  function begin(fd: number, peer: PeerCredentials): void {
    sessions++;
    const port = openPort({ sys, poller, stallMs }, fd, {
      frame: (frame) => serve(own, frame),
      drained: () => port.resume(),
      batch: () => changed(sink),
      end: (reason) => finish(own, reason),
    });
    const own: Session = { port, peer, state: FRESH_CONNECTION };
    session = own;
    log(`front-end ${peer.pid} connected`);
    port.start();
  }

  /** Takes a message in and answers it. Throws ProtocolError; the frame's fds are closed then. */
  function serve(own: Session, frame: Frame): void {
    const kept = new Set<number>();
    try {
      const message = decodeMessage(
        "front-end",
        frame.header,
        framePayload(frame),
        dialectOf(own.state),
      );
      if (message.reply) {
        throw new ProtocolError("vhost-user", message.name, "a request", "an answer");
      }
      checkMessage(message, frame.fds.length);
      checkFds(sys, message, frame.fds);
      const next = learn(own.state, message, frame.fds);
      const answer = device.answer(message, next);
      // What stops a ring is our own answer.
      const last = answer === null ? next : learn(next, answer, []);
      device.settle(last);
      heldFds(last).forEach((fd) => kept.add(fd));
      closeAll(sys, heldFds(own.state).filter((fd) => !kept.has(fd)));
      own.state = last;
      if (answer !== null) own.port.send(encodeMessage(answer), [], []);
      if (own.port.busy) own.port.pause();
    } finally {
      closeAll(sys, frame.fds.filter((fd) => !kept.has(fd)));
    }
  }

  function finish(own: Session, reason: string): void {
    own.port.close();
    device.settle(FRESH_CONNECTION);
    closeAll(sys, heldFds(own.state));
    own.state = FRESH_CONNECTION;
    if (session === own) session = null;
    log(`front-end ${own.peer.pid}: ${reason}`);
    changed(sink);
  }

  const close = async () => {
    listener[Symbol.dispose]();
    if (session !== null) finish(session, "the sink was closed");
    await poller.close();
  };
  const sink: Sink = {
    socket,
    get state(): ConnectionState {
      return session?.state ?? FRESH_CONNECTION;
    },
    get frontEnd(): number | null {
      return session?.peer.pid ?? null;
    },
    layout() {
      const pids = { frontEndPid: session?.peer.pid ?? null, backEndPid: sys.pid };
      const context = {
        kind: "sink",
        socket,
        peer: null,
        connection: Math.max(1, sessions),
        slot: 0,
      } as const;
      return connectionLayout({ ...context, ...pids }, sink.state);
    },
    done: poller.run(),
    close,
    [Symbol.asyncDispose]: close,
  };
  undo.move();
  // Who does not look at `done` sees a front-end that leaves.
  sink.done.catch(() => listener[Symbol.dispose]());
  return sink;
}
