/**
 * Socket device: virtio 1.4, 5.10.6.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, type Exchange, exchange, expect, label, plural, sentence } from "./exchange.ts";
import type { Fields } from "./fields.ts";
import {
  bitNames,
  type Kind,
  nameOf,
  type Names,
  show,
  textOf,
  u16,
  u32,
  u64,
  type Values,
} from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

/** A context id: the well-known ones by name (5.10.4), the others as numbers. */
const cid: Kind<bigint> = { ...u64, show: cidText };

const TYPES: Names = { 1: "STREAM", 2: "SEQPACKET" };
const OPERATIONS: Names = [
  "INVALID",
  "REQUEST",
  "RESPONSE",
  "RST",
  "SHUTDOWN",
  "RW",
  "CREDIT_UPDATE",
  "CREDIT_REQUEST",
];
const EVENTS: Names = ["TRANSPORT_RESET"];

/** `struct virtio_vsock_hdr`: 44 bytes. */
const HEADER = {
  srcCid: cid,
  dstCid: cid,
  srcPort: u32,
  dstPort: u32,
  len: u32,
  type: u16,
  op: u16,
  flags: u32,
  bufAlloc: u32,
  fwdCnt: u32,
};

/** Bytes of the payload that are shown. */
const PREVIEW = 32;

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  if (context.queue === 1) return decodePacket(x, "tx", x.request, x.readable);
  if (x.pending) {
    const what = context.queue === 2 ? "event" : "receive";
    const summary = `${what} buffer of ${plural(x.writable, "byte")}`;
    return decoded("vsock", what === "event" ? what : "rx", x, summary, {
      bufferLength: x.writable,
    });
  }
  return context.queue === 2 ? decodeEvent(x) : decodePacket(x, "rx", x.reply, x.written);
}

function decodePacket(
  x: Exchange,
  direction: "rx" | "tx",
  stream: Fields,
  total: number,
): DecodedRequest {
  const header = stream.struct("virtio_vsock_hdr", HEADER);
  const name = expect(x.notes, "op", OPERATIONS, header.op) ?? "incomplete";
  const room = Math.max(0, total - 44);
  if ((header.len ?? 0) > room) x.notes.push(`len says ${header.len} bytes, ${room} are there`);
  const data = textOf(stream.bytes(Math.min(PREVIEW, header.len ?? 0)));
  const words = [direction, ...endpoints(header), label(name), ...flagWords(header)];
  const length = header.len ? plural(header.len, "byte") : undefined;
  return decoded("vsock", name, x, sentence([...words, length]), {
    direction,
    ...show(HEADER, header),
    type: header.type === undefined ? undefined : nameOf(TYPES, header.type),
    op: header.op === undefined ? undefined : name,
    flags: header.flags === undefined ? undefined : flagNames(header),
    data: data === "" ? undefined : data,
  });
}

function endpoints(header: Values<typeof HEADER>): string[] {
  const { srcCid, dstCid, srcPort, dstPort } = header;
  if (srcCid === undefined || dstCid === undefined || dstPort === undefined) return [];
  return [`${cidText(srcCid)}:${srcPort} > ${cidText(dstCid)}:${dstPort}`];
}

function flagNames({ op, flags = 0 }: Values<typeof HEADER>): (string | number)[] {
  if (op === 4) return bitNames(["RECEIVE", "SEND"], flags);
  return bitNames(op === 5 ? ["SEQ_EOM", "SEQ_EOR"] : [], flags);
}

function flagWords(header: Values<typeof HEADER>): string[] {
  const names = flagNames(header);
  return names.length > 0 ? [`[${names.join(" ")}]`] : [];
}

function cidText(value: bigint): string | number {
  if (value === 0n) return "hypervisor";
  if (value === 1n) return "local";
  if (value === 2n) return "host";
  if (value === 0xffffffffn) return "any";
  return value < 1n << 32n ? Number(value) : "0x" + value.toString(16);
}

function decodeEvent(x: Exchange): DecodedRequest {
  const { id } = x.reply.struct("virtio_vsock_event", { id: u32 });
  const name = expect(x.notes, "event", EVENTS, id) ?? "incomplete";
  return decoded("vsock", name, x, `event ${label(name)}`, {
    id: id === undefined ? undefined : name,
  });
}

/** Socket device (id 19). */
export const vsock: DeviceType = {
  id: 19,
  name: "vsock",
  features: { 0: "STREAM", 1: "SEQPACKET", 2: "NO_IMPLIED_STREAM" },
  config: { guestCid: cid },
  queueName: QUEUE_NAMERS.vsock,
  decode,
};
