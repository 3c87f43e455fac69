/**
 * Who listens on a Unix socket, by the kernel's table and the open files of processes. Nobody is
 * connected to: that alone would make a back-end or a monitor take us for its client.
 *
 * @module
 */
import { O_PATH, S_IFMT, S_IFSOCK } from "../../ffi/constants.ts";
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";
import { readFdLinks } from "./proc_maps.ts";
import { parseUnixSockets, type UnixSocket } from "./qemu_sockets.ts";

/** What the kernel's table says of a path. */
export interface UnixPath {
  /** Inodes of the sockets that listen there. Two where one was bound after the other's removal. */
  readonly listening: readonly number[];
  /** Inodes of the accepted ends of connections to it. */
  readonly accepted: readonly number[];
}

/** The table's view of the socket at `path`, in our network namespace. */
export function unixPath(sys: Sys, path: string): UnixPath {
  const text = attempt(() => sys.readText("/proc/self/net/unix", 64 << 20)) ?? "";
  const wanted = absolutePath(sys, path);
  const named = socketsCalled(sys, parseUnixSockets(text), wanted);
  return {
    listening: named.filter(({ listening }) => listening).map(({ inode }) => inode),
    accepted: named.filter(({ connected, inode }) => connected && inode !== 0)
      .map(({ inode }) => inode),
  };
}

/** pids that hold a socket of one of `inodes`, ascending; only those whose fds we may see. */
export function holdersOf(sys: Sys, inodes: readonly number[]): number[] {
  return [...holdings(sys, inodes).keys()];
}

/** The same with which of the inodes each holds. */
function holdings(sys: Sys, inodes: readonly number[]): Map<number, readonly number[]> {
  const held = new Map<number, readonly number[]>();
  if (inodes.length === 0) return held;
  const links = new Map(inodes.map((inode) => [`socket:[${inode}]`, inode]));
  for (const pid of allPids(sys)) {
    const own = attempt(() => readFdLinks(sys, pid)) ?? new Map<number, string>();
    const here = [...own.values()].flatMap((link) => links.get(link) ?? []);
    if (here.length > 0) held.set(pid, here);
  }
  return held;
}

/** Every process, ascending. */
export function allPids(sys: Sys): number[] {
  return sys.readdir("/proc").filter((name) => /^[0-9]+$/.test(name)).map(Number)
    .sort((a, b) => a - b);
}

/** A path with its links resolved, as far as it exists; relative ones from our working directory. */
export function absolutePath(sys: Sys, path: string): string {
  const whole = path.startsWith("/") ? path : `${sys.readlink("/proc/self/cwd")}/${path}`;
  const slash = whole.lastIndexOf("/");
  // The folder is opened by whatever links lead to it; /proc tells the name it has in the end.
  const folder = attempt(() => resolved(sys, whole.slice(0, slash) || "/"));
  if (folder === null) return whole;
  return `${folder === "/" ? "" : folder}/${whole.slice(slash + 1)}`;
}

function resolved(sys: Sys, folder: string): string {
  const fd = sys.open(folder, O_PATH);
  try {
    return sys.readlink(`/proc/self/fd/${fd}`);
  } finally {
    sys.close(fd);
  }
}

/** Those of a path. The table has it as it was given to bind. */
function socketsCalled(sys: Sys, all: readonly UnixSocket[], wanted: string): UnixSocket[] {
  const name = wanted.slice(wanted.lastIndexOf("/") + 1);
  const named = all.filter(({ path }) => path.endsWith(name) && path !== "");
  const absolute = named.filter(({ path }) =>
    path.startsWith("/") && (path === wanted || absolutePath(sys, path) === wanted)
  );
  const relative = named.filter(({ path, inode }) =>
    inode !== 0 && wanted.endsWith("/" + path.replace(/^(\.\/)+/, ""))
  );
  if (relative.length === 0 || !isSocket(sys, wanted)) return absolute;
  return [...absolute, ...notElsewhere(sys, relative, wanted)];
}

/**
 * Without the sockets that were bound to a relative path and are others than `wanted`: one is found
 * from where a process that holds it works now. A process may have moved since; then nothing is there.
 * All at once: whoever likes can bind thousands of them.
 */
function notElsewhere(sys: Sys, sockets: readonly UnixSocket[], wanted: string): UnixSocket[] {
  const folders = foldersOf(sys, sockets.map(({ inode }) => inode));
  const places = new Map<string, string | null>();
  const placeOf = (path: string) => {
    const place = places.has(path) ? places.get(path) ?? null : socketAt(sys, path);
    places.set(path, place);
    return place ?? [];
  };
  return sockets.filter(({ path, inode }) => {
    const found = [...folders.get(inode) ?? []].flatMap((folder) => placeOf(`${folder}/${path}`));
    return found.length === 0 || found.includes(wanted);
  });
}

/** Where the processes that hold each socket work now. */
function foldersOf(sys: Sys, inodes: readonly number[]): Map<number, Set<string>> {
  const folders = new Map<number, Set<string>>();
  for (const [pid, held] of holdings(sys, inodes)) {
    const folder = attempt(() => sys.readlink(`/proc/${pid}/cwd`));
    if (folder === null) continue;
    for (const inode of held) folders.set(inode, (folders.get(inode) ?? new Set()).add(folder));
  }
  return folders;
}

function socketAt(sys: Sys, path: string): string | null {
  const place = absolutePath(sys, path);
  return isSocket(sys, place) ? place : null;
}

function isSocket(sys: Sys, path: string): boolean {
  return attempt(() => (sys.stat(path).mode & S_IFMT) === S_IFSOCK) ?? false;
}
