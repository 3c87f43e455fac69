/**
 * What stands in xenstore payloads: strings that end in NUL, permissions, watch events.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import { PATH_LIMIT } from "./message.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Strings as a payload, each with its NUL. Throws TypeError for a string that holds one. */
export function encodeStrings(...strings: readonly string[]): Uint8Array<ArrayBuffer> {
  const bad = strings.find((text) => text.includes("\0"));
  if (bad !== undefined) throw new TypeError(`NUL in ${JSON.stringify(bad)}`);
  return encoder.encode(strings.map((text) => text + "\0").join(""));
}

/** A payload as strings: what stands before each NUL. Bytes after the last NUL count as one more. */
export function decodeStrings(payload: Uint8Array): string[] {
  const parts = decoder.decode(payload).split("\0");
  return parts[parts.length - 1] === "" ? parts.slice(0, -1) : parts;
}

/** A value, which has no NUL at its end. Not UTF-8 becomes U+FFFD: guests write what they like. */
export function decodeValue(payload: Uint8Array): string {
  return decoder.decode(payload);
}

/**
 * Checks an absolute path: alphanumerics and `-/_@`, no empty part, at most 3072 bytes. Throws
 * SyntaxError.
 */
export function checkPath(path: string): string {
  const ok = path === "/" || /^(\/[A-Za-z0-9_@:-]+)+$/.test(path) || /^@[A-Za-z]+$/.test(path);
  if (!ok || path.length > PATH_LIMIT) {
    throw new SyntaxError(`not a xenstore path: ${JSON.stringify(path.slice(0, 100))}`);
  }
  return path;
}

/** One entry of a node's permissions. The first is the owner's, and the default for all others. */
export interface Permission {
  readonly domain: number;
  readonly access: "none" | "read" | "write" | "both";
}

const ACCESS: { readonly [letter: string]: Permission["access"] } = {
  n: "none",
  r: "read",
  w: "write",
  b: "both",
};

/** Permissions of a GET_PERMS reply. Throws `ProtocolError` for a form that is none. */
export function decodePermissions(payload: Uint8Array): Permission[] {
  return decodeStrings(payload).map((text) => {
    const match = /^([nrwb])(\d+)$/.exec(text);
    if (!match) {
      throw new ProtocolError("xenstore", "GET_PERMS reply", "a letter and a domid", text);
    }
    return { access: ACCESS[match[1]], domain: Number(match[2]) };
  });
}

/** A node changed. */
export interface WatchEvent {
  /** The node that changed: the watched one or one below it. */
  readonly path: string;
  /** As it was given with the watch. */
  readonly token: string;
}

/** A WATCH_EVENT. Throws `ProtocolError` for fewer than two strings. */
export function decodeWatchEvent(payload: Uint8Array): WatchEvent {
  const [path, token] = decodeStrings(payload);
  if (path === undefined || token === undefined) {
    const got = `${payload.length} bytes`;
    throw new ProtocolError("xenstore", "WATCH_EVENT", "path and token", got);
  }
  return { path, token };
}

/** One part of a large directory (DIRECTORY_PART). */
export interface DirectoryPart {
  /** Changes when the node's children change: then the parts do not belong together. */
  readonly generation: string;
  /** Raw bytes of the list from the asked offset on. */
  readonly bytes: Uint8Array;
  /** No bytes follow. */
  readonly last: boolean;
}

/** A DIRECTORY_PART reply: the generation, then a piece of the list; an empty string ends it. */
export function decodeDirectoryPart(payload: Uint8Array): DirectoryPart {
  const end = payload.indexOf(0);
  if (end < 0) {
    const got = `${payload.length} bytes without NUL`;
    throw new ProtocolError("xenstore", "DIRECTORY_PART reply", "a generation count", got);
  }
  const rest = payload.subarray(end + 1);
  const last = rest.length === 0 || rest[rest.length - 1] === 0 &&
      (rest.length === 1 || rest[rest.length - 2] === 0);
  const bytes = last && rest.length > 0 ? rest.subarray(0, rest.length - 1) : rest;
  return { generation: decoder.decode(payload.subarray(0, end)), bytes, last };
}
