/**
 * 9P transport (id 9): one 9P2000.L message each way. Not in the virtio standard; sources: Linux uapi
 * `linux/virtio_9p.h`, the diod 9P2000.L protocol description. Always little-endian.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { errnoName } from "./errno_names.ts";
import { bounded, decoded, type Exchange, exchange, expect, sentence } from "./exchange.ts";
import type { Fields } from "./fields.ts";
import {
  type Layout,
  nameOf,
  type Names,
  show,
  type Shown,
  text,
  textOf,
  u16,
  u32,
  u64,
  u8,
} from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

/** Every message: its size with this header, its type, and a tag that pairs reply and request. */
const HEADER = { size: u32, type: u8, tag: u16 };

/** Requests have even numbers, each reply the next odd one; 6 is the reply with an error. */
const MESSAGES: Names = {
  8: "statfs",
  12: "lopen",
  14: "lcreate",
  16: "symlink",
  18: "mknod",
  20: "rename",
  22: "readlink",
  24: "getattr",
  26: "setattr",
  30: "xattrwalk",
  32: "xattrcreate",
  40: "readdir",
  50: "fsync",
  52: "lock",
  54: "getlock",
  70: "link",
  72: "mkdir",
  74: "renameat",
  76: "unlinkat",
  100: "version",
  102: "auth",
  104: "attach",
  108: "flush",
  110: "walk",
  112: "open",
  114: "create",
  116: "read",
  118: "write",
  120: "clunk",
  122: "remove",
  124: "stat",
  126: "wstat",
};
const RLERROR = 7;
const REQUESTS: Names = Object.fromEntries(
  Object.entries(MESSAGES).map(([type, name]) => [type, `T${name}`]),
);

/** Fields that a message begins with, and how many strings follow them. */
interface Message {
  readonly layout: Layout;
  readonly strings?: readonly string[];
}

const FID = { fid: u32 };
const IO = { fid: u32, offset: u64, count: u32 };

const BODIES: { readonly [type: number]: Message } = {
  8: { layout: FID },
  12: { layout: { fid: u32, flags: u32 } },
  14: { layout: FID, strings: ["name"] },
  16: { layout: FID, strings: ["name", "target"] },
  18: { layout: FID, strings: ["name"] },
  20: { layout: { fid: u32, dfid: u32 }, strings: ["name"] },
  22: { layout: FID },
  24: { layout: { fid: u32, requestMask: u64 } },
  26: { layout: { fid: u32, valid: u32 } },
  30: { layout: { fid: u32, newfid: u32 }, strings: ["name"] },
  32: { layout: FID, strings: ["name"] },
  40: { layout: IO },
  50: { layout: FID },
  52: { layout: FID },
  54: { layout: FID },
  70: { layout: { dfid: u32, fid: u32 }, strings: ["name"] },
  72: { layout: FID, strings: ["name"] },
  74: { layout: FID, strings: ["oldname"] },
  76: { layout: FID, strings: ["name"] },
  100: { layout: { msize: u32 }, strings: ["version"] },
  104: { layout: { fid: u32, afid: u32 }, strings: ["uname", "aname"] },
  108: { layout: { oldtag: u16 } },
  110: { layout: { fid: u32, newfid: u32, nwname: u16 } },
  116: { layout: IO },
  118: { layout: IO },
  120: { layout: FID },
  122: { layout: FID },
};
const WALK = 110;

/** Longest string that is shown. */
const STRING_LIMIT = 256;

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, { ...context, bigEndian: false });
  const header = x.request.struct("9P header", HEADER);
  const name = expect(x.notes, "type", REQUESTS, header.type) ?? "incomplete";
  if (header.size !== undefined && header.size > x.readable) {
    x.notes.push(`size says ${header.size} bytes, ${x.readable} are there`);
  }
  const body = bodyOf(x.request, header.type);
  const reply = replyOf(x, header.tag);
  const words = Object.entries(body).map(([key, value]) =>
    `${key} ${Array.isArray(value) ? value.join("/") : value}`
  );
  return decoded("9p", name, x, sentence([name, ...words], reply.text), {
    size: header.size,
    type: header.type === undefined ? undefined : name,
    tag: header.tag,
    ...body,
    reply: reply.text,
    replySize: reply.size,
  });
}

function bodyOf(stream: Fields, type: number | undefined): Shown {
  const message = BODIES[type ?? 0];
  if (message === undefined) return {};
  const body: { [field: string]: Shown[string] } = show(
    message.layout,
    stream.struct(`T${MESSAGES[type ?? 0]}`, message.layout),
  );
  for (const name of message.strings ?? []) {
    const text = stringOf(stream);
    if (text === undefined) break;
    body[name] = text;
  }
  if (type !== WALK || body.nwname === undefined) return body;
  return { ...body, wname: bounded(body.nwname as number, () => stringOf(stream)) };
}

/** A string: 16 bits of length, then as many bytes. */
function stringOf(stream: Fields): string | undefined {
  const { length } = stream.struct("9P string", { length: u16 });
  if (length === undefined) return undefined;
  const part = stream.part(length);
  return textOf(part.bytes(STRING_LIMIT));
}

function replyOf(x: Exchange, tag: number | undefined): { text: string; size?: number } {
  const header = x.reply.struct("9P header", HEADER);
  if (x.pending) return { text: "pending" };
  if (header.type === undefined) return { text: "no reply", size: header.size };
  if (header.tag !== undefined && header.tag !== tag) {
    x.notes.push(`the reply has tag ${header.tag}, the request ${tag}`);
  }
  if (header.type !== RLERROR) {
    return { text: `R${nameOf(MESSAGES, header.type - 1)}`, size: header.size };
  }
  const { ecode } = x.reply.struct("Rlerror", { ecode: u32 });
  return { text: ecode === undefined ? "Rlerror" : `${errnoName(ecode)}`, size: header.size };
}

/** Length and bytes of the mount tag, not ended by a NUL; as far as the bytes go. */
function configOf(bytes: Uint8Array): Layout {
  const said = bytes.length < 2 ? 0 : bytes[0] | bytes[1] << 8;
  return { tagLen: u16, tag: text(Math.max(0, Math.min(said, bytes.length - 2, STRING_LIMIT))) };
}

/** 9P transport (id 9). */
export const ninep: DeviceType = {
  id: 9,
  name: "9p",
  features: { 0: "MOUNT_TAG" },
  config: configOf,
  queueName: QUEUE_NAMERS["9p"],
  decode,
};
