/**
 * Where the frames of a PV guest are: its physical-to-machine table, walked through the hypervisor.
 *
 * ```text
 * getdomaininfo -> shared_info frame -> arch.p2m_cr3 >> 12    arch.p2m_vaddr
 *                                        |  page tables        |
 *                                        L4 -> L3 -> L2 -> L1 -> pages of u64: MFN of each PFN
 * ```
 *
 * Guests from before Linux 4.3 give a list of lists of those pages instead. Source: Xen's public
 * `arch-x86/xen.h` (struct arch_shared_info); Linux `arch/x86/xen/p2m.c`.
 * All of it is the guest's to write: counts are bounded, and a frame that does not map is a hole.
 *
 * @module
 */
import type { DomainInfo } from "../../ffi/xen/hypercall.ts";
import { SourceError } from "../errors.ts";
import { explained, type XenHost } from "./host.ts";

/** struct shared_info of a 64-bit PV guest: offsets of its arch part. */
export const SHARED_INFO = {
  max_pfn: 3088,
  pfn_to_mfn_frame_list_list: 3096,
  p2m_cr3: 3112,
  p2m_vaddr: 3120,
} as const;

/** PFNs that are looked at at most: 512 GiB. */
const PFN_LIMIT = 2 ** 27;
/** PFNs that are looked at of the smallest guest: 4 GiB. */
const PFN_LEAST = 2 ** 20;

const FRAME = 4096;
const PER_PAGE = 512;
/** Page frames of one batch. */
const BATCH = 1024;
const ADDRESS_BITS = (1n << 48n) - 1n;
const FRAME_MASK = 0x000f_ffff_ffff_f000n;
/** Of a p2m entry: foreign and identity frames are not the guest's own memory; all ones is no frame. */
const ENTRY_FLAGS = 0xc000_0000;

/** Machine frame of each guest frame. */
export interface P2m {
  /** By PFN; an entry with one of its two top bits set is no frame of the guest. */
  readonly mfns: BigUint64Array;
  /** What was left out, for the log; empty where nothing was. */
  readonly notes: readonly string[];
}

/** What the hypervisor tells of the domain. */
export type P2mOwner = Pick<DomainInfo, "domain" | "sharedInfoFrame" | "maxPages">;

/**
 * Reads the table. Throws `SourceError` where the guest has none (yet), or it can not be mapped. How
 * many frames there are is the guest's word: twice the pages that it may have are believed.
 */
export function readP2m(host: XenHost, owner: P2mOwner): P2m {
  const { domain } = owner;
  const info = sharedInfo(host, domain, owner.sharedInfoFrame);
  const wide = (offset: number) => info.getBigUint64(offset, true);
  const told = wide(SHARED_INFO.max_pfn);
  const limit = Math.min(PFN_LIMIT, Math.max(PFN_LEAST, 2 * owner.maxPages));
  const count = told > BigInt(limit) ? limit : Number(told);
  if (count === 0) throw noTable(domain, "its kernel has not set it up");
  const leaves = leafFrames(host, domain, wide, Math.ceil(count / PER_PAGE));
  const notes = told > BigInt(limit) ? [`guest claims ${told} frames; ${count} looked at`] : [];
  const { mfns, missing } = readLeaves(host, domain, leaves, count);
  if (missing > 0) notes.push(`${missing} pages of the p2m table can not be mapped`);
  return { mfns, notes };
}

function noTable(domain: number, why: string): SourceError {
  const text = `domain ${domain} has no p2m table: ${why}`;
  const remedy = "let it boot, or map machine frames by number with --frames and --machine";
  return new SourceError("xen", "read p2m", "unsupported", text, remedy);
}

function sharedInfo(host: XenHost, domain: number, frame: bigint): DataView {
  const bytes = new Uint8Array(FRAME);
  explained("map shared_info", () => {
    using frames = host.privcmd.mapFrames(domain, [frame]);
    const errno = frames.copy(0, bytes).errno;
    if (errno !== null) {
      throw noTable(domain, `shared_info frame 0x${frame.toString(16)}: ${errno}`);
    }
  });
  return new DataView(bytes.buffer);
}

/** Frames of the table's pages, by page number; 0n where there is none. */
function leafFrames(
  host: XenHost,
  domain: number,
  field: (offset: number) => bigint,
  count: number,
): BigUint64Array {
  const cr3 = field(SHARED_INFO.p2m_cr3);
  const address = field(SHARED_INFO.p2m_vaddr) & ADDRESS_BITS;
  if (cr3 !== 0n && address % BigInt(FRAME) === 0n) {
    const walk = {
      levels: 4,
      start: Number(address / BigInt(FRAME)),
      count,
      decode: pageTableEntry,
    };
    return descend(host, domain, (cr3 & FRAME_MASK) >> 12n, walk);
  }
  const list = field(SHARED_INFO.pfn_to_mfn_frame_list_list);
  if (list === 0n) throw noTable(domain, "neither p2m_cr3 nor a frame list is set");
  return descend(host, domain, list, { levels: 2, start: 0, count, decode: (entry) => entry });
}

interface Walk {
  readonly levels: number;
  /** First page wanted, in pages of what the root covers. */
  readonly start: number;
  readonly count: number;
  /** Frame of an entry, or null for none. */
  decode(entry: bigint): bigint | null;
}

/** Present, and not a large page: a PV guest has none. */
function pageTableEntry(entry: bigint): bigint | null {
  return (entry & 1n) === 0n ? null : (entry & FRAME_MASK) >> 12n;
}

interface Table {
  readonly frame: bigint;
  /** First page that it covers. */
  readonly first: number;
}

/** Level by level: all tables of one level are mapped together. */
function descend(host: XenHost, domain: number, root: bigint, walk: Walk): BigUint64Array {
  let tables: Table[] = [{ frame: root, first: 0 }];
  for (let level = walk.levels; level > 0; level--) {
    const span = PER_PAGE ** (level - 1);
    const next: Table[] = [];
    readFrames(host, domain, tables.map(({ frame }) => frame), (index, bytes) => {
      if (bytes !== null) collect(bytes, tables[index].first, span, walk, next);
    });
    tables = next;
  }
  const leaves = new BigUint64Array(walk.count);
  for (const { frame, first } of tables) leaves[first - walk.start] = frame;
  return leaves;
}

/** Entries of one table that cover wanted pages. */
function collect(bytes: Uint8Array, first: number, span: number, walk: Walk, next: Table[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME);
  const low = Math.max(0, Math.floor((walk.start - first) / span));
  const high = Math.min(PER_PAGE, Math.ceil((walk.start + walk.count - first) / span));
  for (let i = low; i < high; i++) {
    const frame = walk.decode(view.getBigUint64(i * 8, true));
    if (frame !== null) next.push({ frame, first: first + i * span });
  }
}

function readLeaves(host: XenHost, domain: number, leaves: BigUint64Array, count: number) {
  const bytes = new Uint8Array(leaves.length * FRAME).fill(0xff);
  let missing = 0;
  const present = [...leaves.keys()].filter((i) => leaves[i] !== 0n);
  const frames = present.map((i) => leaves[i]);
  readFrames(host, domain, frames, (index, page) => {
    if (page === null) missing++;
    else bytes.set(page, present[index] * FRAME);
  });
  return { mfns: new BigUint64Array(bytes.buffer, 0, count), missing };
}

/** A copy of each frame, or null for one that does not map. The bytes are valid during the call. */
function readFrames(
  host: XenHost,
  domain: number,
  frames: readonly bigint[],
  take: (index: number, bytes: Uint8Array | null) => void,
): void {
  const page = new Uint8Array(FRAME);
  for (let start = 0; start < frames.length; start += BATCH) {
    const batch = frames.slice(start, start + BATCH);
    explained("map p2m", () => {
      using mapped = host.privcmd.mapFrames(domain, batch);
      batch.forEach((_, i) => {
        const ok = mapped.copy(i * FRAME, page).errno === null;
        take(start + i, ok ? page : null);
      });
    });
  }
}

/** Whether an entry names a machine frame of the guest's own, by its high word. */
export function isOwnFrame(highWord: number): boolean {
  return (highWord & ENTRY_FLAGS) === 0;
}
