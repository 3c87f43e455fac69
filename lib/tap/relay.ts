/**
 * One tapped connection: passes everything on, checks it first, and remembers what it told.
 *
 * ```text
 *                    ┌────────────── relay ──────────────┐
 *   front-end ◄────► │ link: requests, replies           │ ◄────► back-end
 *                    │   └─ learn ─► state (+ held fds)  │
 *   front-end ◄────► │ link: the back-end's own requests │ ◄────► back-end
 *                    └───────────────────────────────────┘
 * ```
 *
 * The second channel exists once the front-end has passed a socket with SET_BACKEND_REQ_FD: the
 * back-end gets one end of a socket pair in its place.
 *
 * A message that breaks the protocol is not passed on: the connection is closed, and the other side
 * sees no more than a peer that left.
 *
 * @module
 */
import { closeAll } from "../../ffi/fd.ts";
import type { Poller } from "../../ffi/poller.ts";
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError } from "../errors.ts";
import {
  checkMessage,
  decodeMessage,
  type Frame,
  framePayload,
  isReply,
  type Json,
  type Message,
  requestName,
  type Side,
} from "../wire/vhost_user/vhost_user.ts";
import { answers } from "./answers.ts";
import { blocking } from "./blocking.ts";
import { checkFds } from "./check_fds.ts";
import { type ConnectionState, dialectOf, FRESH_CONNECTION, heldFds, learn } from "./connection.ts";
import { type Link, type LinkSide, openLink, type Passing } from "./link.ts";
import { messageRecord } from "./record.ts";

/** What a relay works with. */
export interface RelayOptions {
  readonly sys: Sys;
  readonly poller: Poller;
  readonly stallMs: number;
  readonly connection: number;
  /** The peer that came to us, and the one that we went to. The relay takes both over. */
  readonly fds: readonly [accepted: number, connected: number];
  /** Gets every message as a record, where wanted. */
  readonly record: ((record: Record<string, Json>) => void) | null;
  /** The state is another one. fds that it does not hold any more are closed afterwards. */
  readonly changed: (relay: Relay) => void;
  /** The connection is over. fds of the last state are closed afterwards. */
  readonly ended: (relay: Relay) => void;
}

/** Why a connection ended. */
export interface RelayEnd {
  /** Who left or broke the protocol; null where the tap itself was closed. */
  readonly by: Side | "unknown" | null;
  /** What happened, in a sentence. */
  readonly reason: string;
  /** It broke the protocol. */
  readonly hostile: boolean;
}

/** See the module. */
export interface Relay extends Disposable {
  /** Its number, from 1. */
  readonly connection: number;
  /** What the conversation has told so far. */
  readonly state: ConnectionState;
  /** Which side of `fds` is the front-end; null before the first message. */
  readonly frontEnd: LinkSide | null;
  /** Messages passed on, from the accepted peer and from the other, on the main channel. */
  readonly passed: readonly [number, number];
  /** null while it lasts. */
  readonly end: RelayEnd | null;
  /** Ends it; `ended` is called. */
  close(): void;
}

/** Takes over both sockets and begins to relay. */
export function openRelay(options: RelayOptions): Relay {
  const { sys } = options;
  let state = FRESH_CONNECTION;
  let told = state;
  let frontEnd: LinkSide | null = null;
  let end: RelayEnd | null = null;
  let backEndLink: Link | null = null;
  /** No longer in the state, but others may still have been told of them. */
  const retired: number[] = [];
  const waiting = answers();
  const backEndWaiting = answers();

  function mainFrame(side: LinkSide, frame: Frame): Passing {
    return refusing(frame, () => {
      const message = decode("front-end", roleOf(side, frame), frame);
      waiting.note(message, state.protocolFeatures);
      if (message.name === "SET_BACKEND_REQ_FD" && !message.reply) return interpose(frame);
      return { fds: frame.fds, spent: remember(learn(state, message, frame.fds), frame.fds) };
    });
  }

  /** The front-end is who asks first. Throws ProtocolError for an answer before any question. */
  function roleOf(side: LinkSide, frame: Frame): Side {
    if (frontEnd === null && isReply(frame.header.flags)) throw nobodyAsked(frame);
    frontEnd ??= side;
    return side === frontEnd ? "front-end" : "back-end";
  }

  function backEndFrame(side: LinkSide, frame: Frame): Passing {
    return refusing(frame, () => {
      const message = decode("back-end", side === 0 ? "front-end" : "back-end", frame);
      backEndWaiting.note(message, state.protocolFeatures);
      return { fds: frame.fds, spent: frame.fds };
    });
  }

  /** A refused message takes its fds with it. */
  function refusing(frame: Frame, run: () => Passing): Passing {
    try {
      return run();
    } catch (error) {
      closeAll(sys, frame.fds);
      throw error;
    }
  }

  /** Decodes, records and checks. Throws ProtocolError. */
  function decode(origin: Side, from: Side, frame: Frame): Message {
    const { header, fds } = frame;
    const reply = isReply(header.flags);
    const message = decodeMessage(origin, header, framePayload(frame), dialectOf(state));
    const time = new Date().toISOString();
    const context = { connection: options.connection, from, time };
    options.record?.(messageRecord(sys, context, message, frame));
    if (reply === (from === origin)) throw wrongWay(message, from);
    checkMessage(message, fds.length);
    checkFds(sys, message, fds);
    return message;
  }

  /** Takes the new state; gives the fds of the message that it does not hold. */
  function remember(next: ConnectionState, fds: readonly number[]): readonly number[] {
    if (next === state) return fds;
    const held = new Set(heldFds(next));
    retired.push(...heldFds(state).filter((fd) => !held.has(fd)));
    state = next;
    return fds.filter((fd) => !held.has(fd));
  }

  /** Passes a socket of ours on, and joins its other end with the front-end's. */
  function interpose(frame: Frame): Passing {
    using undo = new DisposableStack();
    const [ours, theirs] = sys.socketpair();
    undo.defer(() => closeAll(sys, [ours, theirs]));
    blocking(sys, theirs);
    undo.move();
    backEndLink?.close();
    const [frontEndSocket, ...extra] = frame.fds;
    backEndLink = openLink(options, [frontEndSocket, ours], {
      frame: backEndFrame,
      end: (side, reason, error) => backEndLinkEnded(side, reason, error),
    });
    return { fds: [theirs, ...extra], spent: [theirs, ...extra] };
  }

  function backEndLinkEnded(side: LinkSide, reason: string, error: ProtocolError | null): void {
    backEndLink = null;
    if (error !== null) finish(side === 0 ? "front-end" : "back-end", reason, true);
  }

  function batch(): void {
    if (told !== state) {
      told = state;
      options.changed(relay);
    }
    closeRetired();
  }

  /** One whose message still waits is sent first: its number may be another file's once closed. */
  function closeRetired(): void {
    const waiting = new Set(link.waiting);
    const all = retired.splice(0);
    retired.push(...all.filter((fd) => waiting.has(fd)));
    closeAll(sys, all.filter((fd) => !waiting.has(fd)));
  }

  function sideName(side: LinkSide): Side | "unknown" {
    if (frontEnd === null) return "unknown";
    return side === frontEnd ? "front-end" : "back-end";
  }

  function finish(by: RelayEnd["by"], reason: string, hostile: boolean): void {
    if (end !== null) return;
    end = { by, reason, hostile };
    link.close();
    backEndLink?.close();
    options.ended(relay);
    closeAll(sys, [...retired.splice(0), ...heldFds(state)]);
    state = { ...state, memory: [], vrings: [], inflight: null };
  }

  const link = openLink(options, options.fds, {
    frame: mainFrame,
    batch,
    end: (side, reason, error) => finish(sideName(side), reason, error !== null),
  });
  const relay: Relay = {
    connection: options.connection,
    get state(): ConnectionState {
      return state;
    },
    get frontEnd(): LinkSide | null {
      return frontEnd;
    },
    get passed(): readonly [number, number] {
      return link.passed;
    },
    get end(): RelayEnd | null {
      return end;
    },
    close: () => finish(null, "the tap was closed", false),
    [Symbol.dispose]: () => finish(null, "the tap was closed", false),
  };
  return relay;
}

function nobodyAsked({ header }: Frame): ProtocolError {
  const got = `an answer to ${requestName("front-end", header.request)}`;
  return new ProtocolError("vhost-user", "first message", "a request", got);
}

function wrongWay({ name, reply }: Message, from: Side): ProtocolError {
  const what = reply ? `answer to ${name}` : name;
  return new ProtocolError("vhost-user", what, "it from the other side", `it from the ${from}`);
}
