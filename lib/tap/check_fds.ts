/**
 * Whether the fds of a message are what the message says: looked at before they are passed on, and
 * long before anything is mapped.
 *
 * @module
 */
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../../ffi/constants.ts";
import type { Sys } from "../../ffi/sys.ts";
import { hex } from "../address.ts";
import { ProtocolError } from "../errors.ts";
import { type Message, type WireRegion, xenMapping } from "../wire/vhost_user/vhost_user.ts";

/** The calls it makes. */
export type CheckFdsSys = Pick<Sys, "fstat">;

/**
 * Throws ProtocolError where an fd is of the wrong kind for its message, or memory is said to reach
 * beyond its file. `fds` are those of the message, in order; extra ones are not judged.
 */
export function checkFds(sys: CheckFdsSys, message: Message, fds: readonly number[]): void {
  const { payload, name } = message;
  if (message.origin !== "front-end" || message.reply) return;
  if (payload.kind === "memory-table") {
    payload.regions.forEach((region, i) => checkMemory(sys, `${name} region ${i}`, region, fds[i]));
  } else if (payload.kind === "single-region" && name === "ADD_MEM_REG") {
    checkMemory(sys, `${name} region`, payload.region, fds[0]);
  } else if (payload.kind === "vring-fd" || name === "SET_LOG_FD") {
    if (fds.length > 0) checkKind(sys, name, fds[0], NOTIFIERS);
  } else if (payload.kind === "inflight" && name === "SET_INFLIGHT_FD") {
    checkLength(sys, name, payload.mmapOffset + payload.mmapSize, fds[0]);
  } else if (name === "SET_BACKEND_REQ_FD" || name === "GPU_SET_SOCKET") {
    checkKind(sys, name, fds[0], new Set([S_IFSOCK]));
  }
}

/** Eventfds have no type; the documentation allows pipes where there are no eventfds. */
const NOTIFIERS: ReadonlySet<number> = new Set([0, S_IFIFO, S_IFSOCK]);

/** Memory: files (memfd, /dev/shm, hugetlbfs), and devices, whose length nobody tells. */
const MEMORY: ReadonlySet<number> = new Set([S_IFREG, S_IFCHR, S_IFBLK]);

const KINDS: Readonly<Record<number, string>> = {
  0: "an eventfd or the like",
  [S_IFREG]: "a file",
  [S_IFDIR]: "a directory",
  [S_IFCHR]: "a character device",
  [S_IFBLK]: "a block device",
  [S_IFIFO]: "a pipe",
  [S_IFSOCK]: "a socket",
};

function checkMemory(sys: CheckFdsSys, item: string, region: WireRegion, fd: number): void {
  const mapping = xenMapping(region);
  // The fd of a foreign or granted region is a door to Xen, not memory.
  if (mapping !== null && mapping.kind !== "unix") return checkKind(sys, item, fd, MEMORY);
  checkLength(sys, item, region.mmapOffset + region.size, fd);
}

/** The file must be memory, and where it has a length, reach to `end`. */
function checkLength(sys: CheckFdsSys, item: string, end: bigint, fd: number): void {
  checkKind(sys, item, fd, MEMORY);
  const { mode, size } = sys.fstat(fd);
  if ((mode & S_IFMT) !== S_IFREG || BigInt(size) >= end) return;
  throw new ProtocolError("vhost-user", item, `a file of ${hex(end)} bytes`, `${hex(size)} bytes`);
}

function checkKind(
  sys: CheckFdsSys,
  item: string,
  fd: number | undefined,
  wanted: ReadonlySet<number>,
): void {
  if (fd === undefined) throw new ProtocolError("vhost-user", item, "an fd", "none");
  const type = sys.fstat(fd).mode & S_IFMT;
  if (wanted.has(type)) return;
  const names = [...wanted].map((kind) => KINDS[kind]).join(" or ");
  throw new ProtocolError("vhost-user", item, names, KINDS[type] ?? `file type ${type}`);
}
