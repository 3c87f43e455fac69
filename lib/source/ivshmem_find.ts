/**
 * ivshmem servers of this host: those that run, by their listening sockets, and those that QEMUs are
 * clients of. Nobody is asked: joining a server tells every peer.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import type { Guest } from "../guest/guest.ts";
import { attempt } from "./attempt.ts";
import { readFdLinks } from "./proc_maps.ts";
import { parseSuboptions, splitArguments } from "./qemu_cmdline.ts";
import { listQemu } from "./qemu_process.ts";
import { parseUnixSockets } from "./qemu_sockets.ts";
import { allPids } from "./unix_listener.ts";

const NOTE = "peers are not asked for here: joining tells every peer";

/** What a server's program, or our verb, is called. */
const PROGRAM = "ivshmem-server";

/** Who has to do with a socket. */
interface Place {
  /** Of the server; null where it may not be seen, or serves somewhere else. */
  server: number | null;
  readonly users: number[];
}

/** One row per socket, with the processes that use it. */
export function findServers(sys: Sys): Guest[] {
  const places = new Map<string, Place>();
  const placeOf = (pid: number, path: string) => {
    const full = absolute(sys, pid, path);
    const place = places.get(full) ?? { server: null, users: [] };
    places.set(full, place);
    return place;
  };
  for (const { pid, path } of servedSockets(sys)) placeOf(pid, path).server = pid;
  for (const { pid, argv } of listQemu(sys)) {
    for (const path of doorbellSockets(argv)) placeOf(pid, path).users.push(pid);
  }
  return [...places].map(([path, place]) => row(path, place));
}

function row(path: string, { server, users }: Place): Guest {
  const joined = users.length === 0 ? "" : `joined by QEMU ${users.join(", ")}`;
  return {
    target: `ivshmem:${path}`,
    name: path.slice(path.lastIndexOf("/") + 1),
    kind: "ivshmem",
    pid: server,
    state: server === null ? "" : "serving",
    memory: null,
    devices: [],
    note: [joined, NOTE].filter((part) => part !== "").join("; "),
  };
}

/** Sockets that processes called as servers are listen on. */
function servedSockets(sys: Sys): { pid: number; path: string }[] {
  return allPids(sys).filter((pid) => isServer(sys, pid)).flatMap((pid) => {
    const table = attempt(() => sys.readText(`/proc/${pid}/net/unix`, 64 << 20)) ?? "";
    const held = new Set((attempt(() => readFdLinks(sys, pid)) ?? new Map()).values());
    return parseUnixSockets(table)
      .filter(({ listening, path, inode }) =>
        listening && path !== "" && !path.startsWith("@") && held.has(`socket:[${inode}]`)
      )
      .map(({ path }) => ({ pid, path }));
  });
}

function isServer(sys: Sys, pid: number): boolean {
  const text = attempt(() => sys.readText(`/proc/${pid}/cmdline`, 4 << 20)) ?? "";
  return splitArguments(text).some((word) => word.slice(word.lastIndexOf("/") + 1) === PROGRAM);
}

/** Socket paths behind the ivshmem-doorbell and ivshmem-flat devices of a command line. */
export function doorbellSockets(argv: readonly string[]): string[] {
  const sockets = new Map<string, string>();
  const wanted: string[] = [];
  for (let i = 0; i + 1 < argv.length; i++) {
    const option = argv[i].replace(/^--/, "-");
    const { first, values } = parseSuboptions(argv[i + 1]);
    if (option === "-chardev" && first === "socket") {
      sockets.set(values.get("id") ?? "", values.get("path") ?? "");
    }
    const device = first ?? values.get("driver") ?? "";
    if (option === "-device" && /^ivshmem-(doorbell|flat)$/.test(device)) {
      wanted.push(values.get("chardev") ?? "");
    }
  }
  return wanted.map((id) => sockets.get(id) ?? "").filter((path) => path !== "");
}

/** A path as its process means it. */
function absolute(sys: Sys, pid: number, path: string): string {
  if (path.startsWith("/")) return path;
  const folder = attempt(() => sys.readlink(`/proc/${pid}/cwd`));
  return folder === null ? path : `${folder}/${path}`;
}
