/**
 * Requests of block, SCSI, file system and 9P devices: virtio 1.4, 5.2.6, 5.6.6 and 5.11.6; Linux
 * uapi `linux/fuse.h`; 9P2000.L's message header.
 *
 * @module
 */
import { commandOf } from "../device/scsi_cdb.ts";
import { posted, type Rule, writesOnly, zeros } from "./rule.ts";
import type { Sample } from "./sample.ts";

const BARRIER = 0x80000000;
/** Sectors of 512 bytes: 2^43 are 4 PiB. */
const MAX_SECTOR = 2 ** 43;

/** `struct virtio_scsi_req_cmd`, the writable part: 12 bytes and 96 of sense data. */
const SCSI_RESPONSE = 108;

/** Whether the data of a blk request has a length that its type allows. */
const BLK_LENGTHS: { readonly [type: number]: (readable: number, writable: number) => boolean } = {
  0: (readable, writable) => readable === 16 && writable > 1 && writable % 512 === 1,
  1: (readable, writable) => readable > 16 && readable % 512 === 16 && writable === 1,
  4: (readable, writable) => readable === 16 && writable === 1,
  8: (readable, writable) => readable === 16 && writable === 21,
  11: (readable, writable) => readable > 16 && readable % 16 === 0 && writable === 1,
  13: (readable, writable) => readable > 16 && readable % 16 === 0 && writable === 1,
};

function blkRequest(sample: Sample): number | null {
  const { chain: { readable, writable, written }, request } = sample;
  // What the device wrote is data in sectors and a status byte, or that byte alone.
  if (written !== null && written % 512 !== 1) return null;
  const header = writable === 0 ? null : request(16);
  const type = header === null ? -1 : (header.getUint32(0, true) & ~BARRIER) >>> 0;
  const whole = written === null || written === writable;
  const fits = header !== null && header.getUint32(4, true) <= 0xffff &&
    Number(header.getBigUint64(8, true)) <= MAX_SECTOR && BLK_LENGTHS[type]?.(readable, writable);
  if (header !== null && fits && whole) return 12 + (header.getBigUint64(8, true) === 0n ? 0 : 6);
  return byLength(written, 1);
}

/**
 * What the length alone says of a buffer that went back: its table or header may belong to another by
 * now. Data in sectors and `rest` bytes are rare elsewhere; `rest` alone is neither for nor against.
 */
function byLength(written: number | null, rest: number): number | null {
  if (written === null) return null;
  return written === rest ? 0 : written > rest && (written - rest) % 512 === 0 ? 5 : null;
}

/** 5.6.6.1: addressing as the standard asks for, and a command that has a name. */
function scsiCommand({ chain, request }: Sample): number | null {
  const { writable, written } = chain;
  // The response with all of its sense data comes first; sectors and a byte more are a disk's answer.
  if (written !== null && (written < SCSI_RESPONSE || written % 512 === 1)) return null;
  const header = writable < SCSI_RESPONSE ? null : request(51);
  const known = header !== null && isLun(header, 0) && header.getUint8(16) <= 3 &&
    header.getUint8(17) <= 15 && hasName(header, 19);
  return known ? 20 : byLength(written, SCSI_RESPONSE);
}

function hasName(view: DataView, at: number): boolean {
  const cdb = new Uint8Array(view.buffer, view.byteOffset + at, 32);
  return /^[A-Z]/.test(String(commandOf(cdb).name));
}

function isLun(view: DataView, at: number): boolean {
  const [first, high] = [view.getUint8(at), view.getUint8(at + 2)];
  const wellKnown = first === 0xc1 && view.getUint8(at + 1) === 1;
  return (first === 1 && (high === 0 || high >>> 6 === 1) || wellKnown) && zeros(view, at + 4, 4);
}

function scsiEvent(sample: Sample): number | null {
  if (!writesOnly(sample) || sample.chain.writable !== 16) return null;
  const event = sample.reply(16);
  if (event === null) return posted(sample, 16) ? 1 : 0;
  return (event.getUint32(0, true) & 0x7fffffff) <= 3 && isLun(event, 4) ? 8 : null;
}

function scsiControl({ chain, request }: Sample): number | null {
  const header = request(24);
  if (header === null || chain.readable !== 24 || chain.writable > 5) return null;
  const task = header.getUint32(0, true) === 0 && header.getUint32(4, true) <= 7;
  return task && isLun(header, 8) ? 16 : null;
}

/** `struct fuse_in_header`: length, opcode, unique, node, uid, gid, pid. */
function fuse({ chain, request }: Sample): number | null {
  const header = request(40);
  if (header === null || header.getUint32(0, true) !== chain.readable) return null;
  const opcode = header.getUint32(4, true);
  const known = opcode >= 1 && opcode <= 52 || opcode === 4096;
  return known && header.getUint32(36, true) <= 0xffff ? 20 : null;
}

/** Types of requests in 9P2000.L and 9P2000. */
const NINEP_TYPES = new Set([
  ...[8, 12, 14, 16, 18, 20, 22, 24, 26, 30, 32, 40, 50, 52, 54, 70, 72, 74, 76],
  ...[100, 102, 104, 108, 110, 112, 114, 116, 118, 120, 122, 124, 126],
]);

/** size u32, type u8, tag u16. */
function ninep({ chain, request }: Sample): number | null {
  const header = request(7);
  if (header === null || chain.writable < 7) return null;
  const size = header.getUint32(0, true);
  const fits = size >= 7 && size <= chain.readable && NINEP_TYPES.has(header.getUint8(4));
  return fits ? 12 : null;
}

/** Rules, the strictest first. */
export const STORAGE_RULES: readonly Rule[] = [
  { device: "blk", queue: 0, weigh: blkRequest },
  { device: "scsi", queue: 2, weigh: scsiCommand },
  { device: "scsi", queue: 1, limit: 8, weigh: scsiEvent },
  { device: "scsi", queue: 0, weigh: scsiControl },
  { device: "fs", queue: 1, weigh: fuse },
  { device: "9p", queue: 0, weigh: ninep },
];
