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
  const named = parseUnixSockets(text).filter((socket) => isCalled(sys, socket, wanted));
  return {
    listening: named.filter(({ listening }) => listening).map(({ inode }) => inode),
    accepted: named.filter(({ connected, inode }) => connected && inode !== 0)
      .map(({ inode }) => inode),
  };
}

/** pids that hold a socket of one of `inodes`, ascending; only those whose fds we may see. */
export function holdersOf(sys: Sys, inodes: readonly number[]): number[] {
  if (inodes.length === 0) return [];
  const links = new Set(inodes.map((inode) => `socket:[${inode}]`));
  return allPids(sys).filter((pid) => {
    const own = attempt(() => readFdLinks(sys, pid));
    return own !== null && [...own.values()].some((link) => links.has(link));
  });
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

/** The table has the path as it was given to bind. */
function isCalled(sys: Sys, socket: UnixSocket, wanted: string): boolean {
  if (socket.path === "") return false;
  const name = wanted.slice(wanted.lastIndexOf("/") + 1);
  if (!socket.path.endsWith(name)) return false;
  if (socket.path.startsWith("/")) {
    return socket.path === wanted || absolutePath(sys, socket.path) === wanted;
  }
  return wanted.endsWith("/" + socket.path.replace(/^(\.\/)+/, "")) &&
    isSocket(sys, wanted) && !isElsewhere(sys, socket, wanted);
}

/**
 * Whether a socket that was bound to a relative path is another one than `wanted`: one is found from
 * where a process that holds it works now. A process may have moved since; then nothing is there.
 */
function isElsewhere(sys: Sys, { path, inode }: UnixSocket, wanted: string): boolean {
  const found = holdersOf(sys, [inode])
    .map((pid) => attempt(() => sys.readlink(`/proc/${pid}/cwd`)))
    .flatMap((folder) => folder === null ? [] : [absolutePath(sys, `${folder}/${path}`)])
    .filter((place) => isSocket(sys, place));
  return found.length > 0 && !found.includes(wanted);
}

function isSocket(sys: Sys, path: string): boolean {
  return attempt(() => (sys.stat(path).mode & S_IFMT) === S_IFSOCK) ?? false;
}
