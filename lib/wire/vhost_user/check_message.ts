/**
 * Whether a decoded message makes sense by itself: fds, regions, indices. What depends on the
 * conversation so far is `lib/tap/connection.ts`'s to check.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import { checkRegionFields, checkRegions } from "./check_memory.ts";
import { IOTLB_PERMISSION, IOTLB_TYPE, LIMIT } from "./constants.ts";
import type { Message } from "./message.ts";
import type { ConfigPayload, IotlbPayload, MemoryTablePayload, MmapPayload } from "./payload.ts";
import { missingProtocolFeatures } from "./protocol_features.ts";
import { requestSpec } from "./requests.ts";

/**
 * Throws ProtocolError for a request that no sound peer sends. Unknown messages pass: they can not
 * be judged. So do replies, which are the other side's to check, and fds beyond those that a message
 * has a use for, which the receiver closes.
 */
export function checkMessage(message: Message, fdCount: number): void {
  const spec = requestSpec(message.origin, message.request);
  if (spec === null || message.reply || message.payload.kind === "custom-mmap") return;
  checkCount(message, "fds", fdCount, spec.fds[0], LIMIT.fds);
  checkPayload(message, fdCount);
}

function checkPayload(message: Message, fdCount: number): void {
  const { payload } = message;
  if (payload.kind === "memory-table") checkTable(message, payload, fdCount);
  else if (payload.kind === "single-region") checkRegionFields(payload.region, "the region");
  else if (payload.kind === "vring-state" || payload.kind === "vring-address") {
    checkValue(message, "a ring index", payload.index, 0, LIMIT.vrings - 1);
    checkRing(message);
  } else if (payload.kind === "config") checkConfig(message, payload);
  else if (payload.kind === "iotlb") checkIotlb(message, payload);
  else if (payload.kind === "mmap") checkMmap(message, payload);
  else if (payload.kind === "u64" && message.name === "SET_PROTOCOL_FEATURES") {
    checkFeatures(message, payload.value);
  }
}

/** One fd for each region, in order. */
function checkTable(message: Message, payload: MemoryTablePayload, fdCount: number): void {
  checkCount(message, "fds", fdCount, payload.regions.length, payload.regions.length);
  checkRegions(payload.regions);
}

/** virtio 1.4, 2.7: a queue has at most 32768 entries. 0 is for the ring's owner to refuse. */
function checkRing(message: Message): void {
  const { payload } = message;
  if (payload.kind !== "vring-state" || message.name !== "SET_VRING_NUM") return;
  checkValue(message, "a ring size", payload.num, 1, 32768);
}

function checkConfig(message: Message, { offset, size, data }: ConfigPayload): void {
  checkValue(message, "an end in configuration space", offset + size, 0, LIMIT.config);
  checkCount(message, "bytes of data", data.length, size, LIMIT.payload);
}

function checkIotlb(message: Message, { permission, type, iova, size }: IotlbPayload): void {
  checkValue(message, "a permission", permission, 0, IOTLB_PERMISSION.length - 1);
  // Types above are for batches, which vhost-vdpa has: they pass.
  checkValue(message, "a type", type, 1, 0xff);
  if (type < IOTLB_TYPE.length && iova + size > 1n << 64n) {
    throw wrong(message, "an end within 2^64", `${iova}+${size}`);
  }
}

function checkMmap(message: Message, { fdOffset, shmOffset, length }: MmapPayload): void {
  const limit = 1n << 64n;
  if (fdOffset + length > limit || shmOffset + length > limit) {
    throw wrong(
      message,
      "an end within 2^64",
      `offsets ${fdOffset}, ${shmOffset}, length ${length}`,
    );
  }
}

function checkFeatures(message: Message, features: bigint): void {
  const missing = missingProtocolFeatures(features);
  if (missing.length > 0) throw wrong(message, "features with what they need", missing.join(", "));
}

function checkValue(
  message: Message,
  what: string,
  got: number,
  least: number,
  most: number,
): void {
  if (got >= least && got <= most) return;
  throw wrong(message, `${what} of ${least} to ${most}`, `${got}`);
}

function checkCount(
  message: Message,
  what: string,
  got: number,
  least: number,
  most: number,
): void {
  if (got >= least && got <= most) return;
  const wanted = least === most ? `${least} ${what}` : `${least} to ${most} ${what}`;
  throw wrong(message, wanted, `${got}`);
}

function wrong(message: Message, wanted: string, got: string): ProtocolError {
  return new ProtocolError("vhost-user", message.name, wanted, got);
}
