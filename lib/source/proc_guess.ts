/**
 * Where the guest's memory could be in a process that says nothing of it: for a scan that looks for
 * rings, which is content with a guess. Nothing else may use it.
 *
 * What is large, writable and no code is taken for RAM: a shared file, by its offsets, or private
 * memory. The largest first, they are put one after the other as an x86 machine has its RAM:
 *
 * ```text
 * mappings       [ the largest                 ][ the next  ]
 * guest          0                3 GiB     4 GiB
 *                [ low            )  no RAM [ the rest         …
 * ```
 *
 * @module
 */
import { O_ACCMODE, O_PATH, O_WRONLY } from "../../ffi/constants.ts";
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";
import type { Layout, LayoutMemory } from "./layout.ts";
import type { LayoutBytes } from "./layout_bytes.ts";
import { untrustedOwner } from "./proc_memory.ts";
import {
  fileKey,
  type MapsEntry,
  readFdLinks,
  readMaps,
  type Stretch,
  stretches,
} from "./proc_maps.ts";

/** Smaller mappings are stacks, buffers and video memory. */
const LEAST = 16n << 20n;
/** Mappings that are taken: a guest has a few, a hostile process has as many as it likes. */
const MOST = 16;
/** Mappings among which those are chosen. */
const CANDIDATES = 256;
/** Where RAM below 4 GiB ends, and where it goes on. */
const HOLE = { start: 3n << 30n, end: 4n << 30n } as const;

/** How the addresses came about, for people. */
const GUESSED =
  "the process does not say where its guest's memory is: guest addresses are guessed from its large " +
  "mappings, as an x86 machine has its RAM (up to 3 GiB, the rest from 4 GiB on)";

/** What was guessed, and what is to be said of it. */
export interface Guess {
  /** Without rings; without memory where nothing could be RAM. */
  readonly layout: Layout;
  /** For people. */
  readonly warnings: readonly string[];
}

/** Guesses. Throws `SyscallError` where the process may not be looked at. */
export function guessLayout(sys: Sys, pid: number): Guess {
  const entries = readMaps(sys, pid);
  const process = { sys, pid, entries, links: readFdLinks(sys, pid) };
  const warnings = [GUESSED];
  let linear = 0n;
  const memory = likelyRam(entries).flatMap((stretch, n) => {
    const bytes = bytesOf(process, stretch);
    if (bytes === null) {
      warnings.push(leftOut(stretch));
      return [];
    }
    const offset = bytes.kind === "address" ? 0 : stretch.shared?.offset ?? 0;
    const parts = placed(linear, stretch.length)
      .map((part) => entryOf(bytes, offset, part, `memory[${n}]`));
    linear += stretch.length;
    return parts;
  });
  return { layout: { name: "", kind: "", memory, devices: [] }, warnings };
}

function leftOut({ length, entry }: Stretch): string {
  return `${
    length >> 20n
  } MiB of ${entry.path} are left out: no fd by which they can be read is open, ` +
    "and reading them through the process would fill the file";
}

function likelyRam(entries: readonly MapsEntry[]): Stretch[] {
  const large = entries.filter(({ readable, writable, executable, path }) =>
    readable && writable && !executable && (path === "" || path.startsWith("/"))
  );
  const shared = stretches(large.filter((one) => one.shared), 0n, 1n << 64n);
  const own = large.filter((one) => !one.shared)
    .flatMap((one) => stretches([one], one.start, one.end - one.start));
  const likely = [...shared, ...own].filter(({ length }) => length >= LEAST)
    .sort((a, b) => Number(b.length - a.length)).slice(0, CANDIDATES);
  return largestFirst(once(likely)).slice(0, MOST);
}

/** What is mapped of one file counts together, and stays in the order of the file. */
function largestFirst(list: readonly Stretch[]): Stretch[] {
  const groups = Map.groupBy(list, (one) => one.shared === null ? one : fileKey(one.shared.file));
  const size = (group: readonly Stretch[]) => group.reduce((sum, { length }) => sum + length, 0n);
  const byOffset = (a: Stretch, b: Stretch) => (a.shared?.offset ?? 0) - (b.shared?.offset ?? 0);
  return [...groups.values()].sort((a, b) => Number(size(b) - size(a)))
    .flatMap((group) => group.sort(byOffset));
}

/** Each part of a file once: some VMMs map their RAM a second time. */
function once(list: readonly Stretch[]): Stretch[] {
  const seen: Stretch[] = [];
  for (const one of list) if (!seen.some((other) => meets(one, other))) seen.push(one);
  return seen;
}

function meets(a: Stretch, b: Stretch): boolean {
  if (a.shared === null || b.shared === null) return false;
  const [from, to] = [a.shared.offset, b.shared.offset];
  return fileKey(a.shared.file) === fileKey(b.shared.file) &&
    from < to + Number(b.length) && to < from + Number(a.length);
}

/** A process that is looked at. */
interface Looked {
  readonly sys: Sys;
  readonly pid: number;
  readonly entries: readonly MapsEntry[];
  readonly links: ReadonlyMap<number, string>;
}

/**
 * The fd, where the process has one and we may take its word for it; the memfd's name where it was
 * closed; the address of private memory. Null where only the address of a shared file is known.
 */
function bytesOf(process: Looked, stretch: Stretch): LayoutBytes | null {
  const { sys, pid } = process;
  if (stretch.shared === null) return { kind: "address", address: stretch.address };
  const memfd = /^\/memfd:(.+) \(deleted\)$/.exec(stretch.entry.path);
  // Of somebody else's process nothing but a memfd is opened: see `proc_memory.ts`.
  if (memfd === null && untrustedOwner(sys, pid) !== null) return null;
  const fd = readableFd(process, stretch);
  if (fd !== null) return { kind: "fd", fd };
  return memfd !== null && isOnly(process, stretch) ? { kind: "memfd", name: memfd[1] } : null;
}

/** An fd of the file behind a stretch, by which it can be read. */
function readableFd({ sys, pid, links }: Looked, { shared, entry }: Stretch): number | null {
  for (const [fd, link] of links) {
    if (link !== entry.path) continue;
    const stat = attempt(() => sys.stat(`/proc/${pid}/fd/${fd}`));
    if (stat === null || stat.inode !== shared?.file.inode || stat.size === 0) continue;
    if (canRead(attempt(() => sys.readText(`/proc/${pid}/fdinfo/${fd}`)) ?? "")) return fd;
  }
  return null;
}

function canRead(fdinfo: string): boolean {
  const flags = parseInt(/^flags:\s*([0-7]+)$/m.exec(fdinfo)?.[1] ?? "", 8);
  return !Number.isNaN(flags) && (flags & O_PATH) === 0 && (flags & O_ACCMODE) !== O_WRONLY;
}

/** Whether nothing else of the process has the name of a memfd that was closed. */
function isOnly({ entries, links }: Looked, { entry }: Stretch): boolean {
  const files = new Set(
    entries.flatMap(({ path, file }) => path === entry.path && file !== null ? fileKey(file) : []),
  );
  return files.size === 1 && ![...links.values()].includes(entry.path);
}

interface Part {
  readonly gpa: bigint;
  readonly size: bigint;
  /** Bytes of the mapping before it. */
  readonly before: bigint;
}

/** [linear, linear + length) of all RAM, cut where the hole below 4 GiB begins. */
function placed(linear: bigint, length: bigint): Part[] {
  const low = linear >= HOLE.start ? 0n : HOLE.start - linear;
  const here = low < length ? low : length;
  const parts = [
    { gpa: linear, size: here, before: 0n },
    { gpa: linear + here - HOLE.start + HOLE.end, size: length - here, before: here },
  ];
  return parts.filter(({ size }) => size > 0n);
}

function entryOf(bytes: LayoutBytes, offset: number, part: Part, path: string): LayoutMemory {
  const { gpa, size, before } = part;
  const common = { gpa, size, user: null, name: "guessed", path };
  return bytes.kind === "address"
    ? { ...common, bytes: { ...bytes, address: bytes.address + before }, offset: 0 }
    : { ...common, bytes, offset: offset + Number(before) };
}
