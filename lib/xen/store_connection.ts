/**
 * One conversation with xenstored: requests and their replies, with watch events between them.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError, SourceError } from "../errors.ts";
import { encodeMessage, messageName, messageReader, XS } from "../wire/xenstore/message.ts";
import type { XenstoreMessage } from "../wire/xenstore/message.ts";
import { decodeStrings, decodeWatchEvent, type WatchEvent } from "../wire/xenstore/payload.ts";
import { awaitTransport, type StoreTransport } from "./store_transport.ts";

/** xenstored said no. */
export class XenstoreError extends Error {
  override readonly name = "XenstoreError";
  constructor(
    /** `READ`, `DIRECTORY` … */
    readonly operation: string,
    readonly path: string,
    /** errno as xenstored names it: `EACCES`, `EQUOTA`, `ENOSPC`. */
    readonly errno: string,
  ) {
    super(`xenstore ${operation} ${path}: ${errno}${remedyOf(errno)}`);
  }
}

const REMEDIES: { readonly [errno: string]: string } = {
  EACCES: "not readable for this domain; run in dom0",
  EQUOTA: "this connection's quota is used up (watches, transactions or requests)",
  ENOSPC: "this connection's quota is used up (watches, transactions or requests)",
  EBUSY: "too many transactions at once",
};

function remedyOf(errno: string): string {
  return errno in REMEDIES ? `; ${REMEDIES[errno]}` : "";
}

/** Events kept that nobody has asked for yet. */
const EVENT_LIMIT = 10_000;
/** Its state. */
export interface Connection {
  readonly sys: Sys;
  readonly transport: StoreTransport;
  readonly timeoutMs: number;
  readonly reader: ReturnType<typeof messageReader>;
  readonly replies: XenstoreMessage[];
  readonly events: WatchEvent[];
  requestId: number;
  /** Ends with the last request that was begun: one is under way at a time. */
  turn: Promise<void>;
}

/** A conversation over a transport, which stays the caller's. */
export function converse(sys: Sys, transport: StoreTransport, timeoutMs: number): Connection {
  const state = { reader: messageReader(), replies: [], events: [], requestId: 0 };
  return { sys, transport, timeoutMs, ...state, turn: Promise.resolve() };
}

/**
 * Sends one request and gives the payload of its reply; one is under way at a time. Throws
 * `XenstoreError` for a refusal, `SourceError` for a store that is silent or gone, `ProtocolError`.
 */
export async function request(
  connection: Connection,
  type: number,
  transaction: number,
  path: string,
  payload: Uint8Array,
): Promise<Uint8Array> {
  const before = connection.turn;
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.turn = promise;
  await before;
  try {
    return await exchange(connection, type, transaction, path, payload);
  } finally {
    resolve();
  }
}

async function exchange(
  connection: Connection,
  type: number,
  transaction: number,
  path: string,
  payload: Uint8Array,
): Promise<Uint8Array> {
  const requestId = connection.requestId = (connection.requestId + 1) >>> 0;
  await send(connection, encodeMessage({ type, requestId, transaction, payload }));
  const reply = await replyTo(connection, requestId, type);
  if (reply.type === XS.ERROR) {
    throw new XenstoreError(messageName(type), path, decodeStrings(reply.payload)[0] ?? "EINVAL");
  }
  if (reply.type !== type) {
    throw new ProtocolError(
      "xenstore",
      `reply to request ${requestId}`,
      messageName(type),
      messageName(reply.type),
    );
  }
  return reply.payload;
}

async function send(connection: Connection, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) {
    const sent = connection.transport.send(rest);
    if (sent === null) await ready(connection, true, connection.timeoutMs, "to take a request");
    else rest = rest.subarray(sent);
  }
}

async function replyTo(
  connection: Connection,
  requestId: number,
  type: number,
): Promise<XenstoreMessage> {
  while (true) {
    const index = connection.replies.findIndex((reply) => reply.requestId === requestId);
    if (index >= 0) return connection.replies.splice(index, 1)[0];
    const what = `to answer ${messageName(type)}`;
    if (!receive(connection)) await ready(connection, false, connection.timeoutMs, what);
  }
}

/** Takes what has arrived; false where nothing did. */
function receive(connection: Connection): boolean {
  const bytes = connection.transport.receive();
  if (bytes === null) return false;
  if (bytes.length === 0) throw failure(connection, "closed the connection");
  for (const message of connection.reader.push(bytes)) {
    if (message.type !== XS.WATCH_EVENT) connection.replies.push(message);
    else if (connection.events.length < EVENT_LIMIT) {
      connection.events.push(decodeWatchEvent(message.payload));
    }
  }
  return true;
}

async function ready(
  connection: Connection,
  write: boolean,
  timeoutMs: number,
  what: string,
): Promise<void> {
  if (await awaitTransport(connection.sys, connection.transport, write, timeoutMs)) return;
  throw failure(connection, `is silent: waited ${timeoutMs} ms for it ${what}`);
}

function failure(connection: Connection, text: string): SourceError {
  const remedy = "see whether xenstored is alive (its log, or xenstore-ls)";
  return new SourceError(
    "xen",
    "xenstore",
    "failed",
    `${connection.transport.name} ${text}`,
    remedy,
  );
}

/** Next watch event, or null after `timeoutMs`. */
export async function nextEvent(
  connection: Connection,
  timeoutMs: number,
): Promise<WatchEvent | null> {
  const deadline = performance.now() + timeoutMs;
  while (connection.events.length === 0) {
    if (receive(connection)) continue;
    const left = Math.max(0, Math.ceil(deadline - performance.now()));
    if (left === 0) return null;
    await awaitTransport(connection.sys, connection.transport, false, left);
  }
  return connection.events.shift()!;
}
