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
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";
import type { Layout, LayoutMemory } from "./layout.ts";
import type { LayoutBytes } from "./layout_bytes.ts";
import { untrustedOwner } from "./proc_memory.ts";
import {
  fileKey,
  filePath,
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
export const GUESSED =
  "the process does not say where its guest's memory is: guest addresses are guessed from its large " +
  "mappings, as an x86 machine has its RAM (up to 3 GiB, the rest from 4 GiB on)";

/**
 * The layout of what could be RAM, with no rings; no memory where nothing could. Throws
 * `SyscallError` where the process may not be looked at.
 */
export function guessLayout(sys: Sys, pid: number): Layout {
  const entries = readMaps(sys, pid);
  const likely = likelyRam(entries);
  const links = readFdLinks(sys, pid);
  let linear = 0n;
  const memory = likely.flatMap((stretch, n) => {
    const bytes = bytesOf(sys, pid, stretch, links);
    const offset = bytes.kind === "address" ? 0 : stretch.shared?.offset ?? 0;
    const parts = placed(linear, stretch.length)
      .map((part) => entryOf(bytes, offset, part, `memory[${n}]`));
    linear += stretch.length;
    return parts;
  });
  return { name: "", kind: "", memory, devices: [] };
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

/**
 * The fd, where the process has one and we may take its word for it; the memfd's name where it was
 * closed; else the address, by which all of it can be read, more slowly.
 */
function bytesOf(
  sys: Sys,
  pid: number,
  stretch: Stretch,
  links: ReadonlyMap<number, string>,
): LayoutBytes {
  const address = { kind: "address", address: stretch.address } as const;
  if (stretch.shared === null || untrustedOwner(sys, pid) !== null) return address;
  const path = filePath(sys, pid, stretch, links);
  const fd = /\/fd\/([0-9]+)$/.exec(path ?? "");
  if (fd !== null && opens(sys, pid, Number(fd[1]))) return { kind: "fd", fd: Number(fd[1]) };
  const memfd = /^\/memfd:(.+) \(deleted\)$/.exec(stretch.entry.path);
  return memfd === null || path === null ? address : { kind: "memfd", name: memfd[1] };
}

/** Whether a file can be opened anew, and is one. */
function opens(sys: Sys, pid: number, fd: number): boolean {
  return (attempt(() => sys.stat(`/proc/${pid}/fd/${fd}`))?.size ?? 0) > 0;
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
