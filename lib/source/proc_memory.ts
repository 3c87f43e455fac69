/**
 * Memory of another process, as a layout names it: by memfd, by fd number, by address, or by file.
 *
 * @module
 */
import {
  HUGETLBFS_MAGIC,
  MFD_HUGETLB,
  O_ACCMODE,
  O_PATH,
  O_RDWR,
  O_WRONLY,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Mapping } from "../../ffi/mapping.ts";
import { ProcessBacking } from "../../ffi/process_backing.ts";
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError, SourceError } from "../errors.ts";
import type { Backing } from "../memory/backing.ts";
import { attempt } from "./attempt.ts";
import { mapHostFile, refused } from "./host_file.ts";
import type { LayoutMemory } from "./layout.ts";
import type { OpenBytes } from "./layout_memory.ts";
import { filePath, isAnonymous, readFdLinks, readMaps, stretches } from "./proc_maps.ts";

/** Whose memory, and who says so. */
export interface ProcessBytesOptions {
  readonly sys: Sys;
  readonly pid: number;
  readonly write: boolean;
  /** The operator's layout file; null where the process itself published the layout. */
  readonly layout: string | null;
  readonly log: (line: string) => void;
}

/** Opens entries of a layout as memory of the process. Throws `SourceError` or `ProtocolError`. */
export function openProcessBytes(options: ProcessBytesOptions): OpenBytes {
  return (entry, resources) => {
    const { bytes } = entry;
    switch (bytes.kind) {
      case "address":
        return resources.use(processMemory(options, bytes.address, entry));
      case "memfd":
        return resources.use(mapped(options, memfdPath(options, bytes.name), entry));
      case "fd":
        return resources.use(mapped(options, `/proc/${options.pid}/fd/${bytes.fd}`, entry));
      case "file":
        return resources.use(mapped(options, besideLayout(options, bytes.path, entry), entry));
      case "foreign":
      case "grants":
        throw new ProtocolError("layout", entry.path, "memory of a process", "of a Xen domain");
    }
  };
}

/** Files stand beside an operator's layout. A process may not make us open files of its choice. */
function besideLayout({ layout }: ProcessBytesOptions, path: string, entry: LayoutMemory): string {
  if (layout === null) {
    throw new ProtocolError("layout", entry.path, '"memfd", "fd" or "address"', '"file"');
  }
  return path.startsWith("/") ? path : layout.slice(0, layout.lastIndexOf("/") + 1) + path;
}

/**
 * Maps what stands at a path under /proc. It is pinned first: what is looked at is then what is
 * mapped, whatever the process does with its fds meanwhile.
 */
function mapped(options: ProcessBytesOptions, path: string, entry: LayoutMemory): Mapping {
  const { sys, write, log } = options;
  using pin = new Fd(sys, told(() => sys.open(path, O_PATH)));
  const own = `/proc/self/fd/${pin.number}`;
  const link = sys.readlink(own);
  log(`${entry.path}: ${path} is ${link}`);
  checkTrust(options, pin.number, link, entry);
  checkRights(options, link, entry);
  const label = link.replace(/ \(deleted\)$/, "");
  return mapHostFile({ sys, scheme: "proc", path: own, write, label });
}

/**
 * A process of somebody else's could publish an fd that it may not read or write itself, for us to do
 * it (O_PATH). Memfds can only be had with all rights, so of those it may name any.
 */
function checkTrust(
  options: ProcessBytesOptions,
  pin: number,
  link: string,
  entry: LayoutMemory,
): void {
  const { sys, pid, layout } = options;
  if (layout !== null || (link.startsWith("/memfd:") && isMemfd(sys, pin))) return;
  const owner = untrustedOwner(sys, pid);
  if (owner === null) return;
  const text = `${entry.path} of user ${owner}'s process ${pid} is ${link}, no memfd`;
  const remedy = "look at it, and give a --layout of your own if it is what it should be";
  throw new SourceError("proc", "open", "permission", text, remedy);
}

/**
 * Whether a file is on the file system that memfds are on, which nobody can mount. Its name proves
 * nothing: in a mount namespace of its own a process can call any file `/memfd:ram`.
 */
function isMemfd(sys: Sys, file: number): boolean {
  const { blockSize, ...stat } = sys.fstat(file);
  // MFD_HUGE_SHIFT of linux/memfd.h: the logarithm of the page's size, six bits from bit 26 on.
  const huge = sys.fileSystemType(file) === HUGETLBFS_MAGIC
    ? MFD_HUGETLB + Math.log2(blockSize) * 2 ** 26
    : 0;
  const own = attempt(() => sys.memfd("guestmem-probe", huge));
  if (own === null) return false;
  using probe = new Fd(sys, own);
  const { deviceMajor, deviceMinor } = sys.fstat(probe.number);
  return stat.deviceMajor === deviceMajor && stat.deviceMinor === deviceMinor;
}

/**
 * A tap holds what its front-end sent, which may be an fd by which that may not read the file, or not
 * write it: then we do not either, though the tap and we could.
 */
function checkRights(
  { sys, pid, layout, write }: ProcessBytesOptions,
  link: string,
  { bytes, path }: LayoutMemory,
): void {
  if (layout !== null || bytes.kind !== "fd") return;
  const info = told(() => sys.readText(`/proc/${pid}/fdinfo/${bytes.fd}`));
  const flags = parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? "", 8);
  const access = flags & O_ACCMODE;
  const enough = write ? access === O_RDWR : access !== O_WRONLY;
  if (!Number.isNaN(flags) && (flags & O_PATH) === 0 && enough) return;
  const way = write ? "written" : "read";
  const text = `${path} is fd ${bytes.fd} of process ${pid}, by which ${link} can not be ${way}`;
  throw new SourceError("proc", "open", "unsupported", text, "its owner must open it so");
}

/** The process's user, where that is neither root nor ours: who may not send us after what it can not have. */
export function untrustedOwner(sys: Sys, pid: number): number | "unknown" | null {
  const owner = attempt(() => sys.stat(`/proc/${pid}`))?.uid;
  return owner === 0 || owner === sys.uid ? null : owner ?? "unknown";
}

/** The only memfd of that name, among the process's fds or mappings. */
function memfdPath(options: ProcessBytesOptions, name: string): string {
  const link = `/memfd:${name} (deleted)`;
  const { sys, pid } = options;
  const links = told(() => readFdLinks(sys, pid));
  const inodes = new Map<number | null, string>();
  for (const [fd, found] of links) {
    if (found !== link) continue;
    const path = `/proc/${pid}/fd/${fd}`;
    inodes.set(attempt(() => sys.stat(path).inode), path);
  }
  if (inodes.size === 1) return [...inodes.values()][0];
  if (inodes.size === 0) return mappedMemfd(options, link, links);
  const text = `process ${pid} has ${inodes.size} memfds "${name}"`;
  throw new SourceError("proc", "open", "unsupported", text, "name one by its fd number");
}

/** A memfd that was closed after it was mapped. */
function mappedMemfd(
  { sys, pid }: ProcessBytesOptions,
  link: string,
  links: ReadonlyMap<number, string>,
): string {
  const entries = told(() => readMaps(sys, pid));
  const found = entries.find(({ path, shared }) => shared && path === link);
  const [stretch] = found === undefined
    ? []
    : stretches(entries, found.start, found.end - found.start);
  const path = stretch === undefined ? null : filePath(sys, pid, stretch, links);
  if (path !== null) return path;
  const text = `process ${pid} has no ${link.replace(/ \(deleted\)$/, "")}`;
  const remedy = `ls -l /proc/${pid}/fd shows what it has`;
  throw new SourceError("proc", "open", "not-found", text, remedy);
}

function processMemory(
  { sys, pid, write }: ProcessBytesOptions,
  address: bigint,
  entry: LayoutMemory,
): ProcessBacking & Backing {
  if (write) {
    const text = `${entry.path} is an address of process ${pid}`;
    throw new SourceError(
      "proc",
      "open",
      "unsupported",
      text,
      "leave out --write: it is read only",
    );
  }
  const length = Number(entry.size);
  const anonymous = isAnonymous(told(() => readMaps(sys, pid)), address, entry.size);
  const label = `process ${pid}`;
  return told(() => new ProcessBacking({ sys, pid, address, length, label, anonymous }));
}

function told<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw refused("proc", "open", error);
  }
}
