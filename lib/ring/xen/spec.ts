/**
 * Constants of the Xen shared rings, under the names of Xen's public headers `io/ring.h`,
 * `io/blkif.h`, `io/netif.h`, `io/console.h` and `io/xs_wire.h`. Offsets are bytes.
 *
 * @module
 */

/** What a shared ring carries. */
export type XenRingKind = "blkif" | "netif-tx" | "netif-rx" | "console" | "xenstore";

/** Which layout the front-end uses: `protocol` in xenstore; only blkif's differ. */
export type XenRingAbi = "x86_64-abi" | "x86_32-abi" | "arm-abi";

/** Header of a request/response ring (DEFINE_RING_TYPES): four u32, then padding. */
export const SRING = { SIZE: 64, req_prod: 0, req_event: 4, rsp_prod: 8, rsp_event: 12 } as const;

/** struct xencons_interface. `in` runs to the guest, `out` from it. */
export const XENCONS = {
  in: 0,
  inSize: 1024,
  out: 1024,
  outSize: 2048,
  in_cons: 3072,
  in_prod: 3076,
  out_cons: 3080,
  out_prod: 3084,
  connection: 3088,
} as const;

/** struct xenstore_domain_interface. `req` runs from the guest, `rsp` to it. */
export const XENSTORE = {
  req: 0,
  rsp: 1024,
  ringSize: 1024,
  req_cons: 2048,
  req_prod: 2052,
  rsp_cons: 2056,
  rsp_prod: 2060,
  server_features: 2064,
  connection: 2068,
  error: 2072,
} as const;

/** Bytes of one slot: the larger of request and response. */
export function slotSize(kind: XenRingKind, abi: XenRingAbi): number {
  if (kind === "netif-tx") return 12;
  if (kind === "netif-rx") return 8;
  return abi === "x86_32-abi" ? 108 : 112;
}

/** Slots of a ring of `bytes` bytes (__RING_SIZE): the largest power of two that fits; 0 if none. */
export function slotCount(kind: XenRingKind, abi: XenRingAbi, bytes: number): number {
  const fit = Math.floor((bytes - SRING.SIZE) / slotSize(kind, abi));
  return fit < 1 ? 0 : 2 ** Math.floor(Math.log2(fit));
}
