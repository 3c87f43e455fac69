/**
 * ELF core files whose segments are guest memory: QEMU `dump-guest-memory`, `virsh dump`, kdump's
 * vmcore. Layout: System V ABI, chapters 4 and 5 (`Elf64_Ehdr`, `Elf64_Phdr` and their 32-bit forms).
 *
 * QEMU writes e_ehsize 8 and segments that are not page aligned, so neither is checked.
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import { exact, need, type Reader } from "./reader.ts";

/** A PT_LOAD segment: [address, address + fileLength) is in the file at `offset`. */
export interface CoreSegment {
  /** Guest physical address (p_paddr), bytes. */
  readonly address: bigint;
  readonly offset: number;
  /** Bytes in the file (p_filesz). */
  readonly fileLength: number;
  /** Bytes in memory (p_memsz); what is past `fileLength` was not dumped. */
  readonly memoryLength: bigint;
}

/** What an ELF dump says of itself. */
export interface ElfCore {
  readonly bits: 32 | 64;
  /** e_machine: 62 is x86-64, 183 AArch64. */
  readonly machine: number;
  /** In the order of the file, empty ones left out. */
  readonly segments: readonly CoreSegment[];
}

const PT_LOAD = 1;
const ET_CORE = 4;
/** e_phnum says so when the real number stands in section 0's sh_info. */
const PN_XNUM = 0xffff;
/** More segments than any guest has; a table of them would be 56 MiB. */
const MAX_SEGMENTS = 1 << 20;

/** Where the fields stand, in bytes. */
const FIELDS = {
  64: {
    phoff: 32,
    shoff: 40,
    phentsize: 54,
    phnum: 56,
    header: 64,
    entry: 56,
    shInfo: 44,
    section: 64,
  },
  32: {
    phoff: 28,
    shoff: 32,
    phentsize: 42,
    phnum: 44,
    header: 52,
    entry: 32,
    shInfo: 28,
    section: 40,
  },
} as const;

/** Whether a file starts like an ELF file. */
export function isElf(reader: Reader): boolean {
  const magic = new Uint8Array(4);
  return reader.readInto(0, magic) === 4 && String.fromCharCode(...magic) === "\x7fELF";
}

/** Parses an ELF core. Throws ProtocolError for what is none, is cut short or lies about itself. */
export function parseElfCore(reader: Reader): ElfCore {
  const ident = need(reader, "elf", "header", 0, 16);
  const bits = ident.getUint8(4) === 2 ? 64 : 32;
  wanted(ident.getUint8(5), 1, "byte order", "1 (little-endian)");
  const header = need(reader, "elf", "header", 0, FIELDS[bits].header);
  wanted(header.getUint16(16, true), ET_CORE, "e_type", "4 (ET_CORE)");
  const count = segmentCount(reader, header, bits);
  const offset = word(header, FIELDS[bits].phoff, bits, "e_phoff");
  const size = header.getUint16(FIELDS[bits].phentsize, true);
  if (size < FIELDS[bits].entry) {
    throw new ProtocolError("elf", "e_phentsize", `at least ${FIELDS[bits].entry}`, `${size}`);
  }
  const table = need(reader, "elf", "program headers", offset, count * size);
  const segments = Array.from({ length: count }, (_, n) => segment(table, n * size, bits, reader));
  return {
    bits,
    machine: header.getUint16(18, true),
    segments: segments.filter((one) => one !== null),
  };
}

function segmentCount(reader: Reader, header: DataView, bits: 32 | 64): number {
  const fields = FIELDS[bits];
  let count = header.getUint16(fields.phnum, true);
  if (count === PN_XNUM) {
    const at = word(header, fields.shoff, bits, "e_shoff");
    count = need(reader, "elf", "section 0", at, fields.section).getUint32(fields.shInfo, true);
  }
  if (count > MAX_SEGMENTS) {
    throw new ProtocolError("elf", "e_phnum", `at most ${MAX_SEGMENTS} segments`, `${count}`);
  }
  return count;
}

function segment(table: DataView, at: number, bits: 32 | 64, reader: Reader): CoreSegment | null {
  if (table.getUint32(at, true) !== PT_LOAD) return null;
  const field = (wide: number, narrow: number) =>
    bits === 64 ? table.getBigUint64(at + wide, true) : BigInt(table.getUint32(at + narrow, true));
  const offset = exact(field(8, 4), "elf", "p_offset");
  const stored = exact(field(32, 16), "elf", "p_filesz");
  const address = field(24, 12);
  const memoryLength = field(40, 20);
  if (stored === 0) return null;
  if (address + BigInt(stored) > 1n << 64n) {
    throw new ProtocolError(
      "elf",
      "segment",
      "an end below 2^64",
      `0x${address.toString(16)}+${stored}`,
      at,
    );
  }
  // A dump cut short still has its beginning: what is there can be read, what is not is unreadable.
  const fileLength = Math.max(0, Math.min(stored, reader.size - offset));
  return fileLength === 0 ? null : { address, offset, fileLength: stored, memoryLength };
}

function word(view: DataView, at: number, bits: 32 | 64, item: string): number {
  return bits === 64 ? exact(view.getBigUint64(at, true), "elf", item) : view.getUint32(at, true);
}

function wanted(got: number, want: number, item: string, text: string): void {
  if (got !== want) throw new ProtocolError("elf", item, text, String(got));
}
