/**
 * xenstore messages: bytes in, messages out. Source: Xen's public `io/xs_wire.h` and
 * `docs/misc/xenstore.txt`.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";

/** Message types that are sent or understood here (enum xsd_sockmsg_type). */
export const XS = {
  DIRECTORY: 1,
  READ: 2,
  GET_PERMS: 3,
  WATCH: 4,
  UNWATCH: 5,
  TRANSACTION_START: 6,
  TRANSACTION_END: 7,
  GET_DOMAIN_PATH: 10,
  WATCH_EVENT: 15,
  ERROR: 16,
  IS_DOMAIN_INTRODUCED: 17,
  DIRECTORY_PART: 22,
} as const;

const NAMES: { readonly [type: number]: string } = {
  0: "CONTROL",
  8: "INTRODUCE",
  9: "RELEASE",
  11: "WRITE",
  12: "MKDIR",
  13: "RM",
  14: "SET_PERMS",
  18: "RESUME",
  19: "SET_TARGET",
  21: "RESET_WATCHES",
  23: "GET_FEATURE",
  24: "SET_FEATURE",
  25: "GET_QUOTA",
  26: "SET_QUOTA",
  ...Object.fromEntries(Object.entries(XS).map(([name, type]) => [type, name])),
};

/** `READ` for 2; `unknown(44)` for a type without a name. */
export function messageName(type: number): string {
  return NAMES[type] ?? `unknown(${type})`;
}

/** Bytes of struct xsd_sockmsg: type, req_id, tx_id, len, each u32. */
export const HEADER_SIZE = 16;

/** XENSTORE_PAYLOAD_MAX: a longer payload ends the connection. */
export const PAYLOAD_LIMIT = 4096;

/** XENSTORE_ABS_PATH_MAX. */
export const PATH_LIMIT = 3072;

/** One message without its header's length. */
export interface XenstoreMessage {
  readonly type: number;
  /** Copied into the reply; 0 in watch events. */
  readonly requestId: number;
  /** 0 outside a transaction. */
  readonly transaction: number;
  readonly payload: Uint8Array;
}

/** Bytes of a message. Throws RangeError for a payload over 4096 bytes. */
export function encodeMessage(message: XenstoreMessage): Uint8Array<ArrayBuffer> {
  const { length } = message.payload;
  if (length > PAYLOAD_LIMIT) throw new RangeError(`xenstore payload of ${length} bytes`);
  const bytes = new Uint8Array(HEADER_SIZE + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, message.type, true);
  view.setUint32(4, message.requestId, true);
  view.setUint32(8, message.transaction, true);
  view.setUint32(12, length, true);
  bytes.set(message.payload, HEADER_SIZE);
  return bytes;
}

/** Takes a stream apart. */
export interface MessageReader {
  /**
   * Messages that are complete with these bytes. Throws `ProtocolError` for a length over the limit:
   * the stream can not be followed any further.
   */
  push(bytes: Uint8Array): XenstoreMessage[];
}

/** A reader that keeps the start of a message until its end arrives. */
export function messageReader(): MessageReader {
  let pending = new Uint8Array(0);
  let offset = 0;
  return {
    push(bytes) {
      pending = joined(pending, bytes);
      const messages: XenstoreMessage[] = [];
      for (let length; (length = completeLength(pending, offset)) !== null;) {
        messages.push(decode(pending.subarray(0, length)));
        pending = pending.slice(length);
        offset += length;
      }
      return messages;
    },
  };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** Bytes of the first message with its header; null where it is not all there. */
function completeLength(bytes: Uint8Array, offset: number): number | null {
  if (bytes.length < HEADER_SIZE) return null;
  const length = view(bytes).getUint32(12, true);
  if (length > PAYLOAD_LIMIT) {
    const wanted = `a length of at most ${PAYLOAD_LIMIT}`;
    throw new ProtocolError("xenstore", "message header", wanted, `${length}`, offset + 12);
  }
  return bytes.length < HEADER_SIZE + length ? null : HEADER_SIZE + length;
}

function decode(bytes: Uint8Array): XenstoreMessage {
  const header = view(bytes);
  return {
    type: header.getUint32(0, true),
    requestId: header.getUint32(4, true),
    transaction: header.getUint32(8, true),
    payload: bytes.slice(HEADER_SIZE),
  };
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
