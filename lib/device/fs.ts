/**
 * File system device: virtio 1.4, 5.11.6. Requests are FUSE messages in the guest's byte order,
 * which the opcode betrays.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { errnoName } from "./errno_names.ts";
import { decoded, type Exchange, exchange, expect, label, plural, sentence } from "./exchange.ts";
import { Fields, fieldsOf } from "./fields.ts";
import { type Message, MESSAGES, NOTIFICATIONS } from "./fuse.ts";
import {
  i32,
  nameOf,
  type Names,
  pad,
  show,
  type Shown,
  text,
  textOf,
  u16,
  u32,
  u64,
  when,
} from "./kind.ts";
import { fsQueueRole, QUEUE_NAMERS } from "./queue_roles.ts";

/** `struct fuse_in_header` and `struct fuse_out_header`. */
const IN_HEADER = {
  len: u32,
  opcode: u32,
  unique: u64,
  nodeid: u64,
  uid: u32,
  gid: u32,
  pid: u32,
  totalExtlen: u16,
  padding: pad(2),
};
const OUT_HEADER = { len: u32, error: i32, unique: u64 };
const OUT_SIZE = 16;

const NAMES: Names = Object.fromEntries(
  Object.entries(MESSAGES).map(([opcode, { name }]) => [opcode, name]),
);

/** Longest name that is read; file systems allow 255 bytes, targets of links more. */
const NAME_LIMIT = 1024;

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const little = byteOrder(bytes, context, x.notes);
  return fsQueueRole(context.queue, context.features) === "notification"
    ? decodeNotification(x, streamsOf(bytes, x, little).reply)
    : decodeRequest(x, streamsOf(bytes, x, little));
}

/** The order in which the opcode is one; the guest's own where it is one in neither or in both. */
function byteOrder(bytes: ChainBytes, context: DecodeContext, notes: string[]): boolean {
  const little = !context.bigEndian;
  const head = bytes.readRequest(0, 8);
  if (head.length < 8) return little;
  const view = new DataView(head.buffer, head.byteOffset, 8);
  const opcode = (order: boolean) => view.getUint32(4, order);
  if (opcode(little) in MESSAGES || !(opcode(!little) in MESSAGES)) return little;
  notes.push(`the message is ${little ? "big" : "little"}-endian, unlike the guest`);
  return !little;
}

interface Streams {
  readonly request: Fields;
  readonly reply: Fields;
}

/** FUSE's byte order has nothing to do with virtio's: the same streams, in the order found. */
function streamsOf(bytes: ChainBytes, x: Exchange, little: boolean): Streams {
  const { notes } = x;
  const end = x.reply.length;
  const why = end < x.writable ? `the device says it wrote ${end}` : undefined;
  const request = (offset: number, length: number) => bytes.readRequest(offset, length);
  const reply = (offset: number, length: number) => bytes.readReply(offset, length);
  return {
    request: new Fields(request, x.readable, { name: "request", notes, little }),
    reply: new Fields(reply, end, { name: "reply", notes, little, closed: x.pending, why }),
  };
}

function decodeRequest(x: Exchange, { request, reply }: Streams): DecodedRequest {
  const header = request.struct("fuse_in_header", IN_HEADER);
  const { len, opcode, unique, nodeid } = header;
  const name = expect(x.notes, "opcode", NAMES, opcode) ?? "incomplete";
  const message = MESSAGES[opcode ?? 0] ?? { name: "unknown" };
  if (len !== undefined && len > x.readable) {
    x.notes.push(`len says ${len} bytes, ${x.readable} are there`);
  }
  const args = argumentsOf(request, message);
  const result = resultOf(x, reply, message, unique);
  const words = [
    name,
    nodeid !== undefined && nodeid !== 0n && `node ${nodeid}`,
    ...wordsOf(args),
  ];
  return decoded("fs", name, x, sentence(words, result.text), {
    ...show(IN_HEADER, header),
    opcode: opcode === undefined ? undefined : name,
    ...args,
    ...result.fields,
  });
}

function argumentsOf(request: Fields, message: Message): Shown {
  const layout = message.args ?? {};
  const args = show(layout, request.struct(`arguments of ${message.name}`, layout));
  return { ...args, ...namesOf(request, message) };
}

/** Strings behind the arguments. With SETXATTR_EXT, SETXATTR has 8 more bytes before its name. */
function namesOf(request: Fields, message: Message): Shown {
  if (message.names === undefined) return {};
  const bytes = request.bytes(NAME_LIMIT);
  const extended = message.name === "SETXATTR" && bytes.length > 8 && bytes[0] < 0x20;
  const found: { [name: string]: string } = {};
  let at = extended ? 8 : 0;
  for (const name of message.names) {
    const end = bytes.indexOf(0, at);
    if (at >= bytes.length) break;
    found[name] = textOf(bytes.subarray(at, end < 0 ? bytes.length : end));
    at = end < 0 ? bytes.length : end + 1;
  }
  return found;
}

/** What an operator looks for: which file, where, how much. */
function wordsOf(args: Shown): string[] {
  const { fh, offset, size, count } = args;
  const names = ["name", "oldname", "newname", "target"].flatMap((key) =>
    typeof args[key] === "string" ? [`"${args[key]}"`] : []
  );
  return [
    ...names,
    fh === undefined ? "" : `fh ${fh}`,
    typeof offset === "string" ? `offset ${BigInt(offset)}` : "",
    typeof size === "number" ? `size ${size}` : "",
    count === undefined ? "" : `count ${count}`,
  ];
}

interface Result {
  readonly text: string;
  readonly fields: Shown;
}

function resultOf(x: Exchange, reply: Fields, message: Message, unique?: bigint): Result {
  if (message.silent) return { text: "no reply wanted", fields: {} };
  const header = reply.struct("fuse_out_header", OUT_HEADER);
  if (x.pending) return { text: "pending", fields: { error: "pending" } };
  const { len, error } = header;
  if (error === undefined || len === undefined) return { text: "no reply", fields: {} };
  if (header.unique !== undefined && header.unique !== unique) {
    x.notes.push(`the reply is to ${u64.show(header.unique)}, not to this request`);
  }
  const name = error === 0 ? "OK" : errnoName(-error);
  const dataLength = Math.max(0, Math.min(len, x.writable) - OUT_SIZE);
  const more = message.reply === undefined && dataLength > 0 && `${plural(dataLength, "byte")}`;
  return {
    text: sentence([name, more]),
    fields: {
      error: name,
      replyLen: len,
      reply: error === 0 ? body(reply, message, dataLength) : undefined,
    },
  };
}

/** Servers of an older protocol send less than the whole struct: what is not there is left out. */
function body(reply: Fields, message: Message, length: number): Shown[string] {
  if (message.reply === undefined) return undefined;
  const bytes = reply.part(length).bytes(length);
  const quiet = fieldsOf(bytes, { name: "reply", notes: [], little: reply.little });
  return show(message.reply, quiet.struct(message.name, message.reply));
}

function decodeNotification(x: Exchange, reply: Fields): DecodedRequest {
  if (x.pending) {
    const summary = `notification buffer of ${plural(x.writable, "byte")}`;
    return decoded("fs", "notification", x, summary, { bufferLength: x.writable });
  }
  const { len, error } = reply.struct("fuse_out_header", OUT_HEADER);
  const name = error === undefined ? "incomplete" : nameOf(NOTIFICATIONS, error);
  return decoded("fs", name, x, sentence(["notification", label(name)]), { len, code: name });
}

/** File system device (id 26). */
export const fs: DeviceType = {
  id: 26,
  name: "fs",
  features: { 0: "NOTIFICATION" },
  config: { tag: text(36), numRequestQueues: u32, notifyBufSize: when(0, u32) },
  queueName: QUEUE_NAMERS.fs,
  decode,
};
