/**
 * Reads a guest's physical memory from inside it: /proc/kcore, the kernel's own memory as an ELF core
 * file, whose headers tell the physical address of each stretch of RAM (fs/proc/kcore.c). /dev/mem
 * gives devices only where CONFIG_STRICT_DEVMEM is set, as it is everywhere.
 *
 * @module
 */
import { O_RDONLY } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { hex } from "../address.ts";
import { isSyscallFailure } from "../errors.ts";

/** The calls it makes. */
export type KernelMemorySys = Pick<Sys, "open" | "close" | "pread">;

const PATH = "/proc/kcore";

/** Byte offsets of Elf64_Ehdr. */
const ELF = { LENGTH: 64, PHOFF: 32, PHENTSIZE: 54, PHNUM: 56 } as const;

/** Byte offsets of Elf64_Phdr, and the one type that matters. */
const PROGRAM = { LENGTH: 56, OFFSET: 8, PADDR: 24, MEMSZ: 40, LOAD: 1 } as const;

/** Stretches looked at; a kernel has some dozens. */
const MOST_STRETCHES = 4096;

/** Fills `target` from a physical address. Gives null, or why that can not be read. */
export function readPhysical(
  sys: KernelMemorySys,
  address: bigint,
  target: Uint8Array,
): string | null {
  try {
    using fd = new Fd(sys, sys.open(PATH, O_RDONLY));
    const at = offsetOf(sys, fd.number, address, BigInt(target.length));
    if (typeof at === "string") return at;
    const got = sys.pread(fd.number, target, at);
    return got === target.length ? null : `${PATH} ends at ${hex(address)}`;
  } catch (error) {
    if (isSyscallFailure(error)) return error.message;
    throw error;
  }
}

/** Where in the file [address, address + length) is. */
function offsetOf(
  sys: KernelMemorySys,
  fd: number,
  address: bigint,
  length: bigint,
): number | string {
  const header = read(sys, fd, 0, ELF.LENGTH);
  if (header === null || header.getUint32(0) !== 0x7f454c46) return `${PATH} is no ELF file`;
  const count = Math.min(header.getUint16(ELF.PHNUM, true), MOST_STRETCHES);
  if (header.getUint16(ELF.PHENTSIZE, true) !== PROGRAM.LENGTH) return `${PATH} is not 64-bit`;
  const first = Number(header.getBigUint64(ELF.PHOFF, true));
  const table = read(sys, fd, first, count * PROGRAM.LENGTH);
  if (table === null) return `${PATH} has no program headers`;
  for (let at = 0; at < table.byteLength; at += PROGRAM.LENGTH) {
    if (table.getUint32(at, true) !== PROGRAM.LOAD) continue;
    const start = table.getBigUint64(at + PROGRAM.PADDR, true);
    const end = start + table.getBigUint64(at + PROGRAM.MEMSZ, true);
    if (address < start || address + length > end) continue;
    const offset = table.getBigUint64(at + PROGRAM.OFFSET, true) + (address - start);
    if (offset <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(offset);
  }
  return `${PATH} has no memory at ${hex(address)}`;
}

function read(sys: KernelMemorySys, fd: number, at: number, length: number): DataView | null {
  const bytes = new Uint8Array(length);
  return sys.pread(fd, bytes, at) === length ? new DataView(bytes.buffer) : null;
}
