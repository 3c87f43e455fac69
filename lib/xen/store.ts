/**
 * A xenstore client that reads and watches. It has no way to write.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError, SourceError } from "../errors.ts";
import { encodeMessage, messageName, messageReader, XS } from "../wire/xenstore/message.ts";
import type { XenstoreMessage } from "../wire/xenstore/message.ts";
import {
  checkPath,
  decodeDirectoryPart,
  decodePermissions,
  decodeStrings,
  decodeValue,
  decodeWatchEvent,
  encodeStrings,
  type Permission,
  type WatchEvent,
} from "../wire/xenstore/payload.ts";
import { awaitTransport, openTransport, type StoreTransport } from "./store_transport.ts";

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

/** Requests inside or outside a transaction. A node that is not there is null. */
export interface StoreReader {
  read(path: string): Promise<string | null>;
  /** Names of a node's children. */
  list(path: string): Promise<string[] | null>;
  permissions(path: string): Promise<Permission[] | null>;
}

/** A connection. Disposing ends its watches and transactions. */
export interface Xenstore extends StoreReader, Disposable {
  /** Socket or device. */
  readonly name: string;
  /** `/local/domain/5` for 5. */
  domainPath(domain: number): Promise<string>;
  /** Watches a node and all below it; an event follows at once. */
  watch(path: string, token: string): Promise<void>;
  unwatch(path: string, token: string): Promise<void>;
  /** Next event, or null after `timeoutMs`. */
  nextEvent(timeoutMs: number): Promise<WatchEvent | null>;
  /**
   * Runs reads that belong together. Where the store changed underneath, `run` is called again, at
   * most ten times.
   */
  transaction<T>(run: (reader: StoreReader) => Promise<T>): Promise<T>;
}

/** How a connection is opened. */
export interface StoreOptions {
  readonly sys: Sys;
  /** A socket or device instead of those that are searched. */
  readonly path?: string;
  /** How long a silent xenstored is waited for. Default 5000. */
  readonly timeoutMs?: number;
}

const TRANSACTION_TRIES = 10;
/** Events kept that nobody has asked for yet. */
const EVENT_LIMIT = 10_000;
/** Parts of one directory: 4 KiB each. */
const PART_LIMIT = 4096;

interface Connection {
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

/** Connects. Throws `SourceError` where there is no xenstore or no right. */
export function openStore(options: StoreOptions): Xenstore {
  const { sys, timeoutMs = 5000 } = options;
  const transport = openTransport(sys, options.path ?? null);
  const state = {
    reader: messageReader(),
    replies: [],
    events: [],
    requestId: 0,
    turn: Promise.resolve(),
  };
  const connection: Connection = { sys, transport, timeoutMs, ...state };
  const watch = async (type: number, path: string, token: string) =>
    void await request(connection, type, 0, path, encodeStrings(watchable(path), token));
  return {
    name: transport.name,
    ...storeReader(connection, 0),
    domainPath: (domain) => domainPath(connection, domain),
    watch: (path, token) => watch(XS.WATCH, path, token),
    unwatch: (path, token) => watch(XS.UNWATCH, path, token),
    nextEvent: (limit) => nextEvent(connection, limit),
    transaction: (run) => transaction(connection, run),
    [Symbol.dispose]: () => transport[Symbol.dispose](),
  };
}

/** Watches may also be set on `@introduceDomain` and `@releaseDomain`. */
function watchable(path: string): string {
  return checkPath(path);
}

function storeReader(connection: Connection, id: number): StoreReader {
  const ask = (type: number, path: string) =>
    orNull(request(connection, type, id, path, encodeStrings(checkPath(path))));
  return {
    read: async (path) => map(await ask(XS.READ, path), decodeValue),
    list: (path) => list(connection, id, path),
    permissions: async (path) => map(await ask(XS.GET_PERMS, path), decodePermissions),
  };
}

function map<T>(payload: Uint8Array | null, decode: (payload: Uint8Array) => T): T | null {
  return payload === null ? null : decode(payload);
}

/** A node that is not there is no error to a reader. */
async function orNull(reply: Promise<Uint8Array>): Promise<Uint8Array | null> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof XenstoreError && error.errno === "ENOENT") return null;
    throw error;
  }
}

async function list(connection: Connection, id: number, path: string): Promise<string[] | null> {
  const payload = encodeStrings(checkPath(path));
  try {
    return map(await orNull(request(connection, XS.DIRECTORY, id, path, payload)), decodeStrings);
  } catch (error) {
    // Children that do not fit into one reply come in parts.
    if (!(error instanceof XenstoreError && error.errno === "E2BIG")) throw error;
    return await listInParts(connection, id, path);
  }
}

async function listInParts(connection: Connection, id: number, path: string): Promise<string[]> {
  const bytes: number[] = [];
  let generation: string | null = null;
  for (let parts = 0; parts < PART_LIMIT; parts++) {
    const payload = encodeStrings(path, `${bytes.length}`);
    const part = decodeDirectoryPart(
      await request(connection, XS.DIRECTORY_PART, id, path, payload),
    );
    if (generation !== null && part.generation !== generation) bytes.length = 0; // start again
    else bytes.push(...part.bytes);
    generation = part.generation;
    if (part.last && bytes.length > 0) return decodeStrings(Uint8Array.from(bytes));
  }
  throw new XenstoreError("DIRECTORY_PART", path, "E2BIG");
}

async function domainPath(connection: Connection, domain: number): Promise<string> {
  const payload = encodeStrings(`${domain}`);
  const reply = await request(connection, XS.GET_DOMAIN_PATH, 0, `domain ${domain}`, payload);
  return decodeStrings(reply)[0] ?? "";
}

async function transaction<T>(
  connection: Connection,
  run: (reader: StoreReader) => Promise<T>,
): Promise<T> {
  for (let tries = 1;; tries++) {
    const start = await request(connection, XS.TRANSACTION_START, 0, "/", encodeStrings(""));
    const id = Number(decodeStrings(start)[0]);
    let result: T;
    try {
      result = await run(storeReader(connection, id));
    } catch (error) {
      await end(connection, id, "F");
      throw error;
    }
    if (await end(connection, id, "T")) return result;
    if (tries === TRANSACTION_TRIES) throw new XenstoreError("TRANSACTION_END", "/", "EAGAIN");
  }
}

/** False where the store changed underneath (EAGAIN). */
async function end(connection: Connection, id: number, verdict: "T" | "F"): Promise<boolean> {
  try {
    await request(connection, XS.TRANSACTION_END, id, "/", encodeStrings(verdict));
    return true;
  } catch (error) {
    if (error instanceof XenstoreError && error.errno === "EAGAIN") return false;
    throw error;
  }
}

async function request(
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

async function nextEvent(connection: Connection, timeoutMs: number): Promise<WatchEvent | null> {
  const deadline = performance.now() + timeoutMs;
  while (connection.events.length === 0) {
    if (receive(connection)) continue;
    const left = Math.max(0, Math.ceil(deadline - performance.now()));
    if (left === 0) return null;
    await awaitTransport(connection.sys, connection.transport, false, left);
  }
  return connection.events.shift()!;
}
