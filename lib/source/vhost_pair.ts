/**
 * A front-end and a back-end that are connected already, looked at from outside: which memory they
 * share, which eventfds, and where the front-end has the memory. Where the rings are went over the
 * socket when nobody listened, so that is said to be missing.
 *
 * Guest addresses are not in /proc either. The offset in its file stands in for a region's guest
 * address; that is right for memory below a machine's hole, and for one region, and said in a note.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { hex } from "../address.ts";
import { SourceError } from "../errors.ts";
import type { Device } from "../guest/guest.ts";
import { parseEventfd } from "../kick/take_eventfd.ts";
import { attempt } from "./attempt.ts";
import { attachLayout } from "./layout_memory.ts";
import { parseLayout } from "./layout.ts";
import { openProcessBytes } from "./proc_memory.ts";
import { fileKey, type MapsEntry, readFdLinks, readMaps, stretches } from "./proc_maps.ts";
import type { Attachment, AttachOptions, Target } from "./source.ts";
import { allPids } from "./unix_listener.ts";

/** Whom to look at. */
export interface PairOptions {
  readonly target: Target;
  readonly options: AttachOptions;
  /** The process that listens on the socket. */
  readonly listener: number;
}

/** A file that both have, and where the one that is not the listener maps it. */
export interface SharedFile {
  /** The process whose fd or mapping opens it. */
  readonly pid: number;
  /** fd number there; null where only a mapping is left. */
  readonly fd: number | null;
  readonly path: string;
  /** Mappings in the peer: user addresses, if the peer is the front-end. */
  readonly mappings: readonly { address: bigint; length: bigint; offset: number }[];
}

/** What two processes share. */
export interface Pair {
  readonly listener: number;
  readonly peer: number;
  readonly files: readonly SharedFile[];
  /** Eventfds that both hold: kernel id, and fd numbers in the listener and in the peer. */
  readonly eventfds: readonly { id: number; listenerFd: number; peerFd: number }[];
}

/** Attaches what can be found. Throws SourceError where no memory is shared with anybody. */
// deno-lint-ignore require-await
export async function attachPair({ target, options, listener }: PairOptions): Promise<Attachment> {
  const { sys, log, write } = options;
  const pair = findPair(sys, listener);
  if (pair === null) throw nothing(target, listener);
  log(`process ${pair.peer} shares ${pair.eventfds.length} eventfds with ${listener}`);
  const memory = memoryEntries(pair);
  if (memory.length === 0) throw nothing(target, listener);
  const layout = parseLayout(JSON.stringify({ format: "ring-image/1", memory, devices: [] }));
  const open = openProcessBytes({ sys, pid: pair.peer, write, layout: null, log });
  const attachment = attachLayout({
    target,
    write,
    name: `memory shared by ${pair.peer} and ${listener}`,
    pid: null,
    load: () => layout,
    open,
  });
  const device = deviceOf(pair, target);
  return withDevice(attachment, device);
}

/** The process that shares memory and the most eventfds with the listener; null for none. */
export function findPair(sys: Sys, listener: number): Pair | null {
  const own = eventfdsOf(sys, listener);
  const files = sharedFiles(attempt(() => readMaps(sys, listener)) ?? []);
  const candidates = allPids(sys).filter((pid) => pid !== listener && pid !== sys.pid)
    .flatMap((pid) => candidate(sys, { pid, listener, own, files }));
  candidates.sort((a, b) => b.eventfds.length - a.eventfds.length);
  return candidates.at(0) ?? null;
}

interface Search {
  readonly pid: number;
  readonly listener: number;
  readonly own: ReadonlyMap<number, number>;
  /** Keys of the listener's shared files. */
  readonly files: ReadonlySet<string>;
}

function candidate(sys: Sys, { pid, listener, own, files }: Search): Pair[] {
  const eventfds = [...eventfdsOf(sys, pid)].flatMap(([id, peerFd]) => {
    const listenerFd = own.get(id);
    return listenerFd === undefined ? [] : [{ id, listenerFd, peerFd }];
  });
  if (eventfds.length === 0) return [];
  const maps = attempt(() => readMaps(sys, pid)) ?? [];
  return [{ listener, peer: pid, eventfds, files: filesOf(sys, pid, maps, files) }];
}

/** Kernel id → fd of every eventfd that a process holds. */
function eventfdsOf(sys: Sys, pid: number): Map<number, number> {
  const links = attempt(() => readFdLinks(sys, pid)) ?? new Map<number, string>();
  const ids = new Map<number, number>();
  for (const [fd, link] of links) {
    if (link !== "anon_inode:[eventfd]") continue;
    const info = attempt(() => sys.readText(`/proc/${pid}/fdinfo/${fd}`));
    const id = info === null ? null : parseEventfd(info)?.id ?? null;
    if (id !== null) ids.set(id, fd);
  }
  return ids;
}

/** Files mapped shared and writable: memory that may be a guest's. */
function sharedFiles(maps: readonly MapsEntry[]): Set<string> {
  const shared = maps.filter((entry) => entry.shared && entry.writable && entry.file !== null);
  return new Set(shared.map((entry) => fileKey(entry.file as NonNullable<MapsEntry["file"]>)));
}

/** Files of `keys` that a process maps, with an fd that opens each where it still has one. */
function filesOf(
  sys: Sys,
  pid: number,
  maps: readonly MapsEntry[],
  keys: ReadonlySet<string>,
): SharedFile[] {
  const links = attempt(() => readFdLinks(sys, pid)) ?? new Map<number, string>();
  const groups = Map.groupBy(
    maps.filter(({ file, shared }) => shared && file !== null && keys.has(fileKey(file))),
    ({ file }) => fileKey(file as NonNullable<MapsEntry["file"]>),
  );
  return [...groups.values()].map((entries) => {
    const { path, file } = entries[0];
    const first = entries[0].start;
    const last = entries[entries.length - 1].end;
    const mappings = stretches(maps, first, last - first).flatMap(({ address, length, shared }) =>
      shared !== null && file !== null && fileKey(shared.file) === fileKey(file)
        ? [{ address, length, offset: shared.offset }]
        : []
    );
    const fd = [...links].find(([number, link]) =>
      link === path && attempt(() => sys.stat(`/proc/${pid}/fd/${number}`).inode) === file?.inode
    );
    return { pid, fd: fd?.[0] ?? null, path, mappings };
  });
}

/**
 * Regions by file offset, as entries of a layout. Of mappings that show the same bytes, all or some of
 * them, the first in the file counts.
 */
export function memoryEntries({ files }: Pick<Pair, "files">): Record<string, unknown>[] {
  let base = 0n;
  return files.filter(({ fd }) => fd !== null).flatMap(({ fd, mappings }) => {
    let end = 0;
    const distinct = mappings.toSorted((a, b) => a.offset - b.offset).filter((one) => {
      const apart = one.offset >= end;
      if (apart) end = one.offset + Number(one.length);
      return apart;
    });
    const entries = distinct.map(({ address, length, offset }) => ({
      fd,
      gpa: hex(base + BigInt(offset)),
      size: hex(length),
      offset,
      user_address: hex(address),
    }));
    // The next file's regions stand behind this one's.
    base += BigInt(Math.max(...distinct.map(({ offset, length }) => offset + Number(length)), 0));
    base = (base + 0xfff_ffffn) & ~0xfff_ffffn;
    return entries;
  });
}

/** A device without rings, which says what is missing and what was found in its place. */
function deviceOf({ peer, listener, eventfds }: Pair, { what }: Target): Device {
  const fds = eventfds.map(({ id, peerFd, listenerFd }) =>
    `eventfd ${id} (fd ${peerFd} of ${peer}, fd ${listenerFd} of ${listener})`
  );
  const note =
    "ring addresses and sizes, features and guest addresses went over the socket before " +
    `we came: guest addresses shown are offsets in the file. Shared: ${fds.join(", ")}. ` +
    "Start the pair anew through guestmem tap to see its rings";
  const bus = { kind: "vhost-user", id: what } as const;
  const common = { name: "dev0", type: 0, status: null, features: 0n, vhost: "vhost-user" };
  return { ...common, bus, queues: [], note };
}

function withDevice(attachment: Attachment, device: Device): Attachment {
  return {
    target: attachment.target,
    get memory() {
      return attachment.memory;
    },
    get writable() {
      return attachment.writable;
    },
    devices: [device],
    note: device.note,
    refresh: () => attachment.refresh(),
    [Symbol.asyncDispose]: () => attachment[Symbol.asyncDispose](),
  };
}

function nothing({ what }: Target, listener: number): SourceError {
  const text = `no process that we may see shares memory and eventfds with ${listener} on ${what}`;
  const remedy = `start the pair anew through guestmem tap NEW ${what}`;
  return new SourceError("vhost", "find pair", "not-found", text, remedy);
}
