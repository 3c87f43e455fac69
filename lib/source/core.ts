/**
 * `core:FILE`: a guest's memory from a dump on disk, by guest physical address. ELF as QEMU's
 * `dump-guest-memory` and `virsh dump` write it, and kdump-compressed (zlib, LZO, snappy, zstd),
 * flattened or not.
 *
 * A dump does not say where rings are: a layout file can (`--layout`; of it only `devices` count), or
 * `find --carve`.
 *
 * @module
 */
import { O_NONBLOCK, O_RDONLY } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { FileBacking } from "../../ffi/file_backing.ts";
import type { Sys } from "../../ffi/sys.ts";
import { guestAddress } from "../address.ts";
import { type ElfCore, isElf, parseElfCore } from "../core/elf_core.ts";
import { isFlattened, unflatten } from "../core/flattened.ts";
import { KdumpBacking } from "../core/kdump.ts";
import { isKdump } from "../core/kdump_header.ts";
import { MissingBacking } from "../core/missing_backing.ts";
import type { Reader } from "../core/reader.ts";
import { ProtocolError, SourceError } from "../errors.ts";
import { GuestMemory } from "../memory/guest_memory.ts";
import type { Region } from "../memory/region.ts";
import { RegionTable } from "../memory/region_table.ts";
import { readLayout } from "./file.ts";
import { hostFileSize, told } from "./host_file.ts";
import { layoutDevices } from "./layout.ts";
import type { Attachment, AttachOptions, Device, Source, Target } from "./source.ts";

const REMEDY =
  "make one by dump-guest-memory or `virsh dump --memory-only`; plain RAM is file:PATH";

/** Regions of a kdump; a dump with more gaps is one region with unreadable pages. */
const MAX_REGIONS = 4096;

/** `core:FILE` */
export const coreSource: Source = {
  scheme: "core",
  summary: "a dump on disk: ELF (dump-guest-memory, virsh dump) or kdump-compressed",
  still: true,
  // deno-lint-ignore require-await
  async attach(target, options) {
    if (options.write) {
      const text = `${target.what} is a dump: nothing runs on what would be written`;
      throw new SourceError("core", "open", "unsupported", text, "leave --write out");
    }
    return attachCore(target, options);
  },
};

function attachCore(target: Target, options: AttachOptions): Attachment {
  using undo = new DisposableStack();
  const { sys, layout, log, notice = log } = options;
  const file = undo.use(openFile(sys, target.what));
  const warnings: string[] = [];
  const warn = (text: string) => {
    warnings.push(text);
    notice(`${file.label}: ${text}`);
  };
  const regions = named(file.label, () => regionsOf(file, log, warn));
  if (regions.length === 0) {
    throw refused(target.what, "it has no memory segment with a byte in it");
  }
  const memory = new GuestMemory(new RegionTable(regions), target.what);
  const devices: readonly Device[] = layout === null
    ? []
    : layoutDevices(readLayout(sys, "core", layout, "optional"), null);
  const resources = undo.move();
  return {
    target,
    memory,
    writable: null,
    devices,
    warnings,
    note: layout === null ? "a dump does not say where its rings are" : "",
    async refresh() {},
    // deno-lint-ignore require-await
    async [Symbol.asyncDispose]() {
      resources.dispose();
    },
  };
}

function openFile(sys: Sys, path: string): FileBacking {
  const emptyRemedy = `an empty file is no dump: ${REMEDY}`;
  const file = { sys, scheme: "core", path, write: false, emptyRemedy };
  const length = hostFileSize(file);
  const number = told(file, "open", () => sys.open(path, O_RDONLY | O_NONBLOCK));
  return new FileBacking({ sys, fd: new Fd(sys, number), length, label: path });
}

type Tell = (text: string) => void;

/** Regions of whichever form the file has. Throws ProtocolError for one that is none of them. */
function regionsOf(file: FileBacking, log: Tell, warn: Tell): Region[] {
  const readInto = (offset: number, target: Uint8Array) => file.copy(offset, target).length;
  const reader: Reader = { size: file.length, label: file.label, readInto };
  if (isElf(reader)) {
    const core = parseElfCore(reader);
    log(`${reader.label}: ELF${core.bits} core, machine ${core.machine}`);
    core.notes.forEach(warn);
    if (core.process) throw refused(reader.label, "it is the core of a process, not of a guest");
    return elfRegions(core, file);
  }
  const flat = isFlattened(reader);
  const dump = flat ? unflatten(reader) : reader;
  if (!isKdump(dump)) {
    throw refused(reader.label, "it is neither an ELF core nor a kdump-compressed dump");
  }
  log(`${reader.label}: kdump-compressed${flat ? ", flattened" : ""}`);
  const backing = new KdumpBacking(dump);
  const { all, leftOut } = backing.pages;
  if (leftOut > 0) {
    warn(`${leftOut} of ${all} pages were left out, and can not be read`);
  }
  return kdumpRegions(backing);
}

/** What is wrong with a dump is said with its name. */
function named<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof ProtocolError ? refused(path, error.message) : error;
  }
}

function refused(path: string, why: string): SourceError {
  return new SourceError("core", "read", "unsupported", `${path}: ${why}`, REMEDY);
}

/** None where the file has no byte of any: that is no dump any more. */
function elfRegions({ segments, missing }: ElfCore, file: FileBacking): Region[] {
  if (segments.length === 0) return [];
  const present = segments.map(({ address, offset, fileLength }, n) =>
    region({ address, length: BigInt(fileLength), backing: file, offset, name: `segment ${n}` })
  );
  const nothing = new MissingBacking(file.label, file.pageSize);
  const absent = missing.map(({ address, length }) =>
    region({ address, length, backing: nothing, offset: 0, name: "not in the file" })
  );
  return [...present, ...absent];
}

type Part = Pick<Region, "length" | "backing" | "offset" | "name"> & { readonly address: bigint };

function region({ address, ...rest }: Part): Region {
  return { ...rest, guest: guestAddress(address), access: "ro", user: null };
}

function kdumpRegions(backing: KdumpBacking): Region[] {
  const runs = backing.runs(MAX_REGIONS);
  const ranges = runs.length < MAX_REGIONS
    ? runs.map(({ first, end }) => ({
      start: first * backing.pageSize,
      end: end * backing.pageSize,
    }))
    : [{ start: 0, end: backing.length }];
  return ranges.map(({ start, end }, n) => ({
    guest: guestAddress(start),
    length: BigInt(end - start),
    backing,
    offset: start,
    access: "ro",
    name: `pages ${n}`,
    user: null,
  }));
}
