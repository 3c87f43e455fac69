/**
 * The Xen fields of a region (XEN_MMAP, protocol feature 17), and the draft they came from.
 *
 * Sources: QEMU 11.1 `docs/interop/vhost-user.rst`; rust-vmm vm-memory 0.18 `mmap/xen.rs`. They
 * disagree on one flag: the documentation has "not mappable in advance" at bit 8 (0x100), vm-memory
 * and every back-end built on it at bit 3 (0x8). Both are read.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import type { CustomMmapPayload, WireRegion } from "./payload.ts";

/** Bits of the region's Xen flags. */
export const XEN_REGION_FLAG = {
  /** By guest frame number, through privcmd. */
  FOREIGN: 0x1,
  /** By grant reference, through gntdev. */
  GRANT: 0x2,
  /** Not mappable in advance, as implemented (vm-memory, xen-vhost-frontend). */
  NO_ADVANCE_MAP: 0x8,
  /** The same, as documented. */
  NO_ADVANCE_MAP_DOCUMENTED: 0x100,
} as const;

const NO_ADVANCE = XEN_REGION_FLAG.NO_ADVANCE_MAP | XEN_REGION_FLAG.NO_ADVANCE_MAP_DOCUMENTED;
const KNOWN = XEN_REGION_FLAG.FOREIGN | XEN_REGION_FLAG.GRANT | NO_ADVANCE;

/** How a region is to be mapped. */
export interface XenMapping {
  /** `unix`: an ordinary mapping of the fd. */
  readonly kind: "unix" | "foreign" | "grant";
  /** false: only around each access, page by page. */
  readonly inAdvance: boolean;
  /** The domain whose memory it is; 0 for `unix`. */
  readonly domid: number;
}

/** Meaning of a region's Xen fields; null for the standard form. Throws ProtocolError for nonsense. */
export function xenMapping(region: WireRegion): XenMapping | null {
  if (region.xen === null) return null;
  const { flags, domid } = region.xen;
  const foreign = (flags & XEN_REGION_FLAG.FOREIGN) !== 0;
  const grant = (flags & XEN_REGION_FLAG.GRANT) !== 0;
  const inAdvance = (flags & NO_ADVANCE) === 0;
  if ((flags & ~KNOWN) !== 0) throw wrong("known bits (0x1, 0x2, 0x8, 0x100)", flags);
  if (foreign && grant) throw wrong("foreign (0x1) or grant (0x2), not both", flags);
  if (!inAdvance && !grant) throw wrong("no-advance-map only with grant (0x2)", flags);
  if ((foreign || grant) && region.mmapOffset !== 0n) {
    throw new ProtocolError("vhost-user", "Xen region's mmap offset", "0", `${region.mmapOffset}`);
  }
  return { kind: foreign ? "foreign" : grant ? "grant" : "unix", inAdvance, domid };
}

/** How the draft's CUSTOM_MMAP wants every region of the connection mapped. Both bits: foreign. */
export function customMapping(payload: CustomMmapPayload): XenMapping {
  const kind = payload.flags & 1n ? "foreign" : payload.flags & 2n ? "grant" : "unix";
  return { kind, inAdvance: true, domid: Number(payload.value & 0xffffn) };
}

function wrong(wanted: string, flags: number): ProtocolError {
  const got = `0x${(flags >>> 0).toString(16)}`;
  return new ProtocolError("vhost-user", "Xen region's flags", wanted, got);
}
