/**
 * What QEMU's human monitor tells about memory: `info mtree -f` and `gpa2hva`.
 *
 * ```text
 * FlatView #2
 *  AS "memory", root: system
 *  Root memory region: system
 *   0000000000000000-00000000000bffff (prio 0, ram): ram0
 *   00000000000c0000-00000000000c0fff (prio 0, rom): ram0 @00000000000c0000
 *   00000000b0000000-00000000bfffffff (prio 0, i/o): pcie-mmcfg-mmio
 * ```
 *
 * Formats: QEMU 7.2 to 11.1, softmmu/memory.c and monitor/misc.c; seen with 7.2 and 10.0.
 *
 * @module
 */

/** A guest range with memory behind it. */
export interface FlatRange {
  /** Guest physical address of its first byte. */
  readonly start: bigint;
  /** Guest physical address after its last byte. */
  readonly end: bigint;
  /** Only what the guest can not write is `false`: ROM, and RAM shadowed as ROM. */
  readonly writable: boolean;
  /** Memory region's name: `ram0`, `pc.bios`. */
  readonly name: string;
  /** Offset of the range's first byte in that memory region. */
  readonly offset: bigint;
}

/** Ranges taken from one answer at most: a guest with 256 DIMMs has about 1,100. */
const RANGE_LIMIT = 65536;

/** Kinds with memory behind them. Not `ramd`: another device's registers, mapped through. */
const MEMORY_KINDS = new Set(["ram", "rom", "romd", "nv-ram"]);

const LINE =
  /^ {2}([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?[0-9]+, ([^)]+)\): (.+?)(?: @([0-9a-f]{16}))?(?: KVM)?$/;

/**
 * The RAM and ROM of the address space `memory`, sorted, neighbours of one memory region joined. Null
 * where the text holds no such address space. Bounded: at most 65536 ranges.
 */
export function parseFlatView(text: string): FlatRange[] | null {
  const views = text.replaceAll("\r", "").split(/^FlatView #/m);
  const view = views.find((part) => /^ AS "memory"(,|$)/m.test(part));
  if (view === undefined) return null;
  const ranges: FlatRange[] = [];
  for (const line of view.split("\n")) {
    const range = parseRange(line);
    if (range !== null) append(ranges, range);
    if (ranges.length >= RANGE_LIMIT) break;
  }
  return ranges;
}

/**
 * The host virtual address in an answer to `gpa2hva`, or null where there is no memory. Text:
 * `Host virtual address for 0x0 (ram0) is 0x7f3047fff000`.
 */
export function parseHostAddress(text: string): bigint | null {
  const match = /^Host virtual address for .* is (?:0x)?([0-9a-f]{1,16})\s*$/s.exec(text);
  return match === null ? null : BigInt("0x" + match[1]);
}

function parseRange(line: string): FlatRange | null {
  const match = LINE.exec(line);
  if (match === null || !MEMORY_KINDS.has(match[3])) return null;
  const start = BigInt("0x" + match[1]);
  const end = BigInt("0x" + match[2]) + 1n;
  if (end <= start) return null;
  const writable = match[3] === "ram" || match[3] === "nv-ram";
  return { start, end, writable, name: match[4], offset: BigInt("0x" + (match[5] ?? "0")) };
}

/**
 * Joins what a shadowed BIOS splits below 1 MiB. The join is writable where any part is: the bytes
 * are RAM, and only the guest's view of them is not.
 */
function append(ranges: FlatRange[], range: FlatRange): void {
  const last = ranges.at(-1);
  const follows = last !== undefined && last.end === range.start && last.name === range.name &&
    last.offset + (last.end - last.start) === range.offset;
  if (!follows) ranges.push(range);
  else {
    const writable = last.writable || range.writable;
    ranges[ranges.length - 1] = { ...last, end: range.end, writable };
  }
}
