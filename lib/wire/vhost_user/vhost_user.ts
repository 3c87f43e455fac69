/**
 * The vhost-user protocol: bytes in, messages out, no I/O.
 *
 * ```ts
 * import { decodeMessage, encodeMessage, frontEndRequest, u64 } from "./vhost_user.ts";
 * const bytes = encodeMessage(frontEndRequest("SET_FEATURES", u64(1n << 32n)));
 * ```
 *
 * @module
 */
export * from "./check_memory.ts";
export * from "./check_message.ts";
export * from "./constants.ts";
export * from "./dialect.ts";
export * from "./frame_reader.ts";
export * from "./header.ts";
export * from "./message.ts";
export * from "./message_json.ts";
export * from "./payload.ts";
export * from "./protocol_features.ts";
export * from "./request_types.ts";
export * from "./requests.ts";
export * from "./vring_base.ts";
export * from "./xen_region.ts";
