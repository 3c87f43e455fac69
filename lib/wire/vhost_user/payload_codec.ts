/**
 * Bytes ↔ payloads, one pair of functions per structure. Offsets are from the payload's start and
 * stand in the documentation's order; sizes are those of C structs on x86-64 and aarch64.
 *
 * @module
 */
import { LIMIT, VRING_FD } from "./constants.ts";
import { memoryTable, singleRegion } from "./memory_payload.ts";
import type { Payload, PayloadKind, PayloadOf } from "./payload.ts";

/** A structure: its least size, and both directions. */
export interface PayloadCodec<P extends Payload> {
  /** Bytes without which it can not be decoded. What follows is kept as the message's rest. */
  readonly size: number;
  /** `view` has at least `size` bytes. May throw ProtocolError where the count in it lies. */
  read(view: DataView): P;
  write(payload: P): Uint8Array;
}

/** Bytes that `payload` takes. */
export function encodePayload(payload: Payload): Uint8Array {
  return (CODECS[payload.kind] as PayloadCodec<Payload>).write(payload);
}

/** The codec of a structure. */
export function payloadCodec(kind: PayloadKind): PayloadCodec<Payload> {
  return CODECS[kind] as PayloadCodec<Payload>;
}

const NOTHING = new Uint8Array(0);

/** Allocates `size` zero bytes and lets `fill` set the fields. */
function bytes(size: number, fill: (view: DataView) => void): Uint8Array {
  const out = new Uint8Array(size);
  fill(new DataView(out.buffer));
  return out;
}

/** A private copy of [from, to) of what `view` shows. */
function slice(view: DataView, from: number, to = view.byteLength): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + from, to - from).slice();
}

const vringFd: PayloadCodec<PayloadOf<"vring-fd">> = {
  size: 8,
  read(view) {
    const value = view.getBigUint64(0, true);
    const noFd = (value & VRING_FD.NO_FD) !== 0n;
    return {
      kind: "vring-fd",
      index: Number(value & VRING_FD.INDEX_MASK),
      noFd,
      reserved: value >> 9n,
    };
  },
  write({ index, noFd, reserved }) {
    const value = (reserved << 9n) | (noFd ? VRING_FD.NO_FD : 0n) | BigInt(index & 0xff);
    return bytes(8, (view) => view.setBigUint64(0, value, true));
  },
};

const vringState: PayloadCodec<PayloadOf<"vring-state">> = {
  size: 8,
  read: (view) => ({
    kind: "vring-state",
    index: view.getUint32(0, true),
    num: view.getUint32(4, true),
  }),
  write: ({ index, num }) =>
    bytes(8, (view) => {
      view.setUint32(0, index, true);
      view.setUint32(4, num, true);
    }),
};

/** `used` stands before `available`, against the order of the ring itself. */
const vringAddress: PayloadCodec<PayloadOf<"vring-address">> = {
  size: 40,
  read: (view) => ({
    kind: "vring-address",
    index: view.getUint32(0, true),
    flags: view.getUint32(4, true),
    descriptor: view.getBigUint64(8, true),
    used: view.getBigUint64(16, true),
    available: view.getBigUint64(24, true),
    log: view.getBigUint64(32, true),
  }),
  write: (payload) =>
    bytes(40, (view) => {
      view.setUint32(0, payload.index, true);
      view.setUint32(4, payload.flags, true);
      view.setBigUint64(8, payload.descriptor, true);
      view.setBigUint64(16, payload.used, true);
      view.setBigUint64(24, payload.available, true);
      view.setBigUint64(32, payload.log, true);
    }),
};

const log: PayloadCodec<PayloadOf<"log">> = {
  size: 16,
  read: (view) => ({
    kind: "log",
    size: view.getBigUint64(0, true),
    offset: view.getBigUint64(8, true),
  }),
  write: ({ size, offset }) => pair(size, offset),
};

/** 26 bytes are used; C pads to 32, and senders send that. */
const iotlb: PayloadCodec<PayloadOf<"iotlb">> = {
  size: 26,
  read: (view) => ({
    kind: "iotlb",
    iova: view.getBigUint64(0, true),
    size: view.getBigUint64(8, true),
    userAddress: view.getBigUint64(16, true),
    permission: view.getUint8(24),
    type: view.getUint8(25),
  }),
  write: (payload) =>
    bytes(26, (view) => {
      view.setBigUint64(0, payload.iova, true);
      view.setBigUint64(8, payload.size, true);
      view.setBigUint64(16, payload.userAddress, true);
      view.setUint8(24, payload.permission);
      view.setUint8(25, payload.type);
    }),
};

/** Everything after the three words is data, whatever `size` says. */
const config: PayloadCodec<PayloadOf<"config">> = {
  size: 12,
  read: (view) => ({
    kind: "config",
    offset: view.getUint32(0, true),
    size: view.getUint32(4, true),
    flags: view.getUint32(8, true),
    data: slice(view, 12),
  }),
  write({ offset, size, flags, data }) {
    const out = bytes(12 + data.length, (view) => {
      view.setUint32(0, offset, true);
      view.setUint32(4, size, true);
      view.setUint32(8, flags, true);
    });
    out.set(data, 12);
    return out;
  },
};

const vringArea: PayloadCodec<PayloadOf<"vring-area">> = {
  size: 24,
  read: (view) => ({
    kind: "vring-area",
    value: view.getBigUint64(0, true),
    size: view.getBigUint64(8, true),
    offset: view.getBigUint64(16, true),
  }),
  write: (payload) =>
    bytes(24, (view) => {
      view.setBigUint64(0, payload.value, true);
      view.setBigUint64(8, payload.size, true);
      view.setBigUint64(16, payload.offset, true);
    }),
};

/** 20 bytes by the documentation; QEMU and rust-vmm send the C struct's 24. */
const inflight: PayloadCodec<PayloadOf<"inflight">> = {
  size: 20,
  read: (view) => ({
    kind: "inflight",
    mmapSize: view.getBigUint64(0, true),
    mmapOffset: view.getBigUint64(8, true),
    queueCount: view.getUint16(16, true),
    queueSize: view.getUint16(18, true),
  }),
  write: (payload) =>
    bytes(20, (view) => {
      view.setBigUint64(0, payload.mmapSize, true);
      view.setBigUint64(8, payload.mmapOffset, true);
      view.setUint16(16, payload.queueCount, true);
      view.setUint16(18, payload.queueSize, true);
    }),
};

const sharedObject: PayloadCodec<PayloadOf<"shared-object">> = {
  size: 16,
  read: (view) => ({ kind: "shared-object", uuid: slice(view, 0, 16) }),
  write: ({ uuid }) => uuid.slice(0, 16),
};

const deviceState: PayloadCodec<PayloadOf<"device-state">> = {
  size: 8,
  read: (view) => ({
    kind: "device-state",
    direction: view.getUint32(0, true),
    phase: view.getUint32(4, true),
  }),
  write: ({ direction, phase }) =>
    bytes(8, (view) => {
      view.setUint32(0, direction, true);
      view.setUint32(4, phase, true);
    }),
};

const mmap: PayloadCodec<PayloadOf<"mmap">> = {
  size: 40,
  read: (view) => ({
    kind: "mmap",
    shmid: view.getUint8(0),
    padding: slice(view, 1, 8),
    fdOffset: view.getBigUint64(8, true),
    shmOffset: view.getBigUint64(16, true),
    length: view.getBigUint64(24, true),
    flags: view.getBigUint64(32, true),
  }),
  write(payload) {
    const out = bytes(40, (view) => {
      view.setUint8(0, payload.shmid);
      view.setBigUint64(8, payload.fdOffset, true);
      view.setBigUint64(16, payload.shmOffset, true);
      view.setBigUint64(24, payload.length, true);
      view.setBigUint64(32, payload.flags, true);
    });
    out.set(payload.padding.subarray(0, 7), 1);
    return out;
  },
};

const SHMEM_SIZES = 256;

const shmemConfig: PayloadCodec<PayloadOf<"shmem-config">> = {
  size: 8 + 8 * SHMEM_SIZES,
  read: (view) => ({
    kind: "shmem-config",
    count: view.getUint32(0, true),
    padding: view.getUint32(4, true),
    sizes: Array.from({ length: SHMEM_SIZES }, (_, i) => view.getBigUint64(8 + 8 * i, true)),
  }),
  write: ({ count, padding, sizes }) =>
    bytes(8 + 8 * SHMEM_SIZES, (view) => {
      view.setUint32(0, count, true);
      view.setUint32(4, padding, true);
      sizes.slice(0, SHMEM_SIZES).forEach((size, i) => view.setBigUint64(8 + 8 * i, size, true));
    }),
};

const customMmap: PayloadCodec<PayloadOf<"custom-mmap">> = {
  size: 16,
  read: (view) => ({
    kind: "custom-mmap",
    flags: view.getBigUint64(0, true),
    value: view.getBigUint64(8, true),
  }),
  write: ({ flags, value }) => pair(flags, value),
};

function pair(first: bigint, second: bigint): Uint8Array {
  return bytes(16, (view) => {
    view.setBigUint64(0, first, true);
    view.setBigUint64(8, second, true);
  });
}

const CODECS: { readonly [K in PayloadKind]: PayloadCodec<PayloadOf<K>> } = {
  empty: { size: 0, read: () => ({ kind: "empty" }), write: () => NOTHING },
  u64: {
    size: 8,
    read: (view) => ({ kind: "u64", value: view.getBigUint64(0, true) }),
    write: ({ value }) => bytes(8, (view) => view.setBigUint64(0, value, true)),
  },
  "vring-fd": vringFd,
  "vring-state": vringState,
  "vring-address": vringAddress,
  "memory-table": memoryTable,
  "single-region": singleRegion,
  log,
  iotlb,
  config,
  "vring-area": vringArea,
  inflight,
  "shared-object": sharedObject,
  "device-state": deviceState,
  mmap,
  "shmem-config": shmemConfig,
  "custom-mmap": customMmap,
  bytes: {
    size: 0,
    read: (view) => ({
      kind: "bytes",
      bytes: slice(view, 0, Math.min(view.byteLength, LIMIT.payload)),
    }),
    write: (payload) => payload.bytes.slice(),
  },
};
