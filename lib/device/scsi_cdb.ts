/**
 * SCSI commands: name, place and length of what a command descriptor block asks for.
 * Sources: SPC-5, SBC-4, MMC-6 (T10). Fields in a CDB are big-endian.
 *
 * @module
 */
import { label } from "./exchange.ts";
import type { Shown } from "./kind.ts";

/** A command in words. */
export interface Command {
  /** `READ(10)`, or the operation code as a number. */
  readonly name: string | number;
  /** Name and operands, one line. */
  readonly text: string;
  /** `lba`, `blocks`, `allocationLength` … as far as the CDB reaches. */
  readonly fields: Shown;
}

type Operands = (cdb: Uint8Array) => Shown;
type Known = readonly [name: string, operands: Operands];

/** A length of 0 in a 6-byte read or write means 256 blocks (SBC-4). */
const blocks6: Operands = (cdb) => ({
  lba: lba(cdb, 1, 3, 0x1fffffn),
  blocks: cdb[4] === 0 ? 256 : cdb[4],
});
const blocks10: Operands = (cdb) => ({ lba: lba(cdb, 2, 4), blocks: count(cdb, 7, 2) });
const blocks12: Operands = (cdb) => ({ lba: lba(cdb, 2, 4), blocks: count(cdb, 6, 4) });
const blocks16: Operands = (cdb) => ({ lba: lba(cdb, 2, 8), blocks: count(cdb, 10, 4) });
const blocks32: Operands = (cdb) => ({ lba: lba(cdb, 12, 8), blocks: count(cdb, 28, 4) });
const compare: Operands = (cdb) => ({ lba: lba(cdb, 2, 8), blocks: cdb[13] });
const zone: Operands = (cdb) => ({ lba: lba(cdb, 2, 8) });
const length4: Operands = (cdb) => ({ allocationLength: cdb[4] });
const length3: Operands = (cdb) => ({ allocationLength: count(cdb, 3, 2) });
const length6: Operands = (cdb) => ({ allocationLength: count(cdb, 6, 4) });
const length7: Operands = (cdb) => ({ allocationLength: count(cdb, 7, 2) });
const length10: Operands = (cdb) => ({ allocationLength: count(cdb, 10, 4) });
const parameters7: Operands = (cdb) => ({ parameterListLength: count(cdb, 7, 2) });
const none: Operands = () => ({});

/** Vital product data: bit 0 of byte 1 selects a page. */
const inquiry: Operands = (cdb) => ({
  vpdPage: (cdb[1] & 1) === 1 ? cdb[2] : undefined,
  ...length3(cdb),
});
const modeSense: Operands = (cdb) => ({ page: low(cdb, 2, 0x3f), subpage: cdb[3] });

const COMMANDS: { readonly [opcode: number]: Known } = {
  0x00: ["TEST UNIT READY", none],
  0x01: ["REZERO UNIT", none],
  0x03: ["REQUEST SENSE", length4],
  0x04: ["FORMAT UNIT", none],
  0x08: ["READ(6)", blocks6],
  0x0a: ["WRITE(6)", blocks6],
  0x12: ["INQUIRY", inquiry],
  0x15: ["MODE SELECT(6)", length4],
  0x16: ["RESERVE(6)", none],
  0x17: ["RELEASE(6)", none],
  0x1a: ["MODE SENSE(6)", (cdb) => ({ ...modeSense(cdb), ...length4(cdb) })],
  0x1b: ["START STOP UNIT", (cdb) => ({ start: low(cdb, 4, 1), loadEject: low(cdb, 4, 2) })],
  0x1c: ["RECEIVE DIAGNOSTIC RESULTS", length3],
  0x1d: ["SEND DIAGNOSTIC", length3],
  0x1e: ["PREVENT ALLOW MEDIUM REMOVAL", (cdb) => ({ prevent: low(cdb, 4, 3) })],
  0x23: ["READ FORMAT CAPACITIES", length7],
  0x25: ["READ CAPACITY(10)", none],
  0x28: ["READ(10)", blocks10],
  0x2a: ["WRITE(10)", blocks10],
  0x2b: ["SEEK(10)", (cdb) => ({ lba: lba(cdb, 2, 4) })],
  0x2e: ["WRITE AND VERIFY(10)", blocks10],
  0x2f: ["VERIFY(10)", blocks10],
  0x34: ["PRE-FETCH(10)", blocks10],
  0x35: ["SYNCHRONIZE CACHE(10)", blocks10],
  0x37: ["READ DEFECT DATA(10)", length7],
  0x3b: ["WRITE BUFFER", none],
  0x3c: ["READ BUFFER(10)", none],
  0x41: ["WRITE SAME(10)", blocks10],
  0x42: ["UNMAP", parameters7],
  0x43: ["READ TOC/PMA/ATIP", length7],
  0x46: ["GET CONFIGURATION", length7],
  0x48: ["SANITIZE", none],
  0x4a: ["GET EVENT STATUS NOTIFICATION", length7],
  0x4d: ["LOG SENSE", (cdb) => ({ page: low(cdb, 2, 0x3f), ...length7(cdb) })],
  0x51: ["READ DISC INFORMATION", length7],
  0x55: ["MODE SELECT(10)", parameters7],
  0x56: ["RESERVE(10)", none],
  0x57: ["RELEASE(10)", none],
  0x5a: ["MODE SENSE(10)", (cdb) => ({ ...modeSense(cdb), ...length7(cdb) })],
  0x5e: ["PERSISTENT RESERVE IN", length7],
  0x5f: ["PERSISTENT RESERVE OUT", parameters7],
  0x83: ["EXTENDED COPY", length10],
  0x84: ["RECEIVE COPY RESULTS", length10],
  0x85: ["ATA PASS-THROUGH(16)", (cdb) => ({ ataCommand: cdb[14] })],
  0x88: ["READ(16)", blocks16],
  0x89: ["COMPARE AND WRITE", compare],
  0x8a: ["WRITE(16)", blocks16],
  0x8e: ["WRITE AND VERIFY(16)", blocks16],
  0x8f: ["VERIFY(16)", blocks16],
  0x90: ["PRE-FETCH(16)", blocks16],
  0x91: ["SYNCHRONIZE CACHE(16)", blocks16],
  0x93: ["WRITE SAME(16)", blocks16],
  0xa0: ["REPORT LUNS", length6],
  0xa1: ["ATA PASS-THROUGH(12)", (cdb) => ({ ataCommand: cdb[9] })],
  0xa8: ["READ(12)", blocks12],
  0xaa: ["WRITE(12)", blocks12],
  0xac: ["GET PERFORMANCE", none],
  0xad: ["READ DISC STRUCTURE", none],
  0xae: ["WRITE AND VERIFY(12)", blocks12],
  0xaf: ["VERIFY(12)", blocks12],
  0xb7: ["READ DEFECT DATA(12)", length6],
  0xbd: ["MECHANISM STATUS", none],
  0xbe: ["READ CD", (cdb) => ({ lba: lba(cdb, 2, 4), blocks: count(cdb, 6, 3) })],
};

/** Commands told apart by a service action: 5 bits of byte 1, for 0x7f 16 bits at byte 8. */
const SERVICES: { readonly [opcode: number]: { readonly [action: number]: Known } } = {
  0x7f: {
    0x09: ["READ(32)", blocks32],
    0x0a: ["VERIFY(32)", blocks32],
    0x0b: ["WRITE(32)", blocks32],
    0x0c: ["WRITE AND VERIFY(32)", blocks32],
    0x0d: ["WRITE SAME(32)", blocks32],
  },
  0x94: {
    0x01: ["CLOSE ZONE", zone],
    0x02: ["FINISH ZONE", zone],
    0x03: ["OPEN ZONE", zone],
    0x04: ["RESET WRITE POINTER", zone],
  },
  0x95: { 0x00: ["REPORT ZONES", (cdb) => ({ ...zone(cdb), ...length10(cdb) })] },
  0x9e: {
    0x10: ["READ CAPACITY(16)", length10],
    0x12: ["GET LBA STATUS", (cdb) => ({ ...zone(cdb), ...length10(cdb) })],
  },
  0xa3: {
    0x05: ["REPORT IDENTIFYING INFORMATION", length6],
    0x0a: ["REPORT TARGET PORT GROUPS", length6],
    0x0c: ["REPORT SUPPORTED OPERATION CODES", length6],
    0x0d: ["REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", length6],
    0x0f: ["REPORT TIMESTAMP", length6],
  },
  0xa4: { 0x0a: ["SET TARGET PORT GROUPS", length6], 0x0f: ["SET TIMESTAMP", length6] },
};

/** What a CDB asks for. Never throws; an empty one is `no command`. */
export function commandOf(cdb: Uint8Array): Command {
  if (cdb.length === 0) return { name: "no command", text: "no command", fields: {} };
  const [name, operands] = known(cdb);
  const fields = operands(cdb);
  return { name, text: [label(name), ...words(fields)].join(" "), fields };
}

function known(cdb: Uint8Array): readonly [string | number, Operands] {
  const services = SERVICES[cdb[0]];
  if (services === undefined) return COMMANDS[cdb[0]] ?? [cdb[0], none];
  const action = cdb[0] === 0x7f ? count(cdb, 8, 2) : low(cdb, 1, 0x1f);
  const service = (action: number): Shown => ({ serviceAction: action });
  return action === undefined
    ? [cdb[0], none]
    : services[action] ?? [cdb[0], () => service(action)];
}

/** `lba 2048 blocks 8`: 64-bit operands are hexadecimal in fields and decimal in words. */
function words(fields: Shown): string[] {
  const unit: { readonly [field: string]: string } = {
    allocationLength: "length",
    parameterListLength: "length",
    vpdPage: "page",
    ataCommand: "command",
    loadEject: "load/eject",
    serviceAction: "service action",
  };
  return Object.entries(fields).filter(([, value]) => value !== undefined).map(([key, value]) =>
    `${unit[key] ?? key} ${key === "lba" ? BigInt(value as string) : value}`
  );
}

function lba(cdb: Uint8Array, at: number, size: number, mask = ~0n): string | undefined {
  if (at + size > cdb.length) return undefined;
  const value = cdb.subarray(at, at + size).reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
  return "0x" + (value & mask).toString(16);
}

function count(cdb: Uint8Array, at: number, size: number): number | undefined {
  if (at + size > cdb.length) return undefined;
  return cdb.subarray(at, at + size).reduce((sum, byte) => sum * 256 + byte, 0);
}

function low(cdb: Uint8Array, at: number, mask: number): number | undefined {
  return at < cdb.length ? cdb[at] & mask : undefined;
}
