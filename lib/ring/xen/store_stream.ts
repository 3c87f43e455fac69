/**
 * xenstore messages in a stream of bytes of which only the last KiB is there.
 *
 * @module
 */
import { HEADER_SIZE, messageName, PAYLOAD_LIMIT } from "../../wire/xenstore/message.ts";
import { decodeStrings } from "../../wire/xenstore/payload.ts";

/** One message, as far as it is there. */
export interface PlacedMessage {
  /** Byte of its header in the bytes that were given. */
  readonly offset: number;
  readonly name: string;
  readonly requestId: number;
  readonly transaction: number;
  /** Its strings, joined by spaces, not escaped. */
  readonly text: string;
  readonly complete: boolean;
  /** Why it is no message; null where it is one. */
  readonly fault: string | null;
}

/** Highest type that xs_wire.h knows. */
const LAST_TYPE = 26;

interface Header {
  readonly type: number;
  readonly requestId: number;
  readonly transaction: number;
  readonly length: number;
}

function headerAt(bytes: Uint8Array, offset: number): Header | null {
  if (offset + HEADER_SIZE > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, HEADER_SIZE);
  return {
    type: view.getUint32(0, true),
    requestId: view.getUint32(4, true),
    transaction: view.getUint32(8, true),
    length: view.getUint32(12, true),
  };
}

function plausible({ type, length }: Header): boolean {
  return type <= LAST_TYPE && length <= PAYLOAD_LIMIT;
}

/** Messages from the first byte on; the last may be cut. Stops at what is no message. */
export function messagesFrom(bytes: Uint8Array): PlacedMessage[] {
  const messages: PlacedMessage[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const header = headerAt(bytes, offset);
    if (header === null || !plausible(header)) {
      messages.push(partial(offset, header));
      break;
    }
    messages.push(placed(bytes, offset, header));
    offset += HEADER_SIZE + header.length;
  }
  return messages;
}

/**
 * Messages of which the last one ends with the last byte: where the first one begins is unknown, so
 * the first offset from which a row of messages ends exactly there is taken. Empty where none does.
 */
export function messagesEndingAt(bytes: Uint8Array): PlacedMessage[] {
  for (let start = 0; start + HEADER_SIZE <= bytes.length; start++) {
    if (endsExactly(bytes, start)) {
      const messages = messagesFrom(bytes.subarray(start));
      return messages.map((message) => ({ ...message, offset: message.offset + start }));
    }
  }
  return [];
}

function endsExactly(bytes: Uint8Array, start: number): boolean {
  let offset = start;
  while (offset < bytes.length) {
    const header = headerAt(bytes, offset);
    // A request without a payload exists only in theory; zeroes must not count as messages.
    if (header === null || !plausible(header) || header.length === 0) return false;
    offset += HEADER_SIZE + header.length;
  }
  return offset === bytes.length;
}

function placed(bytes: Uint8Array, offset: number, header: Header): PlacedMessage {
  const start = offset + HEADER_SIZE;
  const payload = bytes.subarray(start, start + header.length);
  return {
    offset,
    name: messageName(header.type),
    requestId: header.requestId,
    transaction: header.transaction,
    text: decodeStrings(payload).join(" "),
    complete: payload.length === header.length,
    fault: null,
  };
}

function partial(offset: number, header: Header | null): PlacedMessage {
  const fault = header === null ? null : `type ${header.type}, length ${header.length}`;
  const name = header === null ? "partial" : messageName(header.type);
  return {
    ...{ offset, name, requestId: header?.requestId ?? 0, transaction: header?.transaction ?? 0 },
    ...{ text: "", complete: false, fault },
  };
}
