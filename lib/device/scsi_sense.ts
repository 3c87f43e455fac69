/**
 * SCSI sense data and status bytes. Sources: SAM-6 (status), SPC-5 4.5 (sense data) and annex F
 * (additional sense codes), T10.
 *
 * @module
 */
import { bitNames, nameOf, type Names, type Shown } from "./kind.ts";

/** SAM status codes. */
export const SCSI_STATUS: Names = {
  0x00: "GOOD",
  0x02: "CHECK CONDITION",
  0x04: "CONDITION MET",
  0x08: "BUSY",
  0x18: "RESERVATION CONFLICT",
  0x28: "TASK SET FULL",
  0x30: "ACA ACTIVE",
  0x40: "TASK ABORTED",
};

const KEYS: Names = [
  "NO SENSE",
  "RECOVERED ERROR",
  "NOT READY",
  "MEDIUM ERROR",
  "HARDWARE ERROR",
  "ILLEGAL REQUEST",
  "UNIT ATTENTION",
  "DATA PROTECT",
  "BLANK CHECK",
  "VENDOR SPECIFIC",
  "COPY ABORTED",
  "ABORTED COMMAND",
  "RESERVED",
  "VOLUME OVERFLOW",
  "MISCOMPARE",
  "COMPLETED",
];

/** Additional sense code and qualifier, as code << 8 | qualifier. */
const CODES: Names = {
  0x0000: "no additional sense information",
  0x0006: "I/O process terminated",
  0x0401: "becoming ready",
  0x0402: "initializing command required",
  0x0403: "manual intervention required",
  0x0404: "format in progress",
  0x040a: "asymmetric access state transition",
  0x040b: "target port in standby state",
  0x040c: "target port in unavailable state",
  0x0801: "logical unit communication time-out",
  0x0c00: "write error",
  0x0c02: "write error, auto reallocation failed",
  0x1001: "logical block guard check failed",
  0x1002: "logical block application tag check failed",
  0x1003: "logical block reference tag check failed",
  0x1100: "unrecovered read error",
  0x1104: "unrecovered read error, auto reallocate failed",
  0x1a00: "parameter list length error",
  0x1d00: "miscompare during verify operation",
  0x2000: "invalid command operation code",
  0x2100: "logical block address out of range",
  0x2104: "unaligned write command",
  0x2105: "write boundary violation",
  0x2400: "invalid field in CDB",
  0x2500: "logical unit not supported",
  0x2600: "invalid field in parameter list",
  0x2700: "write protected",
  0x2707: "space allocation failed write protect",
  0x2800: "medium may have changed",
  0x2900: "power on, reset, or bus device reset occurred",
  0x2901: "power on occurred",
  0x2902: "SCSI bus reset occurred",
  0x2903: "bus device reset function occurred",
  0x2904: "device internal reset",
  0x2a01: "mode parameters changed",
  0x2a03: "reservations preempted",
  0x2a06: "asymmetric access state changed",
  0x2a09: "capacity data has changed",
  0x2c00: "command sequence error",
  0x2f00: "commands cleared by another initiator",
  0x3000: "incompatible medium installed",
  0x3100: "medium format corrupted",
  0x3a00: "medium not present",
  0x3a01: "medium not present, tray closed",
  0x3a02: "medium not present, tray open",
  0x3d00: "invalid bits in IDENTIFY message",
  0x3e01: "logical unit failure",
  0x3f01: "microcode has been changed",
  0x3f03: "INQUIRY data has changed",
  0x3f0e: "reported LUNs data has changed",
  0x4400: "internal target failure",
  0x4700: "SCSI parity error",
  0x4900: "invalid message error",
  0x4e00: "overlapped commands attempted",
  0x5302: "medium removal prevented",
  0x5500: "system resource failure",
  0x5a01: "operator medium removal request",
};

/** Bits of the first byte of the ATA flags are not decoded; only where the sense is deferred. */
const RESPONSES: { readonly [code: number]: { key: number; asc: number; deferred: boolean } } = {
  0x70: { key: 2, asc: 12, deferred: false },
  0x71: { key: 2, asc: 12, deferred: true },
  0x72: { key: 1, asc: 2, deferred: false },
  0x73: { key: 1, asc: 2, deferred: true },
};

/** Flags of fixed-format sense data, byte 2. */
const MARKS: Names = { 5: "ILI", 6: "EOM", 7: "FILEMARK" };

/** Sense data in words: `ILLEGAL REQUEST, invalid field in CDB`. */
export interface Sense {
  readonly text: string;
  readonly fields: Shown;
}

/** Decodes fixed (70h, 71h) and descriptor (72h, 73h) sense data, as far as the bytes go. */
export function senseOf(bytes: Uint8Array): Sense | null {
  if (bytes.length === 0) return null;
  const code = bytes[0] & 0x7f;
  const place = RESPONSES[code];
  if (place === undefined) {
    return { text: `sense format ${code}`, fields: { responseCode: code } };
  }
  const key = place.key < bytes.length ? nameOf(KEYS, bytes[place.key] & 0xf) : undefined;
  const additional = additionalOf(bytes, place.asc);
  const marks = place.key === 2 && bytes.length > 2 ? bitNames(MARKS, bytes[2] & 0xe0) : [];
  return {
    text: [key, additional, place.deferred && "deferred", ...marks].filter((word) =>
      word !== undefined && word !== false
    ).join(", "),
    fields: {
      key,
      additional,
      deferred: place.deferred || undefined,
      marks: marks.length > 0 ? marks : undefined,
    },
  };
}

function additionalOf(bytes: Uint8Array, at: number): string | undefined {
  if (at + 1 >= bytes.length) return undefined;
  const [code, qualifier] = [bytes[at], bytes[at + 1]];
  return CODES[code << 8 | qualifier] ??
    `asc 0x${code.toString(16)} ascq 0x${qualifier.toString(16)}`;
}
