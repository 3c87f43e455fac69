/**
 * A xenstore client that reads and watches. It has no way to write.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { XS } from "../wire/xenstore/message.ts";
import {
  checkPath,
  decodeDirectoryPart,
  decodePermissions,
  decodeStrings,
  decodeValue,
  encodeStrings,
  type Permission,
  type WatchEvent,
} from "../wire/xenstore/payload.ts";
import {
  type Connection,
  converse,
  nextEvent,
  request,
  XenstoreError,
} from "./store_connection.ts";
import { openTransport } from "./store_transport.ts";

export { XenstoreError } from "./store_connection.ts";

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
  /** Watches a node and all below it, or `@releaseDomain`; an event follows at once. */
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
/** Parts of one directory: 4 KiB each. */
const PART_LIMIT = 4096;

/** Connects. Throws `SourceError` where there is no xenstore or no right. */
export function openStore(options: StoreOptions): Xenstore {
  const { sys, timeoutMs = 5000 } = options;
  const transport = openTransport(sys, options.path ?? null);
  const connection = converse(sys, transport, timeoutMs);
  const watch = async (type: number, path: string, token: string) =>
    void await request(connection, type, 0, path, encodeStrings(checkPath(path), token));
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
