/**
 * A QEMU's guest memory, opened: shared files are mapped, everything else is read out of the process.
 *
 * | memory                                   | backing                                      |
 * | ---------------------------------------- | -------------------------------------------- |
 * | memfd or file, share=on                  | one mapping per file, by fd or map_files     |
 * | share=off, plain `-m`, ROM               | process_vm_readv at QEMU's address           |
 *
 * The file of a share=off backend is not used: what the guest wrote is not in it.
 *
 * @module
 */
import { O_PATH, O_RDONLY, O_RDWR, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { Mapping } from "../../ffi/mapping.ts";
import { ProcessBacking } from "../../ffi/process_backing.ts";
import type { Sys } from "../../ffi/sys.ts";
import { guestAddress } from "../address.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { CopyResult, WritableBacking } from "../memory/backing.ts";
import type { Region } from "../memory/region.ts";
import { RegionTable } from "../memory/region_table.ts";
import {
  fileKey,
  filePath,
  isAnonymous,
  readFdLinks,
  type Stretch,
  stretches,
} from "./proc_maps.ts";
import type { MapsEntry } from "./proc_maps.ts";
import type { GuestRange } from "./qemu_layout.ts";

/** How to open. */
export interface MemoryOptions {
  readonly sys: Sys;
  readonly pid: number;
  /** Map writable, and write into the process where nothing is shared. ROM stays read-only. */
  readonly write: boolean;
  readonly log: (line: string) => void;
}

/** Part of a guest range with one thing behind it. */
interface Piece {
  readonly range: GuestRange;
  readonly guest: bigint;
  readonly stretch: Stretch;
}

/** Opened memory. Dispose closes every mapping; reads through its table fail from then on. */
export interface QemuMemory extends Disposable {
  readonly table: RegionTable;
  /** Changes when ranges or what is behind them change: hotplug, a moved BAR. */
  readonly signature: string;
}

/** Tells one layout from another without opening anything. */
export function layoutSignature(
  ranges: readonly GuestRange[],
  entries: readonly MapsEntry[],
): string {
  return pieces(ranges, entries).map(({ guest, stretch, range }) => {
    const file = stretch.shared === null ? "" : fileKey(stretch.shared.file);
    return [guest, stretch.address, stretch.length, file, stretch.shared?.offset, range.name]
      .join();
  }).join("\n");
}

/**
 * Opens all memory behind the ranges. Throws `SourceError` `permission` where the process may not be
 * looked at.
 */
export function openMemory(
  ranges: readonly GuestRange[],
  entries: readonly MapsEntry[],
  options: MemoryOptions,
): QemuMemory {
  using undo = new DisposableStack();
  const parts = pieces(ranges, entries);
  const files = openFiles(parts, options, undo);
  const regions = parts.map((piece) => region(piece, files, { ...options, entries }, undo));
  const table = new RegionTable(regions);
  const owned = undo.move();
  const signature = layoutSignature(ranges, entries);
  return { table, signature, [Symbol.dispose]: () => owned.dispose() };
}

/** The error for a process that may not be looked at; other errors as they are. */
export function denied(error: unknown, pid: number, what: string): unknown {
  const refused = isSyscallFailure(error) && ["EACCES", "EPERM"].includes(error.errno);
  if (!refused) return error;
  const text = `${what} of QEMU ${pid}: ${error.message}`;
  const remedy = "Run as the user of that QEMU, as root, or with CAP_SYS_PTRACE";
  return new SourceError("qemu", "read memory", "permission", text, remedy, { cause: error });
}

function pieces(ranges: readonly GuestRange[], entries: readonly MapsEntry[]): Piece[] {
  return ranges.flatMap((range) =>
    stretches(entries, range.host, range.end - range.start).map((stretch) => ({
      range,
      guest: range.start + (stretch.address - range.host),
      stretch,
    }))
  );
}

/** One mapping for each file, as long as its last region needs. */
function openFiles(
  parts: readonly Piece[],
  options: MemoryOptions,
  owner: DisposableStack,
): Map<string, Mapping> {
  const wanted = new Map<string, { stretch: Stretch; length: number }>();
  for (const { stretch } of parts) {
    if (stretch.shared === null) continue;
    const key = fileKey(stretch.shared.file);
    const length = stretch.shared.offset + Number(stretch.length);
    const known = wanted.get(key);
    if (known === undefined || known.length < length) wanted.set(key, { stretch, length });
  }
  const files = new Map<string, Mapping>();
  if (wanted.size === 0) return files;
  const links = readFdLinks(options.sys, options.pid);
  for (const [key, { stretch, length }] of wanted) {
    const mapping = mapFile(stretch, length, links, options);
    if (mapping !== null) files.set(key, owner.use(mapping));
  }
  return files;
}

/**
 * Null where the file can not be opened: then its bytes are read out of the process. It is pinned by
 * name first: an fd number of a process may name a pipe or a stranger's file a moment later.
 */
function mapFile(
  stretch: Stretch,
  length: number,
  links: ReadonlyMap<number, string>,
  { sys, pid, write, log }: MemoryOptions,
): Mapping | null {
  const label = stretch.entry.path.replace(/^\/(memfd:.*) \(deleted\)$/, "$1");
  const path = filePath(sys, pid, stretch, links);
  if (path === null) {
    log(`${label}: QEMU holds no fd of it and map_files is closed to us; reading QEMU's memory`);
    return null;
  }
  try {
    using pin = new Fd(sys, sys.open(path, O_PATH));
    const { mode, inode } = sys.fstat(pin.number);
    // A device opened again may be another device; its pages are in QEMU's memory all the same.
    if ((mode & S_IFMT) !== S_IFREG) return null;
    if (inode !== stretch.shared?.file.inode) {
      log(`${label}: ${path} is another file by now; reading QEMU's memory`);
      return null;
    }
    const flags = write ? O_RDWR : O_RDONLY;
    using fd = new Fd(sys, sys.open(`/proc/self/fd/${pin.number}`, flags));
    log(`${label}: mapped by ${path}`);
    return Mapping.open({ sys, fd: fd.number, length, writable: write, label });
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    log(`${label}: ${error.message}; reading QEMU's memory`);
    return null;
  }
}

/** What memory is opened by, and what all of the process's is. */
type ProcessOptions = MemoryOptions & { readonly entries: readonly MapsEntry[] };

function region(
  piece: Piece,
  files: ReadonlyMap<string, Mapping>,
  options: ProcessOptions,
  owner: DisposableStack,
): Region {
  const { range, guest, stretch } = piece;
  const mapping = stretch.shared && files.get(fileKey(stretch.shared.file));
  const own = () => owner.use(processMemory(stretch, range.name, options));
  return {
    guest: guestAddress(guest),
    length: stretch.length,
    backing: mapping ?? own(),
    offset: mapping ? stretch.shared?.offset ?? 0 : 0,
    access: options.write && range.writable ? "rw" : "ro",
    name: range.name,
    user: null,
  };
}

function processMemory(
  { address, length }: Stretch,
  name: string,
  { sys, pid, write, entries }: ProcessOptions,
): ProcessBacking {
  const label = `${name} in QEMU ${pid}`;
  const anonymous = isAnonymous(entries, address, length);
  const place = { sys, pid, address, length: Number(length), label, anonymous };
  const backing = write ? new WritableProcessBacking(place) : new ProcessBacking(place);
  // Tells now, not at the first read, that we may not look.
  const { errno } = backing.copy(0, new Uint8Array(1));
  if (errno !== "EPERM") return backing;
  backing.close();
  const remedy = "Run as the user of that QEMU, as root, or with CAP_SYS_PTRACE";
  const text = `process_vm_readv of QEMU ${pid}: EPERM`;
  throw new SourceError("qemu", "read memory", "permission", text, remedy);
}

/** Private memory that is written through the process: there is no file to write to. */
class WritableProcessBacking extends ProcessBacking implements WritableBacking {
  constructor(
    private readonly place: ConstructorParameters<typeof ProcessBacking>[0] & { sys: Sys },
  ) {
    super(place);
  }

  store(offset: number, source: Uint8Array): CopyResult {
    const { sys, pid, address, length } = this.place;
    if (offset < 0 || offset + source.length > length) return { length: 0, errno: "EFAULT" };
    // The pidfd behind it: a pid in use again is never written to.
    const alive = this.copy(offset, new Uint8Array(1));
    if (alive.errno !== null) return { length: 0, errno: alive.errno };
    let done = 0;
    try {
      while (done < source.length) {
        const wrote = sys.processVmWritev(
          pid,
          address + BigInt(offset + done),
          source.subarray(done),
        );
        if (wrote === 0) return { length: done, errno: "EFAULT" };
        done += wrote;
      }
      return { length: done, errno: null };
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      return { length: done, errno: error.errno };
    }
  }

  liveWritable(): null {
    return null;
  }
}
