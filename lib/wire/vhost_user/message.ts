/**
 * Whole messages: header and payload, typed, both ways. What is unknown or longer than known is
 * kept, so that every message encodes to the bytes it came from.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import {
  BACK_END_REQUEST,
  CUSTOM_MMAP_REQUEST,
  FRONT_END_REQUEST,
  HEADER_FLAG,
  HEADER_LENGTH,
} from "./constants.ts";
import { type Dialect, FRESH_DIALECT, isCustomMmap } from "./dialect.ts";
import { encodeHeader, type Header, isReply } from "./header.ts";
import type { Payload, PayloadKind, PayloadOf } from "./payload.ts";
import { encodePayload, payloadCodec } from "./payload_codec.ts";
import type {
  BackEndReplies,
  BackEndRequests,
  FrontEndReplies,
  FrontEndRequests,
} from "./request_types.ts";
import { payloadKinds, requestName, requestSpec, type Side } from "./requests.ts";

/** A decoded message. fds travel beside it. */
export interface Message {
  /** Whose requests the channel carries: `front-end` on the main socket. */
  readonly origin: Side;
  /** Request id. */
  readonly request: number;
  /** `SET_FEATURES`, `CUSTOM_MMAP`, `unknown(99)`. */
  readonly name: string;
  /** As the header has them. */
  readonly flags: number;
  /** Answers a request, so it was sent by the other side. */
  readonly reply: boolean;
  /** What it carries. */
  readonly payload: Payload;
  /** Bytes after what is known of the payload: padding, or a later version's fields. */
  readonly rest: Uint8Array;
}

const NONE = new Uint8Array(0);

/**
 * Decodes one message. Throws ProtocolError where a known message is shorter than its structure or
 * a count in it lies; unknown ids give payload kind `bytes`.
 */
export function decodeMessage(
  origin: Side,
  header: Header,
  payload: Uint8Array,
  dialect: Dialect = FRESH_DIALECT,
): Message {
  const reply = isReply(header.flags);
  const draft = isCustomMmap(origin, header, payload, dialect);
  const name = draft ? "CUSTOM_MMAP" : requestName(origin, header.request);
  const kind = draft ? "custom-mmap" : chooseKind(origin, header, payload.length, name, reply);
  const codec = payloadCodec(kind);
  const decoded = codec.read(new DataView(payload.buffer, payload.byteOffset, payload.byteLength));
  const rest = payload.slice(payloadLength(decoded));
  return {
    origin,
    request: header.request,
    name,
    flags: header.flags,
    reply,
    payload: decoded,
    rest,
  };
}

/** Header and payload as they go over the wire. */
export function encodeMessage(message: Message): Uint8Array {
  const payload = encodePayload(message.payload);
  const size = payload.length + message.rest.length;
  const bytes = new Uint8Array(HEADER_LENGTH + size);
  bytes.set(encodeHeader({ request: message.request, flags: message.flags, size }));
  bytes.set(payload, HEADER_LENGTH);
  bytes.set(message.rest, HEADER_LENGTH + payload.length);
  return bytes;
}

/** The payload as the structure `kind`. Throws ProtocolError where the message carries another. */
export function payloadAs<K extends PayloadKind>(message: Message, kind: K): PayloadOf<K> {
  if (message.payload.kind === kind) return message.payload as PayloadOf<K>;
  throw new ProtocolError("vhost-user", message.name, kind, message.payload.kind);
}

/** A request of the front-end. */
export function frontEndRequest<N extends keyof FrontEndRequests>(
  name: N,
  payload: FrontEndRequests[N],
  options: { readonly needReply?: boolean } = {},
): Message {
  return build("front-end", name, FRONT_END_REQUEST[name], payload, requestFlags(options));
}

/** The back-end's answer to the front-end. */
export function frontEndReply<N extends keyof FrontEndReplies>(
  name: N,
  payload: FrontEndReplies[N],
): Message {
  return build("front-end", name, FRONT_END_REQUEST[name], payload, REPLY_FLAGS);
}

/** A request of the back-end. */
export function backEndRequest<N extends keyof BackEndRequests>(
  name: N,
  payload: BackEndRequests[N],
  options: { readonly needReply?: boolean } = {},
): Message {
  return build("back-end", name, BACK_END_REQUEST[name], payload, requestFlags(options));
}

/** The front-end's answer to the back-end. */
export function backEndReply<N extends keyof BackEndReplies>(
  name: N,
  payload: BackEndReplies[N],
): Message {
  return build("back-end", name, BACK_END_REQUEST[name], payload, REPLY_FLAGS);
}

/** The draft's CUSTOM_MMAP: see `dialect.ts`. */
export function customMmapRequest(flags: bigint, value: bigint): Message {
  const payload = { kind: "custom-mmap", flags, value } as const;
  return build("front-end", "CUSTOM_MMAP", CUSTOM_MMAP_REQUEST, payload, HEADER_FLAG.VERSION);
}

const REPLY_FLAGS = HEADER_FLAG.VERSION | HEADER_FLAG.REPLY;

function requestFlags(options: { readonly needReply?: boolean }): number {
  return HEADER_FLAG.VERSION | (options.needReply ? HEADER_FLAG.NEED_REPLY : 0);
}

function build(
  origin: Side,
  name: string,
  request: number,
  payload: Payload,
  flags: number,
): Message {
  return { origin, request, name, flags, reply: isReply(flags), payload, rest: NONE };
}

/**
 * The structure that has exactly as many bytes; else the longest whose bytes are all there, of equal
 * ones the later listed (which are those that grow). A message shorter than all is wrong.
 */
function chooseKind(
  origin: Side,
  header: Header,
  length: number,
  name: string,
  reply: boolean,
): PayloadKind {
  const spec = requestSpec(origin, header.request);
  if (spec === null) return "bytes";
  const kinds = payloadKinds(spec, reply);
  const exact = kinds.find((candidate) => least(candidate) === length);
  const fitting = kinds.filter((candidate) => least(candidate) <= length);
  const kind = exact ?? fitting.sort((a, b) => least(a) - least(b)).at(-1);
  if (kind !== undefined) return kind;
  const wanted = kinds.map((candidate) => `${least(candidate)} bytes (${candidate})`).join(" or ");
  const item = reply ? `reply to ${name}` : name;
  throw new ProtocolError("vhost-user", item, wanted, `${length} bytes`);
}

function least(kind: PayloadKind): number {
  return payloadCodec(kind).size;
}

/** Bytes that the decoded structure stands for. */
function payloadLength(payload: Payload): number {
  return encodePayload(payload).length;
}
