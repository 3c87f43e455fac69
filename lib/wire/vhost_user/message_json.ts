/**
 * Messages as JSON: 64-bit values as `0x` strings, byte strings in hex, the rest as numbers.
 *
 * @module
 */
import { hex } from "../../address.ts";
import { IOTLB_PERMISSION, IOTLB_TYPE } from "./constants.ts";
import { needsReply } from "./header.ts";
import type { Message } from "./message.ts";
import type { Payload } from "./payload.ts";
import { protocolFeatureNames } from "./protocol_features.ts";

/** A JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | {
  readonly [key: string]: Json;
};

/** A message, without its bytes. Payload fields stand under `payload`. */
export function messageJson(message: Message): { readonly [key: string]: Json } {
  return {
    origin: message.origin,
    request: message.request,
    name: message.name,
    reply: message.reply,
    needReply: needsReply(message.flags),
    payload: payloadJson(message),
    ...(message.rest.length > 0 ? { rest: hexBytes(message.rest) } : {}),
  };
}

/** Bytes as lower-case hex without spaces. */
export function hexBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function payloadJson(message: Message): Json {
  const { payload } = message;
  const { kind: _, ...fields } = payload;
  return { ...(plain(fields) as { [key: string]: Json }), ...names(message.name, payload) };
}

/** What a number means, where it is not plain. */
function names(message: string, payload: Payload): { readonly [key: string]: Json } {
  if (payload.kind === "u64" && message.endsWith("_PROTOCOL_FEATURES")) {
    return { names: protocolFeatureNames(payload.value) };
  }
  if (payload.kind === "iotlb") {
    return {
      permissionName: IOTLB_PERMISSION[payload.permission] ?? "unknown",
      typeName: IOTLB_TYPE[payload.type] ?? "unknown",
    };
  }
  return {};
}

function plain(value: unknown): Json {
  if (typeof value === "bigint") return hex(value);
  if (value instanceof Uint8Array) return hexBytes(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value as string | number | boolean | null;
}
