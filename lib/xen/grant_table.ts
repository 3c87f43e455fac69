/**
 * Decodes a domain's grant table, versions 1 and 2. Source: Xen's public `grant_table.h`.
 *
 * @module
 */

/** What an entry grants. `sub-page` and `transitive` exist in version 2 only. */
export type GrantType = "free" | "access" | "transfer" | "transitive";

/** One used entry. What the guest wrote is not checked: it is shown as it stands. */
export interface GrantEntry {
  readonly ref: number;
  readonly type: GrantType;
  /** Bits of the flags by the header's names without `GTF_`, lower case: `readonly`, `reading`. */
  readonly flags: readonly string[];
  /** The domain it is granted to. */
  readonly domain: number;
  /** The granting domain's frame: machine frame (PV) or guest frame; null for `transitive`. */
  readonly frame: bigint | null;
  /** Part of the page, for sub-page grants. */
  readonly part: { readonly offset: number; readonly length: number } | null;
  /** The grant that is passed on, for transitive grants. */
  readonly through: { readonly domain: number; readonly ref: number } | null;
  /** The domain that has it mapped now (reading or writing), or null. */
  readonly mappedBy: number | null;
}

/** A decoded table. */
export interface GrantTable {
  readonly version: 1 | 2;
  /** Frames it has now. */
  readonly frames: number;
  /** Frames it may have: at this limit a guest can grant nothing more, and stops. */
  readonly maxFrames: number;
  /** Entries in all frames. */
  readonly capacity: number;
  /** Used entries, by reference. */
  readonly entries: readonly GrantEntry[];
}

/** Bytes of the table as they were copied. */
export interface GrantTableBytes {
  readonly version: number;
  readonly frames: number;
  readonly maxFrames: number;
  readonly shared: Uint8Array;
  /** Status words, u16 per entry; version 2 only. */
  readonly status: Uint8Array | null;
}

const TYPES = ["free", "access", "transfer", "transitive"] as const;
const TYPE_MASK = 3;
/** GTF_*: for `transfer` two of the bits mean something else. */
const ACCESS_FLAGS: readonly (readonly [number, string])[] = [
  [0x4, "readonly"],
  [0x8, "reading"],
  [0x10, "writing"],
  [0x20, "pwt"],
  [0x40, "pcd"],
  [0x80, "pat"],
  [0x100, "sub_page"],
];
const TRANSFER_FLAGS: readonly (readonly [number, string])[] = [
  [0x4, "transfer_committed"],
  [0x8, "transfer_completed"],
];
const SUB_PAGE = 0x100;
const READING_WRITING = 0x18;

/** Bytes of an entry, and entries per 4 KiB frame. */
export const ENTRY_SIZE = { 1: 8, 2: 16 } as const;
/** Status words per 4 KiB frame. */
export const STATUS_PER_FRAME = 2048;
/** References 0 to 7 are set up by the toolstack. */
export const RESERVED_REFS: readonly string[] = ["console", "xenstore"];

/** A version other than 2 is read as 1, which 0 (never set) means too. */
function knownVersion(version: number): 1 | 2 {
  return version === 2 ? 2 : 1;
}

/** Decodes the bytes, of either version. */
export function decodeGrantTable(bytes: GrantTableBytes): GrantTable {
  const version = knownVersion(bytes.version);
  const size = ENTRY_SIZE[version];
  const { shared, status, frames, maxFrames } = bytes;
  const view = new DataView(shared.buffer, shared.byteOffset, shared.byteLength);
  const capacity = Math.floor(shared.length / size);
  const entries: GrantEntry[] = [];
  for (let ref = 0; ref < capacity; ref++) {
    if ((view.getUint16(ref * size, true) & TYPE_MASK) === 0) continue;
    entries.push(
      version === 1 ? decodeV1(view, ref) : decodeV2(view, ref, statusOf(status, ref)),
    );
  }
  return { version, frames, maxFrames, capacity, entries };
}

function statusOf(status: Uint8Array | null, ref: number): number {
  if (status === null || ref * 2 + 2 > status.length) return 0;
  return status[ref * 2] | (status[ref * 2 + 1] << 8);
}

function common(flags: number, state: number, domain: number) {
  const type = TYPES[flags & TYPE_MASK];
  const names = type === "transfer" ? TRANSFER_FLAGS : ACCESS_FLAGS;
  const all = type === "transfer" ? flags : flags & ~READING_WRITING | state;
  const mapped = type !== "transfer" && (state & READING_WRITING) !== 0;
  return {
    type,
    flags: names.filter(([bit]) => (all & bit) !== 0).map(([, name]) => name),
    domain,
    mappedBy: mapped ? domain : null,
  };
}

/** struct grant_entry_v1: flags u16, domid u16, frame u32. */
function decodeV1(view: DataView, ref: number): GrantEntry {
  const at = ref * ENTRY_SIZE[1];
  const flags = view.getUint16(at, true);
  return {
    ref,
    ...common(flags, flags & READING_WRITING, view.getUint16(at + 2, true)),
    frame: BigInt(view.getUint32(at + 4, true)),
    part: null,
    through: null,
  };
}

/** union grant_entry_v2: the header, then one of three forms; its state stands in a status word. */
function decodeV2(view: DataView, ref: number, status: number): GrantEntry {
  const at = ref * ENTRY_SIZE[2];
  const flags = view.getUint16(at, true);
  const head = common(flags, status & READING_WRITING, view.getUint16(at + 2, true));
  const [low, high] = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
  if (head.type === "transitive") {
    const through = { domain: low, ref: view.getUint32(at + 8, true) };
    return { ref, ...head, frame: null, part: null, through };
  }
  const part = (flags & SUB_PAGE) !== 0 ? { offset: low, length: high } : null;
  return { ref, ...head, frame: view.getBigUint64(at + 8, true), part, through: null };
}

/** The entry of a reference; null where it is free. */
export function entryOf({ entries }: GrantTable, ref: number): GrantEntry | null {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle].ref < ref) low = middle + 1;
    else high = middle;
  }
  return entries[low]?.ref === ref ? entries[low] : null;
}

/** How much of a table is in use, without a look at what its entries say. */
export interface GrantUse {
  /** Frames it has now. */
  readonly frames: number;
  /** Frames it may have. */
  readonly maxFrames: number;
  /** Used entries. */
  readonly used: number;
  /** Entries that the table may have in the end. */
  readonly limit: number;
}

/** Counts the used entries of the bytes, as often and as fast as rings are reported on. */
export function countGrants({ version, frames, maxFrames, shared }: GrantTableBytes): GrantUse {
  const known = knownVersion(version);
  const size = ENTRY_SIZE[known];
  const view = new DataView(shared.buffer, shared.byteOffset, shared.byteLength);
  let used = 0;
  for (let at = 0; at + size <= shared.length; at += size) {
    if ((view.getUint16(at, true) & TYPE_MASK) !== 0) used++;
  }
  return { frames, maxFrames, used, limit: entryLimit(known, maxFrames) };
}

/** Entries of a table that has all the frames it may have. */
function entryLimit(version: 1 | 2, maxFrames: number): number {
  return maxFrames * (4096 / ENTRY_SIZE[version]);
}

/** What the operator wants to know of the whole table. */
export interface GrantSummary {
  readonly used: number;
  readonly mapped: number;
  readonly capacity: number;
  readonly frames: number;
  readonly maxFrames: number;
  /** Entries that the table may have in the end. */
  readonly limit: number;
  /** used / limit, 0 to 1. */
  readonly fill: number;
  /** Used entries by grantee. */
  readonly byDomain: readonly { readonly domain: number; readonly used: number }[];
}

/** Counts a table. */
export function summarizeGrants(table: GrantTable): GrantSummary {
  const byDomain = new Map<number, number>();
  for (const { domain } of table.entries) byDomain.set(domain, (byDomain.get(domain) ?? 0) + 1);
  const limit = entryLimit(table.version, table.maxFrames);
  const used = table.entries.length;
  return {
    used,
    mapped: table.entries.filter(({ mappedBy }) => mappedBy !== null).length,
    capacity: table.capacity,
    frames: table.frames,
    maxFrames: table.maxFrames,
    limit,
    fill: limit === 0 ? 0 : used / limit,
    byDomain: [...byDomain].map(([domain, used]) => ({ domain, used }))
      .sort((a, b) => b.used - a.used || a.domain - b.domain),
  };
}

/** A row of references that `domain` may map, in order. */
export interface GrantRun {
  readonly first: number;
  readonly count: number;
  readonly readOnly: boolean;
}

/** The references that `domain` may map, as runs of neighbours with the same rights. */
export function grantedRuns(table: GrantTable, domain: number): GrantRun[] {
  const runs: GrantRun[] = [];
  for (const entry of table.entries) {
    if (entry.type !== "access" || entry.domain !== domain || entry.part !== null) continue;
    const readOnly = entry.flags.includes("readonly");
    const last = runs[runs.length - 1];
    const joins = last !== undefined && last.first + last.count === entry.ref &&
      last.readOnly === readOnly;
    if (joins) runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else runs.push({ first: entry.ref, count: 1, readOnly });
  }
  return runs;
}
