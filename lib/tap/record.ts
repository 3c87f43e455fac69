/**
 * A conversation as NDJSON: one object a line, `"schema": "guestmem/tap/1"`. Messages carry their
 * bytes, so that a recording can be decoded again by a later version.
 *
 * @module
 */
import { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY, S_IFMT } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";
import { parseEventfd } from "../kick/take_eventfd.ts";
import {
  type Frame,
  hexBytes,
  type Json,
  type Message,
  messageJson,
  type Side,
} from "../wire/vhost_user/vhost_user.ts";

/** Value of `schema` in every record. */
export const RECORD_SCHEMA = "guestmem/tap/1";

/** Where a message was seen. */
export interface RecordContext {
  readonly connection: number;
  /** Who sent it. */
  readonly from: Side;
  /** ISO 8601. */
  readonly time: string;
}

/** A message as one record. */
export function messageRecord(
  sys: Pick<Sys, "readlink" | "fstat" | "readText">,
  context: RecordContext,
  message: Message,
  frame: Frame,
): Record<string, Json> {
  return {
    schema: RECORD_SCHEMA,
    ...context,
    ...messageJson(message),
    fds: frame.fds.map((fd) => describeFd(sys, fd)),
    bytes: hexBytes(frame.bytes),
  };
}

/** Something that happened to a connection: `connect`, `close`, with its details. */
export function eventRecord(
  connection: number | null,
  time: string,
  event: string,
  details: { readonly [key: string]: Json },
): Record<string, Json> {
  return { schema: RECORD_SCHEMA, connection, time, event, ...details };
}

/** What an fd is: its link, inode and size; for an eventfd the id that all its holders share. */
function describeFd(sys: Pick<Sys, "readlink" | "fstat" | "readText">, fd: number): Json {
  try {
    const link = sys.readlink(`/proc/self/fd/${fd}`);
    const { inode, size, mode } = sys.fstat(fd);
    if ((mode & S_IFMT) !== 0) return { link, inode, size };
    const eventfd = parseEventfd(sys.readText(`/proc/self/fdinfo/${fd}`))?.id ?? null;
    return { link, eventfd };
  } catch (error) {
    if (isSyscallFailure(error)) return { error: error.message };
    throw error;
  }
}

/** A file that records are appended to. */
export interface RecordFile extends Disposable {
  write(record: Record<string, Json>): void;
}

/**
 * Opens a recording for appending, with mode 0600: a conversation names memory. Throws SyscallError;
 * so does `write` when the disk is full.
 */
export function recordFile(
  path: string,
  sys: Pick<Sys, "open" | "write" | "close"> = openSys(),
): RecordFile {
  const fd = new Fd(sys, sys.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600));
  const encoder = new TextEncoder();
  return {
    write(record) {
      let rest: Uint8Array = encoder.encode(JSON.stringify(record) + "\n");
      while (rest.length > 0) rest = rest.subarray(sys.write(fd.number, rest));
    },
    [Symbol.dispose]: () => fd.close(),
  };
}
