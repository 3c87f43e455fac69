/**
 * The header: 12 bytes before every payload, on both channels.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import { HEADER_FLAG, HEADER_LENGTH, LIMIT } from "./constants.ts";

/** Request id, flags and payload size. */
export interface Header {
  /** Request id. */
  readonly request: number;
  /** Bits 1..0 version, bit 2 reply, bit 3 an acknowledgement is wanted. */
  readonly flags: number;
  /** Bytes of the payload that follows. */
  readonly size: number;
}

/**
 * Reads a header. Throws ProtocolError for a version other than 1 (what follows can not be trusted
 * to be messages at all) and for a payload above the limit.
 */
export function decodeHeader(bytes: Uint8Array): Header {
  if (bytes.length < HEADER_LENGTH) {
    throw new ProtocolError("vhost-user", "header", "12 bytes", `${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = {
    request: view.getUint32(0, true),
    flags: view.getUint32(4, true),
    size: view.getUint32(8, true),
  };
  const version = header.flags & HEADER_FLAG.VERSION_MASK;
  if (version !== HEADER_FLAG.VERSION) {
    throw new ProtocolError("vhost-user", "header flags", "version 1", `version ${version}`, 4);
  }
  if (header.size > LIMIT.payload) {
    throw new ProtocolError(
      "vhost-user",
      `header size of request ${header.request}`,
      `at most ${LIMIT.payload} bytes`,
      `${header.size}`,
      8,
    );
  }
  return header;
}

/** Writes a header. */
export function encodeHeader(header: Header): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, header.request, true);
  view.setUint32(4, header.flags, true);
  view.setUint32(8, header.size, true);
  return bytes;
}

/** Whether the message answers one. */
export function isReply(flags: number): boolean {
  return (flags & HEADER_FLAG.REPLY) !== 0;
}

/** Whether the sender wants an acknowledgement. */
export function needsReply(flags: number): boolean {
  return (flags & HEADER_FLAG.NEED_REPLY) !== 0;
}
