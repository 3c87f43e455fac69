/**
 * Requests and responses of block devices (io/blkif.h). Sectors are 512 bytes whatever the device's
 * own size.
 *
 * @module
 */
import { hex } from "../../address.ts";
import type { DecodedRequest, Field } from "../../device/decoder.ts";
import type { Slots } from "./slot_ring.ts";
import type { XenFinding, XenFindingCode, XenRingEntry } from "./snapshot.ts";

const OPERATIONS = [
  "READ",
  "WRITE",
  "WRITE_BARRIER",
  "FLUSH_DISKCACHE",
  "RESERVED_1",
  "DISCARD",
  "INDIRECT",
] as const;
const DISCARD = 5;
const INDIRECT = 6;

const STATUS: { readonly [status: number]: string } = {
  0: "OKAY",
  [-1]: "ERROR",
  [-2]: "EOPNOTSUPP",
};

/** BLKIF_MAX_SEGMENTS_PER_REQUEST. */
const MAX_SEGMENTS = 11;
/** BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST, each of 512 segments. */
const MAX_INDIRECT_PAGES = 8;
const SEGMENTS_PER_PAGE = 512;
/** Last sector of a page. */
const LAST_SECTOR = 7;

/** Where the fields stand: 64-bit fields are aligned to 8 in one ABI, to 4 in the other. */
const LAYOUT = {
  wide: { id: 8, sector: 16, segments: 24, count: 24, indirectHandle: 24, grefs: 28 },
  narrow: { id: 4, sector: 12, segments: 20, count: 20, indirectHandle: 20, grefs: 24 },
} as const;

interface Segment {
  readonly ref: number;
  readonly first: number;
  readonly last: number;
}

/** `READ` for 0; `unknown(9)` for an operation without a name. */
export function blkifOperation(operation: number): string {
  return OPERATIONS[operation] ?? `unknown(${operation})`;
}

/** Requests in their slots. */
export function decodeBlkifRequest(slots: Slots): XenRingEntry[] {
  return Array.from({ length: slots.count }, (_, n) => {
    const index = (slots.first + n) >>> 0;
    const layout = slots.abi === "x86_32-abi" ? LAYOUT.narrow : LAYOUT.wide;
    const { request, faults } = decodeRequest(slots.at(n), layout);
    const findings = faults.map(([code, text]): XenFinding => ({
      ...{ code, place: `request ${index}`, section: "io/blkif.h", text },
    }));
    return { index, slot: index & (slots.size - 1), state: "outstanding", request, findings };
  });
}

/** Responses in their slots: `id`, `operation` and `status` stand alike in both ABIs. */
export function decodeBlkifResponse(slots: Slots): XenRingEntry[] {
  return Array.from({ length: slots.count }, (_, n) => {
    const view = slots.at(n);
    const index = (slots.first + n) >>> 0;
    const id = hex(view.getBigUint64(0, true));
    const type = blkifOperation(view.getUint8(8));
    const status = view.getInt16(10, true);
    const name = STATUS[status] ?? `status ${status}`;
    const fields = { id, operation: type, status: name };
    const request = { device: "vbd", type, summary: `${type} ${name} id ${id}`, fields, notes: [] };
    return { index, slot: index & (slots.size - 1), state: "answered", request, findings: [] };
  });
}

type Fault = readonly [XenFindingCode, string];
type Layout = typeof LAYOUT.wide | typeof LAYOUT.narrow;
interface Decoded {
  readonly request: DecodedRequest;
  readonly faults: readonly Fault[];
}

function decodeRequest(view: DataView, layout: Layout): Decoded {
  const operation = view.getUint8(0);
  const base = {
    id: hex(view.getBigUint64(layout.id, true)),
    sector: hex(view.getBigUint64(layout.sector, true)),
  };
  if (operation === DISCARD) return discard(view, layout, base);
  if (operation === INDIRECT) return indirect(view, layout, base);
  return direct(view, layout, base, operation);
}

function made(
  type: string,
  summary: string,
  fields: { readonly [key: string]: Field },
): DecodedRequest {
  return { device: "vbd", type, summary, fields, notes: [] };
}

type Base = { readonly id: string; readonly sector: string };

function discard(view: DataView, layout: Layout, base: Base): Decoded {
  const count = hex(view.getBigUint64(layout.count, true));
  const secure = (view.getUint8(1) & 1) !== 0;
  const summary = `DISCARD ${count} sectors at ${base.sector}${secure ? ", secure" : ""}`;
  const fields = { ...base, handle: view.getUint16(2, true), sectors: count, secure };
  return { request: made("DISCARD", summary, fields), faults: [] };
}

/** BLKIF_OP_INDIRECT: segments stand in granted pages; how many bytes is not to be seen here. */
function indirect(view: DataView, layout: Layout, base: Base): Decoded {
  const operation = view.getUint8(1);
  const count = view.getUint16(2, true);
  const pages = Math.min(Math.ceil(count / SEGMENTS_PER_PAGE), MAX_INDIRECT_PAGES);
  const refs = Array.from(
    { length: pages },
    (_, i) => view.getUint32(layout.grefs + 4 * i, true),
  );
  const name = blkifOperation(operation);
  const fields = {
    ...base,
    ...{ operation: name, handle: view.getUint16(layout.indirectHandle, true), segments: count },
    indirectReferences: refs,
  };
  const faults: Fault[] = [];
  if (count === 0 || count > SEGMENTS_PER_PAGE * MAX_INDIRECT_PAGES) {
    faults.push(["segment-count", `${count} indirect segments`]);
  }
  if (operation > 1) faults.push(["unknown-operation", `indirect operation ${operation}`]);
  const summary = `INDIRECT ${name} of ${count} segments at ${base.sector}`;
  return { request: made("INDIRECT", summary, fields), faults };
}

function direct(view: DataView, layout: Layout, base: Base, operation: number): Decoded {
  const count = view.getUint8(1);
  const segments = Array.from(
    { length: Math.min(count, MAX_SEGMENTS) },
    (_, i) => segmentAt(view, layout.segments + 8 * i),
  );
  const sectors = segments.reduce((sum, { first, last }) => sum + Math.max(0, last - first + 1), 0);
  const type = blkifOperation(operation);
  const fields = {
    ...base,
    ...{ handle: view.getUint16(2, true), bytes: sectors * 512 },
    segments: segments.map((segment) => ({ ...segment })),
  };
  const summary = `${type} ${sectors * 512} bytes at ${base.sector}`;
  return { request: made(type, summary, fields), faults: directFaults(operation, count, segments) };
}

function segmentAt(view: DataView, at: number): Segment {
  return {
    ref: view.getUint32(at, true),
    first: view.getUint8(at + 4),
    last: view.getUint8(at + 5),
  };
}

function directFaults(operation: number, count: number, segments: readonly Segment[]): Fault[] {
  const faults: Fault[] = [];
  if (operation >= OPERATIONS.length || operation === 4) {
    faults.push(["unknown-operation", `operation ${operation}`]);
  }
  if (count > MAX_SEGMENTS || count === 0 && operation < 2) {
    faults.push(["segment-count", `${count} segments, at most ${MAX_SEGMENTS}`]);
  }
  segments.forEach(({ first, last, ref }, i) => {
    if (first > last || last > LAST_SECTOR) {
      faults.push(["range-invalid", `segment ${i} has sectors ${first} to ${last} of a page`]);
    }
    if (ref < 8) faults.push(["reference-invalid", `segment ${i} has reserved reference ${ref}`]);
  });
  return faults;
}
