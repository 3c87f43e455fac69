/**
 * Which Unix sockets of a QEMU are its monitors: from its command line, else from the kernel's table
 * of sockets.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";
import { readFdLinks } from "./proc_maps.ts";
import type { QemuProcess } from "./qemu_process.ts";

/** A line of /proc/PID/net/unix. */
export interface UnixSocket {
  readonly inode: number;
  readonly path: string;
  readonly listening: boolean;
  readonly connected: boolean;
}

/** A monitor that may be worth a try. */
export interface MonitorSocket {
  /** As we can open it. */
  readonly path: string;
  /** As QEMU bound it, which is how the kernel's table has it. */
  readonly bound: string;
  /** Somebody is connected to it, so that we would not be served. */
  readonly taken: boolean;
}

/** Where a QEMU's monitors are, and why there is none where there is none. */
export interface MonitorSockets {
  /** Free ones first, else in the order of the command line. */
  readonly sockets: readonly MonitorSocket[];
  /** For people; empty where `sockets` is not. */
  readonly note: string;
}

/** Sockets looked at: a large host has some thousands. */
const SOCKET_LIMIT = 1 << 18;
const ACCEPTS = 0x10000;
const CONNECTED = 3;

const LINE =
  /^[0-9a-f]+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]+) [0-9A-F]+ ([0-9A-F]+) +([0-9]+)(?: (.*))?$/;

/**
 * Parses /proc/net/unix: `Num: RefCount Protocol Flags Type St Inode Path` (Linux, net/unix/af_unix.c;
 * __SO_ACCEPTCON is 0x10000, SS_CONNECTED 3).
 */
export function parseUnixSockets(text: string): UnixSocket[] {
  return text.split("\n", SOCKET_LIMIT).flatMap((line) => {
    const match = LINE.exec(line);
    if (match === null) return [];
    const listening = (parseInt(match[1], 16) & ACCEPTS) !== 0;
    const connected = parseInt(match[2], 16) === CONNECTED;
    return [{ inode: Number(match[3]), path: match[4] ?? "", listening, connected }];
  });
}

/** The monitors of a QEMU. Never throws for what may not be read: the note says so. */
export function monitorSockets(sys: Sys, process: QemuProcess): MonitorSockets {
  const table = socketTable(sys, process.pid);
  const told = process.options.monitors.flatMap((place) => {
    if (place.kind === "unix") return [place.path];
    if (place.kind === "fd") return boundPaths(sys, process.pid, table, [place.fd]);
    return [];
  });
  const bound = [...new Set(told.length > 0 ? told : guessed(sys, process, table))];
  const sockets = bound.map((path) => ({
    path: reachable(sys, process.pid, path),
    bound: path,
    taken: isTaken(table, path),
  }));
  sockets.sort((a, b) => Number(a.taken) - Number(b.taken));
  return { sockets, note: sockets.length > 0 ? "" : missing(process) };
}

/** A socket that the operator named, as one of a QEMU's. */
export function socketNamed(sys: Sys, { pid }: QemuProcess, path: string): MonitorSocket {
  const table = socketTable(sys, pid);
  const stat = attempt(() => sys.stat(path));
  const bound = stat === null ? undefined : boundPaths(sys, pid, table, null)
    .find((own) => sameFile(sys, reachable(sys, pid, own), stat));
  return { path, bound: bound ?? path, taken: isTaken(table, bound ?? path) };
}

/** Whether somebody is connected to a monitor at present. */
export function isTakenNow(sys: Sys, { pid }: QemuProcess, { bound }: MonitorSocket): boolean {
  return isTaken(socketTable(sys, pid), bound);
}

/** Whether a client has been accepted on a socket; one still in the queue has no inode. */
function isTaken(table: readonly UnixSocket[], path: string): boolean {
  return table.some((socket) => socket.connected && socket.inode !== 0 && socket.path === path);
}

/** The pid of the QEMU among `processes` that listens on a path, or null. */
export function listenerOf(
  sys: Sys,
  path: string,
  processes: readonly QemuProcess[],
): number | null {
  const stat = attempt(() => sys.stat(path));
  if (stat === null) return null;
  for (const { pid } of processes) {
    const bound = boundPaths(sys, pid, socketTable(sys, pid), null);
    if (bound.some((own) => sameFile(sys, reachable(sys, pid, own), stat))) return pid;
  }
  return null;
}

function sameFile(sys: Sys, path: string, stat: { inode: number; deviceMinor: number }): boolean {
  const other = attempt(() => sys.stat(path));
  return other !== null && other.inode === stat.inode && other.deviceMinor === stat.deviceMinor;
}

/** The table of the process's own network namespace. */
function socketTable(sys: Sys, pid: number): UnixSocket[] {
  const text = attempt(() => sys.readText(`/proc/${pid}/net/unix`, 64 << 20));
  return text === null ? [] : parseUnixSockets(text);
}

/** Paths, as they were bound, of the listening sockets that a process holds: all, or of some fds. */
function boundPaths(
  sys: Sys,
  pid: number,
  table: readonly UnixSocket[],
  fds: readonly number[] | null,
): string[] {
  const links = attempt(() => readFdLinks(sys, pid)) ?? new Map<number, string>();
  const inodes = new Set<number>();
  for (const [fd, link] of links) {
    const match = /^socket:\[([0-9]+)\]$/.exec(link);
    if (match !== null && (fds === null || fds.includes(fd))) inodes.add(Number(match[1]));
  }
  return table
    .filter((socket) => socket.listening && inodes.has(socket.inode) && socket.path !== "")
    .map((socket) => socket.path);
}

/**
 * Listening sockets that the command line does not mention and that are called like a monitor. Others
 * are left alone: to connect to a serial port or a vhost-user front-end is to take it.
 */
function guessed(sys: Sys, process: QemuProcess, table: readonly UnixSocket[]): string[] {
  const mentioned = process.argv.join("\n");
  return boundPaths(sys, process.pid, table, null).filter((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    return /qmp|mon/i.test(name) && !mentioned.includes(name);
  });
}

/** A path as we can open it: QEMU may have another working directory or mount namespace. */
function reachable(sys: Sys, pid: number, path: string): string {
  const there = path.startsWith("/") ? path : `${workingDirectory(sys, pid)}/${path}`;
  if (attempt(() => sys.stat(there)) !== null) return there;
  const through = `/proc/${pid}/root${there}`;
  return attempt(() => sys.stat(through)) === null ? there : through;
}

function workingDirectory(sys: Sys, pid: number): string {
  return attempt(() => sys.readlink(`/proc/${pid}/cwd`)) ?? ".";
}

function missing(process: QemuProcess): string {
  const other = process.options.monitors.find((place) => place.kind === "other");
  const why = other?.kind === "other"
    ? `its QMP monitor is no Unix socket (${other.text})`
    : "it has no QMP monitor that we can see";
  return `${why}: devices and rings are unknown`;
}
