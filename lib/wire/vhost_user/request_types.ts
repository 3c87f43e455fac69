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
  /** Which virtio and protocol features are there? */
  GET_FEATURES: EmptyPayload;
  /** The features that the driver took. */
  SET_FEATURES: U64Payload;
  /** This front-end is the one. */
  SET_OWNER: EmptyPayload;
  /** No longer used; back-ends ignore it or disable all rings. */
  RESET_OWNER: EmptyPayload;
  /** All memory regions. */
  SET_MEM_TABLE: MemoryTablePayload;
  /** Where to log writes for migration; a bare u64 without LOG_SHMFD. */
  SET_LOG_BASE: LogPayload | U64Payload;
  /** An eventfd to be told of log writes. */
  SET_LOG_FD: EmptyPayload | U64Payload;
  /** Entries of a ring. */
  SET_VRING_NUM: VringStatePayload;
  /** Where a ring is. */
  SET_VRING_ADDR: VringAddressPayload;
  /** Where a ring goes on. */
  SET_VRING_BASE: VringStatePayload;
  /** Stops a ring, and asks where it stands. */
  GET_VRING_BASE: VringStatePayload;
  /** A ring's kick fd; starts the ring. */
  SET_VRING_KICK: VringFdPayload;
  /** A ring's call fd. */
  SET_VRING_CALL: VringFdPayload;
  /** A ring's error fd. */
  SET_VRING_ERR: VringFdPayload;
  /** Which protocol features are there? */
  GET_PROTOCOL_FEATURES: EmptyPayload;
  /** The protocol features that the front-end took. */
  SET_PROTOCOL_FEATURES: U64Payload;
  /** How many queues are there at most? */
  GET_QUEUE_NUM: EmptyPayload;
  /** A ring on or off. */
  SET_VRING_ENABLE: VringStatePayload;
  /** Announce this MAC address after migration. */
  SEND_RARP: U64Payload;
  /** The MTU to use. */
  NET_SET_MTU: U64Payload;
  /** The socket of the back-end's own requests. */
  SET_BACKEND_REQ_FD: EmptyPayload;
  /** A translation, or that one has ended. */
  IOTLB_MSG: IotlbPayload;
  /** A legacy ring's byte order. */
  SET_VRING_ENDIAN: VringStatePayload;
  /** A part of the configuration space? */
  GET_CONFIG: ConfigPayload;
  /** Write a part of the configuration space. */
  SET_CONFIG: ConfigPayload;
  /** A crypto session to make. */
  CREATE_CRYPTO_SESSION: BytesPayload;
  /** Id of a crypto session to end. */
  CLOSE_CRYPTO_SESSION: U64Payload;
  /** Post-copy migration may come. */
  POSTCOPY_ADVISE: EmptyPayload;
  /** Post-copy migration begins. */
  POSTCOPY_LISTEN: EmptyPayload;
  /** Post-copy migration is over. */
  POSTCOPY_END: EmptyPayload;
  /** A buffer that records requests in flight, to be made for so many queues. */
  GET_INFLIGHT_FD: InflightPayload;
  /** Such a buffer, of a back-end before. */
  SET_INFLIGHT_FD: InflightPayload;
  /** The socket of the GPU's display. */
  GPU_SET_SOCKET: EmptyPayload;
  /** Reset the device, and disable all rings. */
  RESET_DEVICE: EmptyPayload;
  /** A kick in a message, where there is no fd. */
  VRING_KICK: VringStatePayload;
  /** How many regions are taken? */
  GET_MAX_MEM_SLOTS: EmptyPayload;
  /** One region more. */
  ADD_MEM_REG: SingleRegionPayload;
  /** One region less. */
  REM_MEM_REG: SingleRegionPayload;
  /** The virtio status byte. */
  SET_STATUS: U64Payload;
  /** The virtio status byte? */
  GET_STATUS: EmptyPayload;
  /** A shared object by UUID; in the draft of 2022 the number was CUSTOM_MMAP's. */
  GET_SHARED_OBJECT: SharedObjectPayload | CustomMmapPayload;
  /** A pipe for the device's own state. */
  SET_DEVICE_STATE_FD: DeviceStatePayload;
  /** Has the device's state been moved whole? */
  CHECK_DEVICE_STATE: EmptyPayload;
  /** Which shared memory regions are there? */
  GET_SHMEM_CONFIG: EmptyPayload;
}

/** Answers of the back-end that are more than a u64. */
export interface OwnReplies {
  /** A table with the back-end's addresses in post-copy migration. */
  SET_MEM_TABLE: U64Payload | MemoryTablePayload;
  /** Empty, or what was asked. */
  SET_LOG_BASE: U64Payload | LogPayload | EmptyPayload;
  /** Where the ring stands. */
  GET_VRING_BASE: VringStatePayload;
  /** Empty: the back-end has no such configuration. */
  GET_CONFIG: ConfigPayload | EmptyPayload;
  /** The session, with its id. */
  CREATE_CRYPTO_SESSION: BytesPayload;
  /** With a userfaultfd. */
  POSTCOPY_ADVISE: EmptyPayload | U64Payload;
  /** The buffer, with its fd. */
  GET_INFLIGHT_FD: InflightPayload;
  /** A region with the back-end's address in post-copy migration. */
  ADD_MEM_REG: U64Payload | SingleRegionPayload;
  /** With a dma-buf, or without any. */
  GET_SHARED_OBJECT: EmptyPayload | U64Payload | SharedObjectPayload;
  /** Bits 7..0 an error, bit 8 no fd. */
  SET_DEVICE_STATE_FD: U64Payload;
  /** The regions. */
  GET_SHMEM_CONFIG: ShmemConfigPayload;
}

/**
 * Payload of the back-end's answer to each. A request without an answer of its own is acknowledged
 * with a u64 (0 is success) where the front-end asked for that.
 */
export type FrontEndReplies =
  & OwnReplies
  & { readonly [N in Exclude<keyof FrontEndRequests, keyof OwnReplies>]: U64Payload };

/** Payload of each of the back-end's requests. */
export interface BackEndRequests {
  /** A translation is missing. */
  BACKEND_IOTLB_MSG: IotlbPayload;
  /** The configuration space has changed. */
  BACKEND_CONFIG_CHANGE_MSG: EmptyPayload;
  /** Where a ring can be notified directly. */
  BACKEND_VRING_HOST_NOTIFIER_MSG: VringAreaPayload;
  /** A call in a message, where there is no fd. */
  BACKEND_VRING_CALL: VringStatePayload;
  /** An error in a message, where there is no fd. */
  BACKEND_VRING_ERR: VringStatePayload;
  /** A shared object is there. */
  BACKEND_SHARED_OBJECT_ADD: SharedObjectPayload;
  /** A shared object is gone. */
  BACKEND_SHARED_OBJECT_REMOVE: SharedObjectPayload;
  /** Another device's shared object? */
  BACKEND_SHARED_OBJECT_LOOKUP: SharedObjectPayload;
  /** Map a part of an fd into a shared memory region. */
  BACKEND_SHMEM_MAP: MmapPayload;
  /** Unmap a part of a shared memory region. */
  BACKEND_SHMEM_UNMAP: MmapPayload;
}

/** Payload of the front-end's answers: an acknowledgement for all of them. */
export type BackEndReplies = { readonly [N in keyof BackEndRequests]: U64Payload };
