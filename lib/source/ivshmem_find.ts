/**
 * ivshmem servers that the QEMUs of this host are clients of. Nobody is asked: joining a server tells
 * every peer.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import type { Guest } from "../guest/guest.ts";
import { attempt } from "./attempt.ts";
import { parseSuboptions } from "./qemu_cmdline.ts";
import { listQemu, type QemuProcess } from "./qemu_process.ts";

const NOTE = "peers are not asked for here: joining tells every peer";

/** One row per socket, with the processes that use it. */
export function findServers(sys: Sys): Guest[] {
  const users = new Map<string, number[]>();
  for (const process of listQemu(sys)) {
    for (const path of doorbellSockets(process.argv)) {
      const full = absolute(sys, process, path);
      users.set(full, [...users.get(full) ?? [], process.pid]);
    }
  }
  return [...users].map(([path, pids]) => ({
    target: `ivshmem:${path}`,
    name: path.slice(path.lastIndexOf("/") + 1),
    kind: "ivshmem",
    pid: null,
    state: "",
    memory: null,
    devices: [],
    note: `joined by QEMU ${pids.join(", ")}; ${NOTE}`,
  }));
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
function absolute(sys: Sys, { pid }: QemuProcess, path: string): string {
  if (path.startsWith("/")) return path;
  const folder = attempt(() => sys.readlink(`/proc/${pid}/cwd`));
  return folder === null ? path : `${folder}/${path}`;
}
