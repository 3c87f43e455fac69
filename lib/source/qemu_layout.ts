/**
 * Where a QEMU has its guest's memory: guest ranges from its monitor, or guessed from its command line
 * and memory map where there is no monitor to ask.
 *
 * @module
 */
import { hex } from "../address.ts";
import { SourceError } from "../errors.ts";
import { type FlatRange, parseFlatView, parseHostAddress } from "../wire/qmp/mtree.ts";
import { fileKey, type MapsEntry } from "./proc_maps.ts";
import { human, humanText, type QmpMonitor } from "./qemu_monitor.ts";
import type { QemuProcess } from "./qemu_process.ts";

/** A guest range and where QEMU has its first byte. */
export interface GuestRange extends FlatRange {
  /** Virtual address in QEMU; the range is contiguous there. */
  readonly host: bigint;
}

/**
 * The RAM and ROM ranges as the monitor tells them: `info mtree -f`, then `gpa2hva` of each start.
 * Throws `SourceError` where this QEMU tells neither.
 */
export async function readRanges(monitor: QmpMonitor): Promise<GuestRange[]> {
  const text = await monitor.human("info mtree -f");
  const flat = text === null ? null : parseFlatView(text);
  if (flat === null) {
    const why = `${monitor.path} does not tell the memory layout (info mtree -f)`;
    throw new SourceError("qemu", "read memory layout", "unsupported", why);
  }
  const replies = await monitor.ask(flat.map(({ start }) => human(`gpa2hva ${hex(start)}`)));
  return flat.flatMap((range, index) => {
    const host = parseHostAddress(humanText(replies[index]) ?? "");
    // A range that went between the two questions, such as a BAR that the guest moves.
    return host === null ? [] : [{ ...range, host }];
  });
}

/** RAM of a machine that is not told otherwise: QEMU's default is 128 MiB. */
const DEFAULT_MEMORY = 128n << 20n;
const GIB = 1n << 30n;
const ABOVE_4G = 4n * GIB;

/**
 * The RAM ranges as far as /proc alone tells them: the memory whose size is that of `-m`, laid out as
 * the machine type does. ROM and hot-plugged memory are not found so. Throws `SourceError` where it is
 * not clear which memory that is.
 */
export function guessRanges(process: QemuProcess, entries: readonly MapsEntry[]): GuestRange[] {
  const size = process.options.memory ?? DEFAULT_MEMORY;
  const start = findRam(entries, size);
  const layout = machineLayout(process, size);
  if (start === null || layout === null) {
    const what = start === null ? `no single memory of ${size} bytes` : "machine type not known";
    const text = `RAM of QEMU ${process.pid} can not be told without its monitor: ${what}`;
    const remedy = "Give the guest a monitor: -qmp unix:PATH,server=on,wait=off";
    throw new SourceError("qemu", "read memory layout", "unsupported", text, remedy);
  }
  return layout.map((part) => ({ ...part, host: start + part.offset, name: "ram" }));
}

/** Where the one shared file, or else the one private mapping, of exactly that size begins. */
function findRam(entries: readonly MapsEntry[], size: bigint): bigint | null {
  const shared = sharedFiles(entries).filter((file) => file.end - file.start === size);
  if (shared.length > 0) return shared.length === 1 ? shared[0].start : null;
  const own = entries.filter((entry) => {
    return !entry.shared && entry.writable && entry.end - entry.start === size;
  });
  return own.length === 1 ? own[0].start : null;
}

/** Shared files that are mapped from their first byte on, without a gap. */
function sharedFiles(entries: readonly MapsEntry[]): { start: bigint; end: bigint }[] {
  const files = new Map<string, { start: bigint; end: bigint }>();
  for (const { file, shared, start, end, offset } of entries) {
    if (file === null || !shared) continue;
    const key = fileKey(file);
    const known = files.get(key);
    if (known === undefined && offset === 0) files.set(key, { start, end });
    else if (known?.end === start && known.start + BigInt(offset) === start) known.end = end;
  }
  return [...files.values()];
}

type LayoutPart = Pick<GuestRange, "start" | "end" | "offset" | "writable">;

/**
 * How a machine lays out its RAM. x86 leaves a hole below 4 GiB: q35 moves what is beyond 2 GiB above
 * it where RAM reaches 2.75 GiB, pc beyond 3 GiB where it reaches 3.5 GiB, microvm beyond 3 GiB (QEMU,
 * hw/i386/{pc_q35,pc_piix,microvm}.c; seen with 7.2). ARM's virt has it at 1 GiB in one piece.
 */
function machineLayout(process: QemuProcess, size: bigint): LayoutPart[] | null {
  const program = process.argv[0] ?? "";
  const machine = process.options.machine ?? "pc";
  // With it the hole is elsewhere.
  if (process.argv.some((arg) => arg.includes("max-ram-below-4g"))) return null;
  if (/qemu-system-(aarch64|arm)$/.test(program) && machine.startsWith("virt")) {
    return [{ start: GIB, end: GIB + size, offset: 0n, writable: true }];
  }
  if (!/(qemu-system-(x86_64|i386)|kvm)$/.test(program)) return null;
  const low = lowMemory(machine, size);
  if (low === null) return null;
  const parts = [{ start: 0n, end: low, offset: 0n, writable: true }];
  const high = { start: ABOVE_4G, end: ABOVE_4G + size - low, offset: low, writable: true };
  return size > low ? [...parts, high] : parts;
}

function lowMemory(machine: string, size: bigint): bigint | null {
  if (machine === "microvm") return size > 3n * GIB ? 3n * GIB : size;
  if (/^(pc-)?q35/.test(machine)) return size >= 0xb000_0000n ? 2n * GIB : size;
  if (/^pc($|-i440fx)/.test(machine)) return size >= 0xe000_0000n ? 3n * GIB : size;
  return null;
}
