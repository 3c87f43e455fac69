/**
 * ELF core files whose segments are guest memory: QEMU `dump-guest-memory`, `virsh dump`, kdump's
 * vmcore. Layout: System V ABI, chapters 4 and 5 (`Elf64_Ehdr`, `Elf64_Phdr` and their 32-bit forms).
 *
 * QEMU writes e_ehsize 8 and segments that are not page aligned, so neither is checked.
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import { type SegmentHeader, type Segments, settleSegments } from "./elf_segments.ts";
import { exact, need, type Reader } from "./reader.ts";

/** What an ELF dump says of itself. */
export interface ElfCore extends Segments {
  readonly bits: 32 | 64;
  /** e_machine: 62 is x86-64, 183 AArch64. */
  readonly machine: number;
  /**
   * Several segments, all at physical address 0: Linux writes none into the core of a process, and
   * a process is no guest. Then `segments` mean nothing.
   */
  readonly process: boolean;
}

const PT_LOAD = 1;
const ET_CORE = 4;
/** e_phnum says so when the real number stands in section 0's sh_info. */
const PN_XNUM = 0xffff;
/** More segments than any guest has. */
const MAX_SEGMENTS = 1 << 20;
/** Bytes of a table of as many: entries may be longer than we know them, up to 64 KiB each. */
const MAX_TABLE = 64 << 20;

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

/**
 * Parses an ELF core. Of segments that lie what the file has is kept, and of two that overlap the one
 * that starts later gives way; `notes` says so. Throws ProtocolError for what is no core, and for a
 * header or a segment table that is cut short.
 */
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
  if (count * size > MAX_TABLE) {
    const got = `${count} of ${size} bytes`;
    throw new ProtocolError("elf", "program headers", `at most ${MAX_TABLE} bytes`, got);
  }
  const table = need(reader, "elf", "program headers", offset, count * size);
  const headers = Array.from({ length: count }, (_, n) => n)
    .filter((n) => table.getUint32(n * size, true) === PT_LOAD)
    .map((n) => segmentHeader(table, n * size, bits, `segment ${n}`))
    .filter(({ length }) => length > 0n);
  const there = headers.filter(({ offset }) => offset < reader.size);
  const process = there.length > 1 && there.every(({ address }) => address === 0n);
  const machine = header.getUint16(18, true);
  return { bits, machine, process, ...settleSegments(process ? [] : headers, reader.size) };
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

function segmentHeader(
  table: DataView,
  at: number,
  bits: 32 | 64,
  name: string,
): SegmentHeader {
  const field = (wide: number, narrow: number) =>
    bits === 64 ? table.getBigUint64(at + wide, true) : BigInt(table.getUint32(at + narrow, true));
  return { name, offset: field(8, 4), address: field(24, 12), length: field(32, 16) };
}

function word(view: DataView, at: number, bits: 32 | 64, item: string): number {
  return bits === 64 ? exact(view.getBigUint64(at, true), "elf", item) : view.getUint32(at, true);
}

function wanted(got: number, want: number, item: string, text: string): void {
  if (got !== want) throw new ProtocolError("elf", item, text, String(got));
}
