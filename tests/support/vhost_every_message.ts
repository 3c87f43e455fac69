/**
 * Every message of vhost-user as a sound peer could send it.
 *
 * @module
 */
import {
  BACK_END_REQUEST,
  BACK_END_SPECS,
  EMPTY,
  FRONT_END_REQUEST,
  FRONT_END_SPECS,
  type Message,
  type Payload,
  type PayloadKind,
  type RequestSpec,
  type Side,
  u64,
  vringFd,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";

const REGION = {
  guestAddress: 0n,
  size: 0x10000n,
  userAddress: 0x7f00_0000_0000n,
  mmapOffset: 0n,
  xen: null,
};

/** A payload of each kind that a sound peer could send. */
const SOUND: { readonly [K in PayloadKind]: Payload } = {
  empty: EMPTY,
  u64: u64(0),
  "vring-fd": vringFd(1),
  "vring-state": vringState(0, 1),
  "vring-address": {
    kind: "vring-address",
    index: 0,
    flags: 0,
    descriptor: REGION.userAddress,
    available: REGION.userAddress + 0x1000n,
    used: REGION.userAddress + 0x2000n,
    log: 0n,
  },
  "memory-table": { kind: "memory-table", padding: 0, regions: [REGION] },
  "single-region": {
    kind: "single-region",
    padding: 0n,
    region: { ...REGION, guestAddress: 1n << 32n, userAddress: 1n << 46n },
  },
  log: { kind: "log", size: 4096n, offset: 0n },
  iotlb: { kind: "iotlb", iova: 0n, size: 4096n, userAddress: 0n, permission: 3, type: 2 },
  config: { kind: "config", offset: 0, size: 4, flags: 0, data: Uint8Array.of(1, 2, 3, 4) },
  "vring-area": { kind: "vring-area", value: 0n, size: 4096n, offset: 0n },
  inflight: { kind: "inflight", mmapSize: 4096n, mmapOffset: 0n, queueCount: 1, queueSize: 64 },
  "shared-object": { kind: "shared-object", uuid: crypto.getRandomValues(new Uint8Array(16)) },
  "device-state": { kind: "device-state", direction: 0, phase: 0 },
  mmap: {
    kind: "mmap",
    shmid: 0,
    padding: new Uint8Array(7),
    fdOffset: 0n,
    shmOffset: 0n,
    length: 4096n,
    flags: 0n,
  },
  "shmem-config": {
    kind: "shmem-config",
    count: 0,
    padding: 0,
    sizes: Array.from({ length: 256 }, () => 0n),
  },
  "custom-mmap": { kind: "custom-mmap", flags: 1n, value: 1n },
  bytes: { kind: "bytes", bytes: Uint8Array.of(1, 2, 3) },
};

/** Every request and every answer of a channel. */
export function everyMessage(origin: Side): [Message, RequestSpec][] {
  const ids: Record<string, number> = origin === "front-end" ? FRONT_END_REQUEST : BACK_END_REQUEST;
  const specs: [string, RequestSpec][] = Object.entries(
    origin === "front-end" ? FRONT_END_SPECS : BACK_END_SPECS,
  );
  const one = (name: string, kind: PayloadKind, reply: boolean): Message => ({
    origin,
    request: ids[name],
    name,
    flags: reply ? 5 : 1,
    reply,
    payload: SOUND[kind],
    rest: new Uint8Array(0),
  });
  return specs.flatMap(([name, spec]): [Message, RequestSpec][] => [
    ...spec.request.map((kind): [Message, RequestSpec] => [one(name, kind, false), spec]),
    ...spec.reply.map((kind): [Message, RequestSpec] => [one(name, kind, true), spec]),
  ]);
}
