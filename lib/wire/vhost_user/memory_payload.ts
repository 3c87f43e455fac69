/**
 * SET_MEM_TABLE, ADD_MEM_REG and REM_MEM_REG: regions of 32 bytes, or of 40 with the Xen fields.
 *
 * ```text
 *            0        8        16       24       32      36      40
 * region     guest    size     user     offset   flags   domid      (flags and domid with XEN_MMAP)
 * table      n,pad    region 0          ...                         n regions, no more
 * single     padding  region
 * ```
 *
 * Which form it is follows from the size alone: n regions are 8 + 32 n or 8 + 40 n bytes, and the
 * two are never equal but for n = 0. So a conversation whose negotiation was not seen decodes too.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import { LIMIT } from "./constants.ts";
import type { PayloadCodec } from "./payload_codec.ts";
import type { MemoryTablePayload, SingleRegionPayload, WireRegion } from "./payload.ts";

/** Bytes of a region in the standard form. */
export const REGION_LENGTH = 32;

/** Bytes of a region with the Xen fields. */
export const XEN_REGION_LENGTH = 40;

const START = 8;

/** Codec of SET_MEM_TABLE. */
export const memoryTable: PayloadCodec<MemoryTablePayload> = {
  size: START,
  read(view) {
    const count = view.getUint32(0, true);
    const padding = view.getUint32(4, true);
    const length = checkedRegionLength(count, view.byteLength);
    const regions = Array.from({ length: count }, (_, i) => read(view, START + i * length, length));
    return { kind: "memory-table", padding, regions };
  },
  write({ padding, regions }) {
    const length = regions.some((region) => region.xen) ? XEN_REGION_LENGTH : REGION_LENGTH;
    const out = new DataView(new ArrayBuffer(START + regions.length * length));
    out.setUint32(0, regions.length, true);
    out.setUint32(4, padding, true);
    regions.forEach((region, i) => write(out, START + i * length, region));
    return new Uint8Array(out.buffer);
  },
};

/** Codec of ADD_MEM_REG and REM_MEM_REG. */
export const singleRegion: PayloadCodec<SingleRegionPayload> = {
  size: START + REGION_LENGTH,
  read(view) {
    const xen = view.byteLength >= START + XEN_REGION_LENGTH;
    const region = read(view, START, xen ? XEN_REGION_LENGTH : REGION_LENGTH);
    return { kind: "single-region", padding: view.getBigUint64(0, true), region };
  },
  write({ padding, region }) {
    const length = region.xen ? XEN_REGION_LENGTH : REGION_LENGTH;
    const out = new DataView(new ArrayBuffer(START + length));
    out.setBigUint64(0, padding, true);
    write(out, START, region);
    return new Uint8Array(out.buffer);
  },
};

/**
 * Length of each of `count` regions in a payload of `size` bytes. Throws where they do not fit: a
 * count that lies must never size a loop. Some senders pad the table to its largest size: a table
 * that is longer than the standard form and is not exactly the Xen form is read as the standard.
 */
function checkedRegionLength(count: number, size: number): number {
  if (count > LIMIT.regions) {
    throw wrong(`at most ${LIMIT.regions} regions`, `${count}`);
  }
  if (size === START + count * XEN_REGION_LENGTH) return XEN_REGION_LENGTH;
  if (size >= START + count * REGION_LENGTH) return REGION_LENGTH;
  throw wrong(
    `${START + count * REGION_LENGTH} or ${
      START + count * XEN_REGION_LENGTH
    } bytes for ${count} regions`,
    `${size} bytes`,
  );
}

function wrong(wanted: string, got: string): ProtocolError {
  return new ProtocolError("vhost-user", "SET_MEM_TABLE", wanted, got);
}

function read(view: DataView, at: number, length: number): WireRegion {
  const u64 = (offset: number) => view.getBigUint64(at + offset, true);
  const xen = length === XEN_REGION_LENGTH
    ? { flags: view.getUint32(at + 32, true), domid: view.getUint32(at + 36, true) }
    : null;
  return {
    guestAddress: u64(0),
    size: u64(8),
    userAddress: u64(16),
    mmapOffset: u64(24),
    xen,
  };
}

function write(view: DataView, at: number, region: WireRegion): void {
  view.setBigUint64(at, region.guestAddress, true);
  view.setBigUint64(at + 8, region.size, true);
  view.setBigUint64(at + 16, region.userAddress, true);
  view.setBigUint64(at + 24, region.mmapOffset, true);
  if (region.xen === null) return;
  view.setUint32(at + 32, region.xen.flags, true);
  view.setUint32(at + 36, region.xen.domid, true);
}
