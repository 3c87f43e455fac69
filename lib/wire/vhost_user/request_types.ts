/**
 * Which payload goes with which message, as types: the compiler's copy of `requests.ts`.
 *
 * @module
 */
import type {
  BytesPayload,
  ConfigPayload,
  CustomMmapPayload,
  DeviceStatePayload,
  EmptyPayload,
  InflightPayload,
  IotlbPayload,
  LogPayload,
  MemoryTablePayload,
  MmapPayload,
  SharedObjectPayload,
  ShmemConfigPayload,
  SingleRegionPayload,
  U64Payload,
  VringAddressPayload,
  VringAreaPayload,
  VringFdPayload,
  VringStatePayload,
} from "./payload.ts";

/** Payload of each of the front-end's requests. */
export interface FrontEndRequests {
  GET_FEATURES: EmptyPayload;
  SET_FEATURES: U64Payload;
  SET_OWNER: EmptyPayload;
  RESET_OWNER: EmptyPayload;
  SET_MEM_TABLE: MemoryTablePayload;
  SET_LOG_BASE: LogPayload | U64Payload;
  SET_LOG_FD: EmptyPayload | U64Payload;
  SET_VRING_NUM: VringStatePayload;
  SET_VRING_ADDR: VringAddressPayload;
  SET_VRING_BASE: VringStatePayload;
  GET_VRING_BASE: VringStatePayload;
  SET_VRING_KICK: VringFdPayload;
  SET_VRING_CALL: VringFdPayload;
  SET_VRING_ERR: VringFdPayload;
  GET_PROTOCOL_FEATURES: EmptyPayload;
  SET_PROTOCOL_FEATURES: U64Payload;
  GET_QUEUE_NUM: EmptyPayload;
  SET_VRING_ENABLE: VringStatePayload;
  SEND_RARP: U64Payload;
  NET_SET_MTU: U64Payload;
  SET_BACKEND_REQ_FD: EmptyPayload;
  IOTLB_MSG: IotlbPayload;
  SET_VRING_ENDIAN: VringStatePayload;
  GET_CONFIG: ConfigPayload;
  SET_CONFIG: ConfigPayload;
  CREATE_CRYPTO_SESSION: BytesPayload;
  CLOSE_CRYPTO_SESSION: U64Payload;
  POSTCOPY_ADVISE: EmptyPayload;
  POSTCOPY_LISTEN: EmptyPayload;
  POSTCOPY_END: EmptyPayload;
  GET_INFLIGHT_FD: InflightPayload;
  SET_INFLIGHT_FD: InflightPayload;
  GPU_SET_SOCKET: EmptyPayload;
  RESET_DEVICE: EmptyPayload;
  VRING_KICK: VringStatePayload;
  GET_MAX_MEM_SLOTS: EmptyPayload;
  ADD_MEM_REG: SingleRegionPayload;
  REM_MEM_REG: SingleRegionPayload;
  SET_STATUS: U64Payload;
  GET_STATUS: EmptyPayload;
  GET_SHARED_OBJECT: SharedObjectPayload | CustomMmapPayload;
  SET_DEVICE_STATE_FD: DeviceStatePayload;
  CHECK_DEVICE_STATE: EmptyPayload;
  GET_SHMEM_CONFIG: EmptyPayload;
}

/**
 * Payload of the back-end's answer to each. A request without an answer of its own is acknowledged
 * with a u64 (0 is success) where the front-end asked for that.
 */
export interface FrontEndReplies {
  GET_FEATURES: U64Payload;
  SET_FEATURES: U64Payload;
  SET_OWNER: U64Payload;
  RESET_OWNER: U64Payload;
  /** A table with the back-end's addresses in post-copy migration. */
  SET_MEM_TABLE: U64Payload | MemoryTablePayload;
  SET_LOG_BASE: U64Payload | LogPayload | EmptyPayload;
  SET_LOG_FD: U64Payload;
  SET_VRING_NUM: U64Payload;
  SET_VRING_ADDR: U64Payload;
  SET_VRING_BASE: U64Payload;
  GET_VRING_BASE: VringStatePayload;
  SET_VRING_KICK: U64Payload;
  SET_VRING_CALL: U64Payload;
  SET_VRING_ERR: U64Payload;
  GET_PROTOCOL_FEATURES: U64Payload;
  SET_PROTOCOL_FEATURES: U64Payload;
  GET_QUEUE_NUM: U64Payload;
  SET_VRING_ENABLE: U64Payload;
  SEND_RARP: U64Payload;
  NET_SET_MTU: U64Payload;
  SET_BACKEND_REQ_FD: U64Payload;
  IOTLB_MSG: U64Payload;
  SET_VRING_ENDIAN: U64Payload;
  /** Empty: the back-end has no such configuration. */
  GET_CONFIG: ConfigPayload | EmptyPayload;
  SET_CONFIG: U64Payload;
  CREATE_CRYPTO_SESSION: BytesPayload;
  CLOSE_CRYPTO_SESSION: U64Payload;
  /** With a userfaultfd. */
  POSTCOPY_ADVISE: EmptyPayload | U64Payload;
  POSTCOPY_LISTEN: U64Payload;
  POSTCOPY_END: U64Payload;
  GET_INFLIGHT_FD: InflightPayload;
  SET_INFLIGHT_FD: U64Payload;
  GPU_SET_SOCKET: U64Payload;
  RESET_DEVICE: U64Payload;
  VRING_KICK: U64Payload;
  GET_MAX_MEM_SLOTS: U64Payload;
  /** A region with the back-end's address in post-copy migration. */
  ADD_MEM_REG: U64Payload | SingleRegionPayload;
  REM_MEM_REG: U64Payload;
  SET_STATUS: U64Payload;
  GET_STATUS: U64Payload;
  /** With a dma-buf, or without any. */
  GET_SHARED_OBJECT: EmptyPayload | U64Payload | SharedObjectPayload;
  /** Bits 7..0 an error, bit 8 no fd. */
  SET_DEVICE_STATE_FD: U64Payload;
  CHECK_DEVICE_STATE: U64Payload;
  GET_SHMEM_CONFIG: ShmemConfigPayload;
}

/** Payload of each of the back-end's requests. */
export interface BackEndRequests {
  BACKEND_IOTLB_MSG: IotlbPayload;
  BACKEND_CONFIG_CHANGE_MSG: EmptyPayload;
  BACKEND_VRING_HOST_NOTIFIER_MSG: VringAreaPayload;
  BACKEND_VRING_CALL: VringStatePayload;
  BACKEND_VRING_ERR: VringStatePayload;
  BACKEND_SHARED_OBJECT_ADD: SharedObjectPayload;
  BACKEND_SHARED_OBJECT_REMOVE: SharedObjectPayload;
  BACKEND_SHARED_OBJECT_LOOKUP: SharedObjectPayload;
  BACKEND_SHMEM_MAP: MmapPayload;
  BACKEND_SHMEM_UNMAP: MmapPayload;
}

/** Payload of the front-end's answers: an acknowledgement for all of them. */
export type BackEndReplies = { readonly [N in keyof BackEndRequests]: U64Payload };
