/**
 * What messages carry, decoded. Field names are those of the protocol's documentation in camelCase;
 * 64-bit values are bigint, the rest are numbers. Padding and reserved bits are kept, so that
 * encoding gives back the bytes that were decoded.
 *
 * @module
 */

/** Nothing. */
export interface EmptyPayload {
  /** Tells payloads apart. */
  readonly kind: "empty";
}

/** A 64-bit value: features, an acknowledgement (0 is success), a status. */
export interface U64Payload {
  /** Tells payloads apart. */
  readonly kind: "u64";
  /** All 64 bits. */
  readonly value: bigint;
}

/** The u64 of SET_VRING_KICK, CALL and ERR. */
export interface VringFdPayload {
  /** Tells payloads apart. */
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
  /** Tells payloads apart. */
  readonly kind: "vring-state";
  /** Ring. */
  readonly index: number;
  /** What it is depends on the request. */
  readonly num: number;
}

/** Where a ring's three areas are. */
export interface VringAddressPayload {
  /** Tells payloads apart. */
  readonly kind: "vring-address";
  /** Ring. */
  readonly index: number;
  /** Bit 0: log writes to the used ring. */
  readonly flags: number;
  /** Descriptor area, in the front-end's address space (or an IOVA). */
  readonly descriptor: bigint;
  /** Device area, likewise. */
  readonly used: bigint;
  /** Driver area, likewise. */
  readonly available: bigint;
  /** Guest address for the log of the used ring. */
  readonly log: bigint;
}

/** Fields that a region has where XEN_MMAP is negotiated. */
export interface XenRegionFields {
  /** See `xen_region.ts`. */
  readonly flags: number;
  /** Domain id of the guest. */
  readonly domid: number;
}

/** A region of guest memory as the front-end describes it. */
export interface WireRegion {
  /** Guest physical address of the first byte. */
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
  /** Tells payloads apart. */
  readonly kind: "memory-table";
  /** Reserved; kept as it came. */
  readonly padding: number;
  /** In the order of the fds. */
  readonly regions: readonly WireRegion[];
}

/** ADD_MEM_REG and REM_MEM_REG. */
export interface SingleRegionPayload {
  /** Tells payloads apart. */
  readonly kind: "single-region";
  /** Reserved; kept as it came. */
  readonly padding: bigint;
  /** The region. */
  readonly region: WireRegion;
}

/** SET_LOG_BASE with LOG_SHMFD: size and offset of the dirty log in its file, in bytes. */
export interface LogPayload {
  /** Tells payloads apart. */
  readonly kind: "log";
  /** Bytes of the log. */
  readonly size: bigint;
  /** Where it starts in its file. */
  readonly offset: bigint;
}

/** One entry of, or one question about, the IOMMU's translation. */
export interface IotlbPayload {
  /** Tells payloads apart. */
  readonly kind: "iotlb";
  /** First I/O virtual address. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Where the front-end has it, in its own address space. */
  readonly userAddress: bigint;
  /** Index into `IOTLB_PERMISSION`. */
  readonly permission: number;
  /** Index into `IOTLB_TYPE`. */
  readonly type: number;
}

/** Part of the device's configuration space. */
export interface ConfigPayload {
  /** Tells payloads apart. */
  readonly kind: "config";
  /** Bytes from the start of the configuration space. */
  readonly offset: number;
  /** Bytes asked for; `data` should be as long. */
  readonly size: number;
  /** The documentation has 0 writable, 1 live migration; rust-vmm bits 1 and 2. */
  readonly flags: number;
  /** The bytes; zeros in a question. */
  readonly data: Uint8Array;
}

/** Where a ring can be notified directly. */
export interface VringAreaPayload {
  /** Tells payloads apart. */
  readonly kind: "vring-area";
  /** Bits 7..0 ring, bit 8 no fd. */
  readonly value: bigint;
  /** Bytes of the notify area. */
  readonly size: bigint;
  /** Where it starts in its file. */
  readonly offset: bigint;
}

/** The shared memory that records requests in flight. */
export interface InflightPayload {
  /** Tells payloads apart. */
  readonly kind: "inflight";
  /** Bytes of the buffer. */
  readonly mmapSize: bigint;
  /** Where it starts in its file. */
  readonly mmapOffset: bigint;
  /** Queues that it has room for. */
  readonly queueCount: number;
  /** Entries per queue. */
  readonly queueSize: number;
}

/** A shared object's UUID: 16 bytes in RFC 4122 order. */
export interface SharedObjectPayload {
  /** Tells payloads apart. */
  readonly kind: "shared-object";
  /** 16 bytes. */
  readonly uuid: Uint8Array;
}

/** SET_DEVICE_STATE_FD. */
export interface DeviceStatePayload {
  /** Tells payloads apart. */
  readonly kind: "device-state";
  /** 0 save, 1 load. */
  readonly direction: number;
  /** 0 stopped. */
  readonly phase: number;
}

/** BACKEND_SHMEM_MAP and UNMAP. */
export interface MmapPayload {
  /** Tells payloads apart. */
  readonly kind: "mmap";
  /** Id of the device's shared memory region. */
  readonly shmid: number;
  /** Seven bytes. */
  readonly padding: Uint8Array;
  /** Where in the fd the part starts, in bytes. */
  readonly fdOffset: bigint;
  /** Where in the region it goes, in bytes. */
  readonly shmOffset: bigint;
  /** Bytes. */
  readonly length: bigint;
  /** 0 read-only, 1 read-write. */
  readonly flags: bigint;
}

/** Sizes of the device's shared memory regions by id; 0 where there is none. */
export interface ShmemConfigPayload {
  /** Tells payloads apart. */
  readonly kind: "shmem-config";
  /** How many of the 256 are not zero. */
  readonly count: number;
  /** Reserved; kept as it came. */
  readonly padding: number;
  /** 256 of them, in bytes. */
  readonly sizes: readonly bigint[];
}

/** CUSTOM_MMAP of the 2022 and 2023 draft: how every region of the connection is to be mapped. */
export interface CustomMmapPayload {
  /** Tells payloads apart. */
  readonly kind: "custom-mmap";
  /** Bit 0 foreign, bit 1 grant. */
  readonly flags: bigint;
  /** For both: the domain id. */
  readonly value: bigint;
}

/** Bytes that are carried and not interpreted: unknown messages, crypto sessions. */
export interface BytesPayload {
  /** Tells payloads apart. */
  readonly kind: "bytes";
  /** As they came. */
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
