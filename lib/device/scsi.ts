/**
 * SCSI host device: virtio 1.4, 5.6.6.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import {
  decoded,
  type Exchange,
  exchange,
  expect,
  label,
  outcome,
  plural,
  sentence,
} from "./exchange.ts";
import { has } from "./features.ts";
import type { Fields } from "./fields.ts";
import {
  defined,
  flags,
  hexBytes,
  type Kind,
  named,
  nameOf,
  type Names,
  raw,
  show,
  type Shown,
  u16,
  u32,
  u64,
  u8,
} from "./kind.ts";
import { commandOf } from "./scsi_cdb.ts";
import { SCSI_STATUS, senseOf } from "./scsi_sense.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

const TASK_ATTRIBUTES = ["SIMPLE", "ORDERED", "HEAD", "ACA"];

/** 5.6.6.1: shown as target and LUN where it has the form that the standard asks for. */
const lun: Kind<Uint8Array> = { ...raw(8), show: lunText };

/** `struct virtio_scsi_req_cmd` up to the CDB. */
const REQUEST = { lun, id: u64, taskAttr: named(u8, TASK_ATTRIBUTES), prio: u8, crn: u8 };
const PROTECTION = { piBytesout: u32, piBytesin: u32 };

const RESPONSES: Names = [
  "OK",
  "OVERRUN",
  "ABORTED",
  "BAD_TARGET",
  "RESET",
  "BUSY",
  "TRANSPORT_FAILURE",
  "TARGET_FAILURE",
  "NEXUS_FAILURE",
  "FAILURE",
  "FUNCTION_SUCCEEDED",
  "FUNCTION_REJECTED",
  "INCORRECT_LUN",
];

/** The writable part up to the sense data. */
const REPLY = {
  senseLen: u32,
  residual: u32,
  statusQualifier: u16,
  status: named(u8, SCSI_STATUS),
  response: named(u8, RESPONSES),
};

const CONTROL_TYPES: Names = ["TMF", "AN_QUERY", "AN_SUBSCRIBE"];
const FUNCTIONS: Names = [
  "ABORT_TASK",
  "ABORT_TASK_SET",
  "CLEAR_ACA",
  "CLEAR_TASK_SET",
  "I_T_NEXUS_RESET",
  "LOGICAL_UNIT_RESET",
  "QUERY_TASK",
  "QUERY_TASK_SET",
];
const ASYNC_EVENTS: Names = {
  1: "OPERATIONAL_CHANGE",
  2: "POWER_MGMT",
  3: "EXTERNAL_REQUEST",
  4: "MEDIA_CHANGE",
  5: "MULTI_HOST",
  6: "DEVICE_BUSY",
};

/** `struct virtio_scsi_ctrl_tmf` and `struct virtio_scsi_ctrl_an` after `type`. */
const TMF = { subtype: named(u32, FUNCTIONS), lun, id: u64 };
const ASYNC = { lun, eventRequested: flags(u32, ASYNC_EVENTS) };

/** `struct virtio_scsi_event`; bit 31 of `event` says that events were missed. */
const EVENT = { event: u32, lun, reason: u32 };
const EVENTS: Names = ["NO_EVENT", "TRANSPORT_RESET", "ASYNC_NOTIFY", "PARAM_CHANGE"];
const EVENTS_MISSED = 0x80000000;
const RESET_REASONS: Names = ["HARD", "RESCAN", "REMOVED"];

const T10_PI = 3;

/** The longest CDB there is (SPC-5); cdb_size may say more. */
const CDB_LIMIT = 260;

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  if (context.queue === 0) return decodeControl(x);
  return context.queue === 1 ? decodeEvent(x) : decodeCommand(x);
}

function decodeCommand(x: Exchange): DecodedRequest {
  const sizes = sizesOf(x.context.config);
  const request = x.request.struct("virtio_scsi_req_cmd", REQUEST);
  const protection = has(x.context.features, T10_PI) ? readProtection(x) : {};
  const cdb = x.request.part(sizes.cdb).bytes(CDB_LIMIT);
  if (cdb.length < Math.min(sizes.cdb, CDB_LIMIT)) {
    x.notes.push(`request: the CDB has ${cdb.length} of ${sizes.cdb} bytes`);
  }
  const command = commandOf(cdb);
  const lengths = dataLengths(x, sizes.sense, protection);
  const result = readResult(x, sizes.sense);
  const words = [
    command.text,
    request.lun && `on ${lunText(request.lun)}`,
    lengths.dataOut > 0 && `${plural(lengths.dataOut, "byte")} out`,
    lengths.dataIn > 0 && `${plural(lengths.dataIn, "byte")} in`,
  ];
  return decoded("scsi", command.name, x, sentence(words, result.text), {
    ...show(REQUEST, request),
    ...show(PROTECTION, protection),
    cdb: hexBytes(cdb),
    command: command.name,
    ...command.fields,
    ...lengths,
    ...result.fields,
  });
}

/** cdb_size and sense_size of the configuration space (5.6.4); their reset values where it is unknown. */
function sizesOf(config: Uint8Array | undefined): { cdb: number; sense: number } {
  if (config === undefined || config.length < 28) return { cdb: 32, sense: 96 };
  const view = new DataView(config.buffer, config.byteOffset);
  return { sense: view.getUint32(20, true), cdb: view.getUint32(24, true) };
}

/** Linux has these before the CDB, virtio 1.4 5.6.6.1 after it; drivers are what is out there. */
function readProtection(x: Exchange): { piBytesout?: number; piBytesin?: number } {
  x.notes.push("T10_PI: read in Linux's order; virtio 1.4 5.6.6.1 puts the lengths after the CDB");
  return x.request.struct("virtio_scsi_req_cmd_pi", PROTECTION);
}

function dataLengths(
  x: Exchange,
  senseSize: number,
  protection: { piBytesout?: number; piBytesin?: number },
): { dataOut: number; dataIn: number } {
  return {
    dataOut: Math.max(0, x.request.rest - (protection.piBytesout ?? 0)),
    dataIn: Math.max(0, x.writable - 12 - senseSize - (protection.piBytesin ?? 0)),
  };
}

function readResult(x: Exchange, senseSize: number): { text: string; fields: Shown } {
  const reply = x.reply.struct("virtio_scsi_req_cmd response", REPLY);
  if (x.pending) return { text: "pending", fields: { response: "pending" } };
  const response = outcome(x, "response", RESPONSES, reply.response);
  const sense = readSense(x.reply, Math.min(reply.senseLen ?? 0, senseSize));
  const status = reply.status === undefined
    ? "no status"
    : label(nameOf(SCSI_STATUS, reply.status));
  return {
    text: [response === "OK" ? status : label(response), sense?.text].filter((word) =>
      word !== undefined
    )
      .join(", "),
    fields: {
      ...show(REPLY, reply),
      response,
      sense: sense === null ? undefined : defined(sense.fields),
    },
  };
}

function readSense(reply: Fields, length: number): ReturnType<typeof senseOf> {
  return length === 0 ? null : senseOf(reply.bytes(Math.min(length, 96)));
}

function decodeControl(x: Exchange): DecodedRequest {
  const { type } = x.request.struct("virtio_scsi_ctrl", { type: u32 });
  const name = expect(x.notes, "control type", CONTROL_TYPES, type) ?? "incomplete";
  return type === 1 || type === 2 ? asyncNotification(x, name) : taskManagement(x, name, type);
}

function taskManagement(x: Exchange, name: string | number, type?: number): DecodedRequest {
  const tmf = type === 0 ? x.request.struct("virtio_scsi_ctrl_tmf", TMF) : {};
  const subtype = expect(x.notes, "task management function", FUNCTIONS, tmf.subtype);
  const { response } = type === 0
    ? x.reply.struct("virtio_scsi_ctrl_tmf response", { response: u8 })
    : { response: undefined };
  const result = outcome(x, "response", tmfResponses, response);
  const words = [
    name,
    subtype,
    tmf.lun && `on ${lunText(tmf.lun)}`,
    tmf.id !== undefined && `id ${u64.show(tmf.id)}`,
  ];
  return decoded("scsi", name, x, sentence(words, result), {
    type: name,
    ...show(TMF, tmf),
    response: result,
  });
}

/** 0 means FUNCTION_COMPLETE to a task management function. */
const tmfResponses: Names = { ...RESPONSES, 0: "FUNCTION_COMPLETE" };

function asyncNotification(x: Exchange, name: string | number): DecodedRequest {
  const request = x.request.struct("virtio_scsi_ctrl_an", ASYNC);
  const layout = { eventActual: flags(u32, ASYNC_EVENTS), response: u8 };
  const reply = x.reply.struct("virtio_scsi_ctrl_an response", layout);
  const response = outcome(x, "response", RESPONSES, reply.response);
  const words = [name, request.lun && `on ${lunText(request.lun)}`];
  return decoded("scsi", name, x, sentence(words, response), {
    type: name,
    ...show(ASYNC, request),
    ...show(layout, reply),
    response,
  });
}

function decodeEvent(x: Exchange): DecodedRequest {
  const { event, lun, reason } = x.reply.struct("virtio_scsi_event", EVENT);
  if (x.pending) {
    return decoded("scsi", "event", x, `event buffer of ${plural(x.writable, "byte")}`, {});
  }
  const number = event === undefined ? undefined : (event & ~EVENTS_MISSED) >>> 0;
  const missed = event !== undefined && event !== number;
  const name = expect(x.notes, "event", EVENTS, number) ?? "incomplete";
  const why = reason === undefined || number !== 1 ? reason : nameOf(RESET_REASONS, reason);
  const words = [
    name,
    lun && `on ${lunText(lun)}`,
    why !== undefined && `reason ${why}`,
    missed && "(events were missed)",
  ];
  return decoded("scsi", name, x, sentence(words), {
    event: name,
    eventsMissed: event === undefined ? undefined : missed,
    lun: lun && lunText(lun),
    reason: why,
  });
}

/** `target 0 lun 1`; `REPORT LUNS` for the well-known LUN; the bytes where it is neither. */
function lunText(bytes: Uint8Array): string {
  const [first, target, high, low] = bytes;
  const rest = bytes.subarray(4).every((byte) => byte === 0);
  if (first === 0xc1 && target === 1 && rest) return "REPORT LUNS";
  if (first !== 1 || !rest) return hexBytes(bytes);
  return `target ${target} lun ${(high & 0x3f) << 8 | low}`;
}

/** SCSI host device (id 8). */
export const scsi: DeviceType = {
  id: 8,
  name: "scsi",
  features: { 0: "INOUT", 1: "HOTPLUG", 2: "CHANGE", 3: "T10_PI" },
  config: {
    numQueues: u32,
    segMax: u32,
    maxSectors: u32,
    cmdPerLun: u32,
    eventInfoSize: u32,
    senseSize: u32,
    cdbSize: u32,
    maxChannel: u16,
    maxTarget: u16,
    maxLun: u32,
  },
  queueName: QUEUE_NAMERS.scsi,
  decode,
};
