/**
 * A chain as request and reply, and the helpers that every decoder shares.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest } from "./decoder.ts";
import { type ByteSource, Fields, type StreamInfo } from "./fields.ts";
import { defined, type Kind, nameOf, type Names, type Shown } from "./kind.ts";

/** Most entries of a guest's list that are shown; the total count is always given. */
export const LIST_LIMIT = 32;

/** Feature bit 32: without it a device is legacy, and its fields are in the guest's byte order. */
const VERSION_1 = 1n << 32n;

/** A chain under decoding. */
export interface Exchange {
  /** The readable part. */
  readonly request: Fields;
  /**
   * The writable part as far as the device says it wrote it; closed until the chain is used. Legacy
   * devices put anything there (virtio 1.4, 2.7.8.1), so theirs is all of it.
   */
  readonly reply: Fields;
  /** The last `size` bytes of the writable part; closed until the chain is used, empty if shorter. */
  tail(size: number): Fields;
  /** Bytes of the readable part. */
  readonly readable: number;
  /** Bytes of the writable part. */
  readonly writable: number;
  /** Bytes the device says it wrote, at most `writable`; 0 until the chain is used. */
  readonly written: number;
  /** The device has not answered yet. */
  readonly pending: boolean;
  readonly context: DecodeContext;
  /** What is wrong with the request. */
  readonly notes: string[];
}

/** Opens a chain for decoding. */
export function exchange(bytes: ChainBytes, context: DecodeContext): Exchange {
  const notes: string[] = [];
  const modern = (context.features & VERSION_1) !== 0n;
  const pending = context.state !== "used";
  const written = pending ? 0 : writtenLength(bytes);
  const end = pending || !modern ? bytes.writable : written;
  if (!pending && modern) noteExcess(bytes, notes);
  const little = modern || !context.bigEndian;
  const reply = (offset: number, length: number) => bytes.readReply(offset, length);
  const info = { name: "reply", notes, little, closed: pending };
  const why = end < bytes.writable ? `the device says it wrote ${written}` : undefined;
  return {
    request: new Fields((offset, length) => bytes.readRequest(offset, length), bytes.readable, {
      name: "request",
      notes,
      little,
    }),
    reply: new Fields(reply, end, { ...info, why }),
    tail: (size) => tailOf(reply, bytes.writable, size, info),
    readable: bytes.readable,
    writable: bytes.writable,
    written,
    pending,
    context,
    notes,
  };
}

/** Puts a decoded request together; fields that are undefined are left out. */
export function decoded(
  device: string,
  type: string | number,
  x: { readonly notes: readonly string[] },
  summary: string,
  fields: Shown,
): DecodedRequest {
  return {
    device,
    type: String(type),
    summary,
    fields: defined(fields),
    notes: x.notes,
  };
}

/**
 * `IN sector 8: OK`: the words that are there, and how it ended where that is known. The first word
 * is what it is about: a number there, or as result, is a code without a name.
 */
export function sentence(
  words: readonly (string | number | undefined | false)[],
  result?: string | number,
): string {
  let said = "";
  for (let n = 0; n < words.length; n++) {
    const word = words[n];
    if (word === undefined || word === false || word === "") continue;
    const text = n === 0 ? label(word) : word;
    said = said === "" ? `${text}` : `${said} ${text}`;
  }
  return result === undefined ? said : `${said}: ${label(result)}`;
}

/** A name in a sentence: one that is only a number says so. */
export function label(name: string | number): string {
  return typeof name === "number" ? `unknown(${name})` : name;
}

/** The name of a value; where it has none, the value, and a note that says so. */
export function expect(
  notes: string[],
  what: string,
  names: Names,
  value: number | undefined,
): string | number | undefined {
  if (value === undefined) return undefined;
  if (names[value] === undefined) notes.push(`unknown ${what} ${value}`);
  return nameOf(names, value);
}

/** How a request ended: the status by name, `pending`, or `no status` where the reply is too short. */
export function outcome(
  x: Exchange,
  what: string,
  names: Names,
  value: number | undefined,
): string | number {
  return x.pending ? "pending" : expect(x.notes, what, names, value) ?? `no ${what}`;
}

/** The status in the last byte of the writable part, as {@linkcode outcome}. */
export function statusByte(x: Exchange, names: Names, kind: Kind<number>): string | number {
  if (x.pending && x.writable > 0) return "pending";
  const { status } = x.tail(1).struct("status", { status: kind });
  const modern = (x.context.features & VERSION_1) !== 0n;
  if (modern && !x.pending && x.writable > 0 && x.written === 0) {
    x.notes.push("the device says it wrote nothing: the status may be stale");
  }
  return outcome(x, "status", names, status);
}

/** Up to {@linkcode LIST_LIMIT} of `count` items read by `read`; stops where they end. */
export function bounded<T>(count: number, read: (index: number) => T | undefined): T[] {
  const items: T[] = [];
  for (let index = 0; index < Math.min(count, LIST_LIMIT); index++) {
    const item = read(index);
    if (item === undefined) break;
    items.push(item);
  }
  return items;
}

/** `1 byte`, `2 bytes`, `16777216 bytes`. */
export function plural(count: number | bigint, unit: string): string {
  return `${count} ${unit}${count === 1 || count === 1n ? "" : "s"}`;
}

/** Where the writable part is shorter than its tail, nobody can say which bytes there are. */
function tailOf(reply: ByteSource, writable: number, size: number, info: StreamInfo): Fields {
  if (writable < size) {
    return new Fields(reply, 0, { ...info, why: `the writable part has ${writable}` });
  }
  const last = new Fields(reply, writable, info);
  last.seek(writable - size);
  return last;
}

function writtenLength(bytes: ChainBytes): number {
  return Math.max(0, Math.min(bytes.written ?? bytes.writable, bytes.writable));
}

function noteExcess(bytes: ChainBytes, notes: string[]): void {
  if (bytes.written === null || bytes.written <= bytes.writable) return;
  const bytesWritten = `${bytes.written} byte${bytes.written === 1 ? "" : "s"}`;
  notes.push(
    `the device says it wrote ${bytesWritten}, the reply has ${bytes.writable}: ` +
      "the driver may have reused the descriptors",
  );
}
