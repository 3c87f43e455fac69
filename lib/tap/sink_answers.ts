/**
 * What a back-end that consumes nothing answers: it offers whatever a front-end may want, and takes
 * every ring and region, so that a driver sets all up as for a real one.
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import {
  type ConfigPayload,
  EMPTY,
  hasProtocolFeature,
  HEADER_FLAG,
  LIMIT,
  type Message,
  needsReply,
  type Payload,
  PROTOCOL_FEATURE,
  requestSpec,
  u64,
  VHOST_FEATURE,
  vringState,
} from "../wire/vhost_user/vhost_user.ts";
import type { ConnectionState } from "./connection.ts";

/** virtio 1.4, chapter 6: the features that change how a ring is walked, all but an IOMMU. */
const RING_FEATURES = (1n << 24n) | (1n << 27n) | (1n << 28n) | (1n << 29n) | (1n << 32n) |
  (1n << 34n) | (1n << 35n) | (1n << 36n);

/**
 * Bits 0 to 23 belong to the device type, which we can not know. All are offered but 5: a disk would
 * be read-only by it, and a network device gets its MAC address (its bit 5) from the front-end.
 */
const DEVICE_FEATURES = 0xff_ffffn & ~(1n << 5n);

/** What GET_FEATURES offers. */
export const SINK_FEATURES: bigint = DEVICE_FEATURES | RING_FEATURES |
  VHOST_FEATURE.LOG_ALL | VHOST_FEATURE.PROTOCOL_FEATURES;

const P = PROTOCOL_FEATURE;

/**
 * What GET_PROTOCOL_FEATURES offers: nothing that would need a real device (migration, shared
 * objects, an IOTLB), nothing that gives a device type away (RARP, MTU, CRYPTO_SESSION), and no
 * channel of our own, as we have nothing to ask.
 */
export const SINK_PROTOCOL_FEATURES: bigint = P.MQ | P.LOG_SHMFD | P.REPLY_ACK |
  P.CROSS_ENDIAN | P.CONFIG | P.RESET_DEVICE | P.CONFIGURE_MEM_SLOTS | P.STATUS;

/**
 * In dom0 also this: regions may be frames or grants of a Xen domain. Where there is no Xen it must not
 * be offered, as a front-end could then send what can not be mapped.
 */
export const SINK_XEN_FEATURES: bigint = P.XEN_MMAP;

/** Regions that we have room for: as libvhost-user. */
const MEMORY_SLOTS = 509;

/**
 * The answer to a request, after the state has taken it in; null where none is due. Throws
 * ProtocolError for what was not offered and can not be answered.
 */
export function sinkAnswer(
  message: Message,
  state: ConnectionState,
  protocolFeatures: bigint = SINK_PROTOCOL_FEATURES,
): Message | null {
  const own = ownAnswer(message, state, protocolFeatures);
  if (own !== null) return replyTo(message, own);
  if (requestSpec("front-end", message.request)?.answered && !isOptional(message)) {
    const wanted = "a request that was offered";
    throw new ProtocolError("vhost-user", message.name, wanted, "one that needs a real back-end");
  }
  if (!acknowledges(message, state)) return null;
  return replyTo(message, u64(isOffered(message, state) ? 0 : 1));
}

/** What belongs to a feature that was not negotiated is not done, and a success would be a lie. */
function isOffered({ request }: Message, { protocolFeatures }: ConnectionState): boolean {
  const spec = requestSpec("front-end", request);
  if (spec === null) return false;
  return spec.feature === null || hasProtocolFeature(protocolFeatures, spec.feature);
}

function ownAnswer(
  { name, payload }: Message,
  state: ConnectionState,
  protocolFeatures: bigint,
): Payload | null {
  switch (name) {
    case "GET_FEATURES":
      return u64(SINK_FEATURES);
    case "GET_PROTOCOL_FEATURES":
      return u64(protocolFeatures);
    case "GET_QUEUE_NUM":
      return u64(LIMIT.vrings);
    case "GET_MAX_MEM_SLOTS":
      return u64(MEMORY_SLOTS);
    case "GET_STATUS":
      return u64(state.status ?? 0);
    case "SET_LOG_BASE":
      return u64(0);
    case "GET_VRING_BASE":
      return payload.kind === "vring-state" ? baseOf(state, payload.index) : EMPTY;
    case "GET_CONFIG":
      return payload.kind === "config" ? sinkConfig(payload) : EMPTY;
    default:
      return null;
  }
}

/** Nothing was consumed: a ring stands where it started. */
function baseOf(state: ConnectionState, index: number): Payload {
  return vringState(index, state.vrings.find((ring) => ring.index === index)?.base ?? 0);
}

/** CUSTOM_MMAP shares its id with a question, and is none. */
function isOptional({ payload }: Message): boolean {
  return payload.kind === "custom-mmap";
}

function acknowledges({ flags }: Message, { protocolFeatures }: ConnectionState): boolean {
  return needsReply(flags) && ((protocolFeatures ?? 0n) & PROTOCOL_FEATURE.REPLY_ACK) !== 0n;
}

function replyTo(message: Message, payload: Payload): Message {
  const flags = HEADER_FLAG.VERSION | HEADER_FLAG.REPLY;
  return { ...message, flags, reply: true, payload, rest: NONE };
}

const NONE = new Uint8Array(0);

/**
 * Configuration space of a device that could be: who asks for 32 bytes or more asks for a disk
 * (virtio 1.4, 5.2.4), who asks for less for a network device (5.1.4) or something else.
 */
function sinkConfig(request: ConfigPayload): ConfigPayload {
  const data = new Uint8Array(request.size);
  const whole = request.size >= 32 && request.offset === 0 ? blkConfig() : netConfig();
  const part = whole.subarray(Math.min(request.offset, whole.length));
  data.set(part.subarray(0, data.length));
  return { ...request, data };
}

/** 64 MiB in sectors of 512 bytes, 126 segments, one queue. */
function blkConfig(): Uint8Array {
  const view = new DataView(new ArrayBuffer(60));
  view.setBigUint64(0, 0x20000n, true); // capacity
  view.setUint32(12, 126, true); // seg_max
  view.setUint32(20, 512, true); // blk_size
  view.setUint16(26, 1, true); // min_io_size
  view.setUint32(28, 1, true); // opt_io_size
  view.setUint16(34, 1, true); // num_queues
  return new Uint8Array(view.buffer);
}

/** A locally administered address, link up, one pair of queues, MTU 1500. */
function netConfig(): Uint8Array {
  return Uint8Array.of(0x02, 0x67, 0x6d, 0, 0, 1, 1, 0, 1, 0, 0xdc, 0x05);
}
