/**
 * What is known of each message: payloads, answers, fds and the feature it belongs to. Typed against
 * `request_types.ts`, so that the two can not drift apart.
 *
 * @module
 */
import {
  BACK_END_REQUEST,
  type BackEndRequestName,
  FRONT_END_REQUEST,
  type FrontEndRequestName,
  LIMIT,
} from "./constants.ts";
import type { Payload, PayloadKind } from "./payload.ts";
import type { ProtocolFeatureName } from "./protocol_features.ts";
import type {
  BackEndReplies,
  BackEndRequests,
  FrontEndReplies,
  FrontEndRequests,
} from "./request_types.ts";

/** Who sends the requests of a channel: its ids are numbered apart. */
export type Side = "front-end" | "back-end";

/** Knowledge of one request. */
export interface RequestSpec<
  Request extends Payload = Payload,
  Reply extends Payload = Payload,
> {
  /** Structures that the payload may have; the longest that fits is taken. */
  readonly request: readonly Request["kind"][];
  /** The same of the answer. */
  readonly reply: readonly Reply["kind"][];
  /** Answered always (true), or only where an acknowledgement was asked for. */
  readonly answered: boolean;
  /** fds with the request: fewest and most. */
  readonly fds: readonly [number, number];
  /** Most fds with the answer. */
  readonly replyFds: number;
  /** Protocol feature without which it must not be sent. */
  readonly feature: ProtocolFeatureName | null;
}

interface Options {
  readonly fds?: readonly [number, number];
  readonly replyFds?: number;
  readonly feature?: ProtocolFeatureName;
}

function spec<Request extends Payload, Reply extends Payload>(
  request: readonly Request["kind"][],
  reply: readonly Reply["kind"][],
  answered: boolean,
  options: Options,
): RequestSpec<Request, Reply> {
  const { fds = [0, 0], replyFds = 0, feature = null } = options;
  return { request, reply, answered, fds, replyFds, feature };
}

/** A request that is acknowledged where it asks for that. */
function ack<R extends Payload, P extends Payload>(
  request: readonly R["kind"][],
  options: Options = {},
  reply: readonly P["kind"][] = ["u64"],
): RequestSpec<R, P> {
  return spec(request, reply, false, options);
}

/** A request with an answer of its own. */
function ask<R extends Payload, P extends Payload>(
  request: readonly R["kind"][],
  reply: readonly P["kind"][],
  options: Options = {},
): RequestSpec<R, P> {
  return spec(request, reply, true, options);
}

type FrontEndTable = {
  readonly [N in FrontEndRequestName]: RequestSpec<FrontEndRequests[N], FrontEndReplies[N]>;
};

/** The front-end's requests. Id 41 is read by `dialect.ts` first. */
export const FRONT_END_SPECS: FrontEndTable = {
  GET_FEATURES: ask(["empty"], ["u64"]),
  SET_FEATURES: ack(["u64"]),
  SET_OWNER: ack(["empty"]),
  RESET_OWNER: ack(["empty"]),
  SET_MEM_TABLE: ack(["memory-table"], { fds: [0, LIMIT.fds] }, ["u64", "memory-table"]),
  SET_LOG_BASE: ask(["log", "u64"], ["log", "u64", "empty"], { fds: [0, 1] }),
  SET_LOG_FD: ack(["u64", "empty"], { fds: [0, 1] }),
  SET_VRING_NUM: ack(["vring-state"]),
  SET_VRING_ADDR: ack(["vring-address"]),
  SET_VRING_BASE: ack(["vring-state"]),
  GET_VRING_BASE: ask(["vring-state"], ["vring-state"]),
  SET_VRING_KICK: ack(["vring-fd"], { fds: [0, 1] }),
  SET_VRING_CALL: ack(["vring-fd"], { fds: [0, 1] }),
  SET_VRING_ERR: ack(["vring-fd"], { fds: [0, 1] }),
  GET_PROTOCOL_FEATURES: ask(["empty"], ["u64"]),
  SET_PROTOCOL_FEATURES: ack(["u64"]),
  GET_QUEUE_NUM: ask(["empty"], ["u64"], { feature: "MQ" }),
  SET_VRING_ENABLE: ack(["vring-state"]),
  SEND_RARP: ack(["u64"], { feature: "RARP" }),
  NET_SET_MTU: ack(["u64"], { feature: "MTU" }),
  SET_BACKEND_REQ_FD: ack(["empty"], { fds: [1, 1], feature: "BACKEND_REQ" }),
  IOTLB_MSG: ask(["iotlb"], ["u64"]),
  SET_VRING_ENDIAN: ack(["vring-state"], { feature: "CROSS_ENDIAN" }),
  GET_CONFIG: ask(["config"], ["config", "empty"], { feature: "CONFIG" }),
  SET_CONFIG: ack(["config"], { feature: "CONFIG" }),
  CREATE_CRYPTO_SESSION: ask(["bytes"], ["bytes"], { feature: "CRYPTO_SESSION" }),
  CLOSE_CRYPTO_SESSION: ack(["u64"], { feature: "CRYPTO_SESSION" }),
  POSTCOPY_ADVISE: ask(["empty"], ["u64", "empty"], { replyFds: 1, feature: "PAGEFAULT" }),
  POSTCOPY_LISTEN: ack(["empty"], { feature: "PAGEFAULT" }),
  POSTCOPY_END: ask(["empty"], ["u64"], { feature: "PAGEFAULT" }),
  GET_INFLIGHT_FD: ask(["inflight"], ["inflight"], { replyFds: 1, feature: "INFLIGHT_SHMFD" }),
  SET_INFLIGHT_FD: ack(["inflight"], { fds: [1, 1], feature: "INFLIGHT_SHMFD" }),
  GPU_SET_SOCKET: ack(["empty"], { fds: [1, 1] }),
  RESET_DEVICE: ack(["empty"], { feature: "RESET_DEVICE" }),
  VRING_KICK: ack(["vring-state"], { feature: "INBAND_NOTIFICATIONS" }),
  GET_MAX_MEM_SLOTS: ask(["empty"], ["u64"], { feature: "CONFIGURE_MEM_SLOTS" }),
  ADD_MEM_REG: ack(["single-region"], { fds: [1, 1], feature: "CONFIGURE_MEM_SLOTS" }, [
    "single-region",
    "u64",
  ]),
  REM_MEM_REG: ack(["single-region"], { fds: [0, 1], feature: "CONFIGURE_MEM_SLOTS" }),
  SET_STATUS: ack(["u64"], { feature: "STATUS" }),
  GET_STATUS: ask(["empty"], ["u64"], { feature: "STATUS" }),
  GET_SHARED_OBJECT: ask(["shared-object"], ["shared-object", "u64", "empty"], {
    replyFds: 1,
    feature: "SHARED_OBJECT",
  }),
  SET_DEVICE_STATE_FD: ask(["device-state"], ["u64"], {
    fds: [1, 1],
    replyFds: 1,
    feature: "DEVICE_STATE",
  }),
  CHECK_DEVICE_STATE: ask(["empty"], ["u64"], { feature: "DEVICE_STATE" }),
  GET_SHMEM_CONFIG: ask(["empty"], ["shmem-config"], { feature: "SHMEM_MAP" }),
};

type BackEndTable = {
  readonly [N in BackEndRequestName]: RequestSpec<BackEndRequests[N], BackEndReplies[N]>;
};

/** The back-end's requests. */
export const BACK_END_SPECS: BackEndTable = {
  BACKEND_IOTLB_MSG: ack(["iotlb"]),
  BACKEND_CONFIG_CHANGE_MSG: ack(["empty"], { feature: "CONFIG" }),
  BACKEND_VRING_HOST_NOTIFIER_MSG: ack(["vring-area"], { fds: [0, 1], feature: "HOST_NOTIFIER" }),
  BACKEND_VRING_CALL: ack(["vring-state"], { feature: "INBAND_NOTIFICATIONS" }),
  BACKEND_VRING_ERR: ack(["vring-state"], { feature: "INBAND_NOTIFICATIONS" }),
  BACKEND_SHARED_OBJECT_ADD: ack(["shared-object"], { feature: "SHARED_OBJECT" }),
  BACKEND_SHARED_OBJECT_REMOVE: ack(["shared-object"], { feature: "SHARED_OBJECT" }),
  BACKEND_SHARED_OBJECT_LOOKUP: ask(["shared-object"], ["u64"], {
    replyFds: 1,
    feature: "SHARED_OBJECT",
  }),
  BACKEND_SHMEM_MAP: ack(["mmap"], { fds: [1, 1], feature: "SHMEM_MAP" }),
  BACKEND_SHMEM_UNMAP: ack(["mmap"], { feature: "SHMEM_MAP" }),
};

const FRONT_END_NAMES = byId(FRONT_END_REQUEST);
const BACK_END_NAMES = byId(BACK_END_REQUEST);

/** `SET_FEATURES` for 2 of the front-end; null for an id without a name. */
export function knownRequestName(origin: Side, id: number): string | null {
  return (origin === "front-end" ? FRONT_END_NAMES : BACK_END_NAMES).get(id) ?? null;
}

/** The same, `unknown(99)` for an id without a name. */
export function requestName(origin: Side, id: number): string {
  return knownRequestName(origin, id) ?? `unknown(${id})`;
}

/** What is known of a request; null for an unknown id. */
export function requestSpec(origin: Side, id: number): RequestSpec | null {
  const name = knownRequestName(origin, id);
  if (name === null) return null;
  return origin === "front-end"
    ? FRONT_END_SPECS[name as FrontEndRequestName]
    : BACK_END_SPECS[name as BackEndRequestName];
}

/** Every structure that a payload may have: the answer's, or the request's. */
export function payloadKinds(spec: RequestSpec, reply: boolean): readonly PayloadKind[] {
  return reply ? spec.reply : spec.request;
}

function byId(table: { readonly [name: string]: number }): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, id]) => [id, name]));
}
