/**
 * Block device: virtio 1.4, 5.2.6. A request is a 16-byte header, data, and a status byte at the end
 * of the writable part, however the driver cut it into buffers.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import {
  bounded,
  decoded,
  type Exchange,
  exchange,
  LIST_LIMIT,
  plural,
  sentence,
  statusByte,
} from "./exchange.ts";
import {
  count64,
  flags,
  group,
  hexBytes,
  named,
  pad,
  show,
  type Shown,
  textToNul,
  u16,
  u32,
  u64,
  u8,
  when,
} from "./kind.ts";
import { commandOf } from "./scsi_cdb.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

/** `struct virtio_blk_req`, the readable header; `ioprio` is legacy's name for `reserved`. */
const HEADER = { type: u32, ioprio: u32, sector: u64 };
const HEADER_SIZE = 16;

/** `struct virtio_blk_discard_write_zeroes`. */
const SEGMENT = { sector: u64, numSectors: u32, flags: flags(u32, ["unmap"]) };
const SEGMENT_SIZE = 16;

/** `struct virtio_blk_lifetime`. */
const LIFETIME = {
  preEolInfo: named(u16, ["UNDEFINED", "NORMAL", "WARNING", "URGENT"]),
  deviceLifetimeEstTypA: u16,
  deviceLifetimeEstTypB: u16,
};

/** `struct virtio_blk_zone_report` and `struct virtio_blk_zone_descriptor`. */
const ZONE_REPORT = { nrZones: count64, reserved: pad(56) };
const ZONE = {
  zCap: u64,
  zStart: u64,
  zWp: u64,
  zType: named(u8, { 1: "CONV", 2: "SWR", 3: "SWP" }),
  zState: named(u8, {
    0: "NOT_WP",
    1: "EMPTY",
    2: "IOPEN",
    3: "EOPEN",
    4: "CLOSED",
    13: "RDONLY",
    14: "FULL",
    15: "OFFLINE",
  }),
  reserved: pad(38),
};

/** The end of legacy's `struct virtio_scsi_pc_req`; 96 bytes of sense lie before it. */
const SCSI_RESULT = { errors: u32, dataLen: u32, senseLen: u32, residual: u32 };
const SCSI_RESULT_SIZE = 16;

/** Longest device ID string; shorter ones end with a NUL. */
const ID_SIZE = 20;

const STATUS = [
  "OK",
  "IOERR",
  "UNSUPP",
  "ZONE_INVALID_CMD",
  "ZONE_UNALIGNED_WP",
  "ZONE_OPEN_RESOURCE",
  "ZONE_ACTIVE_RESOURCE",
];

/** What an operation carries beside the header, for the summary and as fields. */
interface Body {
  readonly text: string;
  readonly fields: Shown;
}

type Operation = readonly [name: string | number, body: (x: Exchange, sector?: bigint) => Body];

/** Request types; 2, 3 and 5 are legacy's. */
const OPERATIONS: { readonly [type: number]: Operation } = {
  0: ["IN", (x, sector) => data(x, sector, x.writable - 1)],
  1: ["OUT", (x, sector) => data(x, sector, x.readable - HEADER_SIZE)],
  2: ["SCSI_CMD", scsiCommand],
  3: ["SCSI_CMD_OUT", scsiCommand],
  4: ["FLUSH", nothing],
  5: ["FLUSH_OUT", nothing],
  8: ["GET_ID", identity],
  10: ["GET_LIFETIME", lifetime],
  11: ["DISCARD", segments],
  13: ["WRITE_ZEROES", segments],
  14: ["SECURE_ERASE", segments],
  15: ["ZONE_APPEND", zoneAppend],
  16: ["ZONE_REPORT", zoneReport],
  18: ["ZONE_OPEN", place],
  20: ["ZONE_CLOSE", place],
  22: ["ZONE_FINISH", place],
  24: ["ZONE_RESET", place],
  26: ["ZONE_RESET_ALL", nothing],
};

/** Legacy: the request must wait for all before it. */
const BARRIER = 0x80000000;

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const { type, ioprio, sector } = x.request.struct("virtio_blk_req", HEADER);
  const operation = type === undefined ? undefined : (type & ~BARRIER) >>> 0;
  const barrier = type !== undefined && (type & BARRIER) !== 0;
  const [name, body] = operationOf(x, operation);
  const { text, fields } = body(x, sector);
  const status = statusByte(x, STATUS, u8);
  return decoded("blk", name, x, sentence([name, barrier && "BARRIER", text], status), {
    type: operation === undefined ? undefined : typeName(operation),
    barrier: barrier || undefined,
    ioprio: ioprio || undefined,
    sector: sector === undefined ? undefined : u64.show(sector),
    ...fields,
    status,
  });
}

function operationOf(x: Exchange, type: number | undefined): Operation {
  if (type === undefined) return ["incomplete", nothing];
  const known = OPERATIONS[type];
  if (known === undefined) x.notes.push(`unknown type ${type}`);
  return known ?? [type, nothing];
}

function typeName(type: number): string | number {
  return OPERATIONS[type]?.[0] ?? type;
}

function nothing(): Body {
  return { text: "", fields: {} };
}

function place(_: Exchange, sector?: bigint): Body {
  return { text: sector === undefined ? "" : `sector ${sector}`, fields: {} };
}

/** Sectors are of 512 bytes, whatever `blk_size` says; so is the unit of data. */
function data(x: Exchange, sector: bigint | undefined, length: number): Body {
  const dataLength = Math.max(0, length);
  if (dataLength % 512 !== 0) x.notes.push(`data length ${dataLength} is not a multiple of 512`);
  const where = sector === undefined ? "" : `sector ${sector}, `;
  return { text: `${where}${plural(dataLength, "byte")}`, fields: { dataLength } };
}

function identity(x: Exchange): Body {
  if (x.pending) return nothing();
  const id = textToNul(x.reply.bytes(Math.min(ID_SIZE, x.writable - 1)));
  return { text: `"${id}"`, fields: { id } };
}

function lifetime(x: Exchange): Body {
  return { text: "", fields: show(LIFETIME, x.reply.struct("virtio_blk_lifetime", LIFETIME)) };
}

function segments(x: Exchange): Body {
  const bytes = x.request.rest;
  const segmentCount = Math.floor(bytes / SEGMENT_SIZE);
  if (bytes % SEGMENT_SIZE !== 0) {
    x.notes.push(`${bytes} bytes of segments are not a multiple of ${SEGMENT_SIZE}`);
  }
  let sectors = 0;
  const shown = bounded(segmentCount, () => {
    const segment = x.request.struct("virtio_blk_discard_write_zeroes", SEGMENT);
    sectors += segment.numSectors ?? 0;
    return segment.flags === undefined ? undefined : show(SEGMENT, segment);
  });
  const more = segmentCount > LIST_LIMIT ? ` in the first ${LIST_LIMIT}` : "";
  return {
    text: `${plural(segmentCount, "segment")}, ${plural(sectors, "sector")}${more}`,
    fields: { segmentCount, segments: shown },
  };
}

function zoneAppend(x: Exchange, sector?: bigint): Body {
  const body = data(x, sector, x.readable - HEADER_SIZE);
  const { appendSector } = x.tail(9).struct("virtio_blk_req_za", { appendSector: u64 });
  if (appendSector === undefined) return body;
  return {
    text: `${body.text} at sector ${appendSector}`,
    fields: { ...body.fields, appendSector: u64.show(appendSector) },
  };
}

function zoneReport(x: Exchange, sector?: bigint): Body {
  const room = Math.max(0, Math.floor((x.writable - 1 - 64) / 64));
  const header = x.reply.struct("virtio_blk_zone_report", ZONE_REPORT);
  const said = header.nrZones === undefined ? 0 : Number(header.nrZones);
  const zones = bounded(Math.min(said, room), () => {
    const zone = x.reply.struct("virtio_blk_zone_descriptor", ZONE);
    return zone.zState === undefined ? undefined : show(ZONE, zone);
  });
  const from = place(x, sector).text;
  return {
    text: `${from} room for ${plural(room, "zone")}`,
    fields: { ...show(ZONE_REPORT, header), zones },
  };
}

/** Legacy 5.2.6.3: the readable part goes on with the CDB; the reply ends with sense, result, status. */
function scsiCommand(x: Exchange): Body {
  const cdb = x.request.bytes(32);
  const result = x.tail(SCSI_RESULT_SIZE + 1).struct("virtio_scsi_pc_req", SCSI_RESULT);
  return {
    text: cdb.length === 0 ? "" : commandOf(cdb).text,
    fields: { cdb: hexBytes(cdb), ...show(SCSI_RESULT, result) },
  };
}

/** Block device (id 2). */
export const blk: DeviceType = {
  id: 2,
  name: "blk",
  features: {
    0: "BARRIER",
    1: "SIZE_MAX",
    2: "SEG_MAX",
    4: "GEOMETRY",
    5: "RO",
    6: "BLK_SIZE",
    7: "SCSI",
    9: "FLUSH",
    10: "TOPOLOGY",
    11: "CONFIG_WCE",
    12: "MQ",
    13: "DISCARD",
    14: "WRITE_ZEROES",
    15: "LIFETIME",
    16: "SECURE_ERASE",
    17: "ZONED",
  },
  config: {
    capacity: u64,
    sizeMax: when(1, u32),
    segMax: when(2, u32),
    geometry: when(4, group({ cylinders: u16, heads: u8, sectors: u8 })),
    blkSize: when(6, u32),
    topology: when(
      10,
      group({ physicalBlockExp: u8, alignmentOffset: u8, minIoSize: u16, optIoSize: u32 }),
    ),
    writeback: when(11, u8),
    unused0: pad(1),
    numQueues: when(12, u16),
    maxDiscardSectors: when(13, u32),
    maxDiscardSeg: when(13, u32),
    discardSectorAlignment: when(13, u32),
    maxWriteZeroesSectors: when(14, u32),
    maxWriteZeroesSeg: when(14, u32),
    writeZeroesMayUnmap: when(14, u8),
    unused1: pad(3),
    maxSecureEraseSectors: when(16, u32),
    maxSecureEraseSeg: when(16, u32),
    secureEraseSectorAlignment: when(16, u32),
    zoned: when(
      17,
      group({
        zoneSectors: u32,
        maxOpenZones: u32,
        maxActiveZones: u32,
        maxAppendSectors: u32,
        writeGranularity: u32,
        model: named(u8, ["NONE", "HM", "HA"]),
        unused2: pad(3),
      }),
    ),
  },
  queueName: QUEUE_NAMERS.blk,
  decode,
};
