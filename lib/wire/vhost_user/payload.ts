/**
 * What messages carry, decoded. Field names are those of the protocol's documentation in camelCase;
 * 64-bit values are bigint, the rest are numbers. Padding and reserved bits are kept, so that
 * encoding gives back the bytes that were decoded.
 *
 * @module
 */

/** Nothing. */
export interface EmptyPayload {
  readonly kind: "empty";
}

/** A 64-bit value: features, an acknowledgement (0 is success), a status. */
export interface U64Payload {
  readonly kind: "u64";
  readonly value: bigint;
}

/** The u64 of SET_VRING_KICK, CALL and ERR. */
export interface VringFdPayload {
  readonly kind: "vring-fd";
  /** Ring, bits 7..0. */
  readonly index: number;
  /** Bit 8: no fd comes along; poll, or do without. */
  readonly noFd: boolean;
  /** Bits 63..9, shifted down. */
  readonly reserved: bigint;
}

/** Ring and a number: a size, a position (see `vring_base.ts`), on or off, an endianness. */
export interface VringStatePayload {
  readonly kind: "vring-state";
  readonly index: number;
  readonly num: number;
}

/** Where a ring's three areas are. */
export interface VringAddressPayload {
  readonly kind: "vring-address";
  readonly index: number;
  /** Bit 0: log writes to the used ring. */
  readonly flags: number;
  readonly descriptor: bigint;
  readonly used: bigint;
  readonly available: bigint;
  /** Guest address for the log of the used ring. */
  readonly log: bigint;
}

/** Fields that a region has where XEN_MMAP is negotiated. */
export interface XenRegionFields {
  /** See `xen_region.ts`. */
  readonly flags: number;
  readonly domid: number;
}

/** A region of guest memory as the front-end describes it. */
export interface WireRegion {
  readonly guestAddress: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** In the front-end's own address space: only a name for the range. */
  readonly userAddress: bigint;
  /** Where in the fd's file the region starts, in bytes. */
  readonly mmapOffset: bigint;
  /** null in the standard form. */
  readonly xen: XenRegionFields | null;
}

/** SET_MEM_TABLE: all regions, one fd for each, in order. */
export interface MemoryTablePayload {
  readonly kind: "memory-table";
  readonly padding: number;
  readonly regions: readonly WireRegion[];
}

/** ADD_MEM_REG and REM_MEM_REG. */
export interface SingleRegionPayload {
  readonly kind: "single-region";
  readonly padding: bigint;
  readonly region: WireRegion;
}

/** SET_LOG_BASE with LOG_SHMFD: size and offset of the dirty log in its file, in bytes. */
export interface LogPayload {
  readonly kind: "log";
  readonly size: bigint;
  readonly offset: bigint;
}

/** One entry of, or one question about, the IOMMU's translation. */
export interface IotlbPayload {
  readonly kind: "iotlb";
  readonly iova: bigint;
  readonly size: bigint;
  readonly userAddress: bigint;
  /** Index into `IOTLB_PERMISSION`. */
  readonly permission: number;
  /** Index into `IOTLB_TYPE`. */
  readonly type: number;
}

/** Part of the device's configuration space. */
export interface ConfigPayload {
  readonly kind: "config";
  readonly offset: number;
  /** Bytes asked for; `data` should be as long. */
  readonly size: number;
  /** The documentation has 0 writable, 1 live migration; rust-vmm bits 1 and 2. */
  readonly flags: number;
  readonly data: Uint8Array;
}

/** Where a ring can be notified directly. */
export interface VringAreaPayload {
  readonly kind: "vring-area";
  /** Bits 7..0 ring, bit 8 no fd. */
  readonly value: bigint;
  readonly size: bigint;
  readonly offset: bigint;
}

/** The shared memory that records requests in flight. */
export interface InflightPayload {
  readonly kind: "inflight";
  readonly mmapSize: bigint;
  readonly mmapOffset: bigint;
  readonly queueCount: number;
  readonly queueSize: number;
}

/** A shared object's UUID: 16 bytes in RFC 4122 order. */
export interface SharedObjectPayload {
  readonly kind: "shared-object";
  readonly uuid: Uint8Array;
}

/** SET_DEVICE_STATE_FD. */
export interface DeviceStatePayload {
  readonly kind: "device-state";
  /** 0 save, 1 load. */
  readonly direction: number;
  /** 0 stopped. */
  readonly phase: number;
}

/** BACKEND_SHMEM_MAP and UNMAP. */
export interface MmapPayload {
  readonly kind: "mmap";
  readonly shmid: number;
  /** Seven bytes. */
  readonly padding: Uint8Array;
  readonly fdOffset: bigint;
  readonly shmOffset: bigint;
  readonly length: bigint;
  /** 0 read-only, 1 read-write. */
  readonly flags: bigint;
}

/** Sizes of the device's shared memory regions by id; 0 where there is none. */
export interface ShmemConfigPayload {
  readonly kind: "shmem-config";
  /** How many of the 256 are not zero. */
  readonly count: number;
  readonly padding: number;
  /** 256 of them, in bytes. */
  readonly sizes: readonly bigint[];
}

/** CUSTOM_MMAP of the 2022 and 2023 draft: how every region of the connection is to be mapped. */
export interface CustomMmapPayload {
  readonly kind: "custom-mmap";
  /** Bit 0 foreign, bit 1 grant. */
  readonly flags: bigint;
  /** For both: the domain id. */
  readonly value: bigint;
}

/** Bytes that are carried and not interpreted: unknown messages, crypto sessions. */
export interface BytesPayload {
  readonly kind: "bytes";
  readonly bytes: Uint8Array;
}

/** Any of them. */
export type Payload =
  | EmptyPayload
  | U64Payload
  | VringFdPayload
  | VringStatePayload
  | VringAddressPayload
  | MemoryTablePayload
  | SingleRegionPayload
  | LogPayload
  | IotlbPayload
  | ConfigPayload
  | VringAreaPayload
  | InflightPayload
  | SharedObjectPayload
  | DeviceStatePayload
  | MmapPayload
  | ShmemConfigPayload
  | CustomMmapPayload
  | BytesPayload;

/** Name of a payload's structure. */
export type PayloadKind = Payload["kind"];

/** The payload of kind `K`. */
export type PayloadOf<K extends PayloadKind> = Extract<Payload, { readonly kind: K }>;

/** The empty payload. */
export const EMPTY: EmptyPayload = { kind: "empty" };

/** A 64-bit payload. */
export function u64(value: bigint | number): U64Payload {
  return { kind: "u64", value: BigInt(value) };
}

/** Ring and number. */
export function vringState(index: number, num: number): VringStatePayload {
  return { kind: "vring-state", index, num };
}

/** What SET_VRING_KICK, CALL and ERR carry. */
export function vringFd(index: number, noFd = false): VringFdPayload {
  return { kind: "vring-fd", index, noFd, reserved: 0n };
}
