/**
 * Numbers of the vhost-user protocol.
 *
 * Source: QEMU 11.1 `docs/interop/vhost-user.rst`; where implementations disagree, the line says so.
 * All integers on the wire are in the host's byte order; every host that Deno runs on is
 * little-endian, and so is this codec.
 *
 * @module
 */

/** Bytes of the header: request u32, flags u32, size u32. */
export const HEADER_LENGTH = 12;

/** Bits of the header's flags. */
export const HEADER_FLAG = {
  /** Bits 1..0: protocol version, always 1. */
  VERSION_MASK: 0x3,
  VERSION: 0x1,
  /** Sent by the receiver of a request. */
  REPLY: 0x4,
  /** The sender wants an answer; only with REPLY_ACK negotiated. */
  NEED_REPLY: 0x8,
} as const;

/** Bounds that a message must keep for us to carry it. */
export const LIMIT = {
  /**
   * Payload bytes. The largest with a fixed size is the shared memory configuration (2056); QEMU's
   * crypto sessions carry keys of up to 1 KiB; rust-vmm allows 4096.
   */
  payload: 0x4000,
  /** fds with one message: rust-vmm accepts 32; SET_MEM_TABLE of the baseline has 8. */
  fds: 32,
  /** Regions of a table: QEMU's front-end has 512 slots, libvhost-user 509. */
  regions: 512,
  /** Bytes of configuration space that one message may name (rust-vmm). */
  config: 0x1000,
  /** Rings: the index is 8 bits in SET_VRING_KICK, CALL and ERR. */
  vrings: 256,
} as const;

/** Requests of the front-end, by name. */
export const FRONT_END_REQUEST = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
  SET_LOG_BASE: 6,
  SET_LOG_FD: 7,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_VRING_BASE: 11,
  SET_VRING_KICK: 12,
  SET_VRING_CALL: 13,
  SET_VRING_ERR: 14,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_QUEUE_NUM: 17,
  SET_VRING_ENABLE: 18,
  SEND_RARP: 19,
  NET_SET_MTU: 20,
  SET_BACKEND_REQ_FD: 21,
  IOTLB_MSG: 22,
  SET_VRING_ENDIAN: 23,
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  CREATE_CRYPTO_SESSION: 26,
  CLOSE_CRYPTO_SESSION: 27,
  POSTCOPY_ADVISE: 28,
  POSTCOPY_LISTEN: 29,
  POSTCOPY_END: 30,
  GET_INFLIGHT_FD: 31,
  SET_INFLIGHT_FD: 32,
  GPU_SET_SOCKET: 33,
  RESET_DEVICE: 34,
  VRING_KICK: 35,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
  SET_STATUS: 39,
  GET_STATUS: 40,
  GET_SHARED_OBJECT: 41,
  SET_DEVICE_STATE_FD: 42,
  CHECK_DEVICE_STATE: 43,
  GET_SHMEM_CONFIG: 44,
} as const;

/** Id of CUSTOM_MMAP in the draft of 2022 and 2023; later reused for GET_SHARED_OBJECT. */
export const CUSTOM_MMAP_REQUEST = 41;

/** Requests of the back-end, on the socket that SET_BACKEND_REQ_FD passes, by name. */
export const BACK_END_REQUEST = {
  BACKEND_IOTLB_MSG: 1,
  BACKEND_CONFIG_CHANGE_MSG: 2,
  BACKEND_VRING_HOST_NOTIFIER_MSG: 3,
  BACKEND_VRING_CALL: 4,
  BACKEND_VRING_ERR: 5,
  BACKEND_SHARED_OBJECT_ADD: 6,
  BACKEND_SHARED_OBJECT_REMOVE: 7,
  BACKEND_SHARED_OBJECT_LOOKUP: 8,
  BACKEND_SHMEM_MAP: 9,
  BACKEND_SHMEM_UNMAP: 10,
} as const;

/** One of the front-end's requests. */
export type FrontEndRequestName = keyof typeof FRONT_END_REQUEST;

/** One of the back-end's requests. */
export type BackEndRequestName = keyof typeof BACK_END_REQUEST;

/** In SET_VRING_KICK, CALL, ERR and a vring area: bits 7..0 are the ring, bit 8 says "no fd". */
export const VRING_FD = { INDEX_MASK: 0xffn, NO_FD: 0x100n } as const;

/** Virtio feature bits that only front-end and back-end see. */
export const VHOST_FEATURE = {
  /** VHOST_F_LOG_ALL: dirty pages are logged. */
  LOG_ALL: 1n << 26n,
  /** VHOST_USER_F_PROTOCOL_FEATURES: messages 15 and 16 exist; rings start disabled. */
  PROTOCOL_FEATURES: 1n << 30n,
} as const;

/** Permissions of an IOTLB entry. */
export const IOTLB_PERMISSION = ["none", "read", "write", "read-write"] as const;

/** Types of an IOTLB message, from 1. */
export const IOTLB_TYPE = ["none", "miss", "update", "invalidate", "access-fail"] as const;
