/**
 * What a back-end with a device answers: as a sink, except where the device has something to say.
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import { FEATURE } from "../ring/config.ts";
import type { DevicePosition } from "../ring/device_queue.ts";
import type { ConnectionState } from "../tap/connection.ts";
import { sinkAnswer } from "../tap/sink_answers.ts";
import {
  encodePackedBase,
  HEADER_FLAG,
  type Message,
  type Payload,
  PROTOCOL_FEATURE,
  u64,
  VHOST_FEATURE,
  vringState,
} from "../wire/vhost_user/vhost_user.ts";

/** A device as its front-end sees it. */
export interface DeviceOffer {
  /** Features of the device type. */
  readonly features: bigint;
  /** Configuration space. */
  readonly config: Uint8Array;
  readonly queues: number;
}

/** What the library's device side of a queue does. No dirty log: a guest can not be migrated. */
const RING_FEATURES = FEATURE.INDIRECT_DESC | FEATURE.EVENT_IDX | FEATURE.VERSION_1 |
  FEATURE.RING_PACKED | VHOST_FEATURE.PROTOCOL_FEATURES;

const P = PROTOCOL_FEATURE;
const PROTOCOL_FEATURES = P.MQ | P.REPLY_ACK | P.CONFIG | P.RESET_DEVICE | P.CONFIGURE_MEM_SLOTS |
  P.STATUS;

/**
 * The answer to a request; null where none is due. `position` tells where a running queue stands.
 * Throws ProtocolError for features that were not offered, and for what can not be answered.
 */
export function deviceAnswer(
  offer: DeviceOffer,
  message: Message,
  state: ConnectionState,
  position: (index: number) => DevicePosition | null,
): Message | null {
  checkAccepted(message, offer.features | RING_FEATURES);
  const payload = ownAnswer(offer, message, state, position);
  if (payload === null) return sinkAnswer(message, state);
  const flags = HEADER_FLAG.VERSION | HEADER_FLAG.REPLY;
  return { ...message, flags, reply: true, payload, rest: new Uint8Array(0) };
}

function ownAnswer(
  { features, config, queues }: DeviceOffer,
  { name, payload }: Message,
  state: ConnectionState,
  position: (index: number) => DevicePosition | null,
): Payload | null {
  if (name === "GET_FEATURES") return u64(features | RING_FEATURES);
  if (name === "GET_PROTOCOL_FEATURES") return u64(PROTOCOL_FEATURES);
  if (name === "GET_QUEUE_NUM") return u64(queues);
  if (name === "GET_CONFIG" && payload.kind === "config") {
    const data = new Uint8Array(payload.size);
    data.set(config.subarray(payload.offset, payload.offset + payload.size));
    return { ...payload, data };
  }
  if (name !== "GET_VRING_BASE" || payload.kind !== "vring-state") return null;
  const stands = position(payload.index);
  return stands === null ? null : vringState(payload.index, baseOf(stands, state));
}

function baseOf(position: DevicePosition, { features }: ConnectionState): number {
  const packed = ((features ?? 0n) & FEATURE.RING_PACKED) !== 0n;
  return packed ? encodePackedBase(position) : position.available.index;
}

function checkAccepted({ name, payload }: Message, offered: bigint): void {
  if (payload.kind !== "u64") return;
  const allowed = name === "SET_FEATURES"
    ? offered
    : name === "SET_PROTOCOL_FEATURES"
    ? PROTOCOL_FEATURES
    : null;
  if (allowed === null || (payload.value & ~allowed) === 0n) return;
  const extra = `0x${(payload.value & ~allowed).toString(16)} too`;
  throw new ProtocolError("vhost-user", name, "features that were offered", extra);
}
