/**
 * Protocols: streams cut anywhere, messages with any field changed. A peer's nonsense ends in a
 * ProtocolError, and what is understood encodes to the bytes it came from.
 *
 * @module
 */
import { ProtocolError } from "../../lib/errors.ts";
import { decodeMessage as decodeIvshmem } from "../../lib/wire/ivshmem/message.ts";
import { MessageReader as IvshmemReader } from "../../lib/wire/ivshmem/message_reader.ts";
import { LineReader } from "../../lib/wire/qmp/line_reader.ts";
import { parseMessage } from "../../lib/wire/qmp/message.ts";
import { parseFlatView, parseHostAddress } from "../../lib/wire/qmp/mtree.ts";
import {
  BACK_END_REQUEST,
  checkMessage,
  decodeMessage,
  type Dialect,
  encodeMessage,
  type Frame,
  framePayload,
  frameReader,
  FRONT_END_REQUEST,
  messageJson,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { messageReader } from "../../lib/wire/xenstore/message.ts";
import {
  decodeDirectoryPart,
  decodePermissions,
  decodeStrings,
  decodeValue,
  decodeWatchEvent,
} from "../../lib/wire/xenstore/payload.ts";
import { nastyBytes, nastyText } from "./nasty.ts";
import { Random } from "./random.ts";

/** Throws where a reader throws anything but a ProtocolError, or loses bytes. */
export function fuzzWire(seed: number): void {
  const random = new Random(seed);
  const target = random.pick([vhostUser, vhostUser, vhostUser, qmp, mtree, xenstore, ivshmem]);
  try {
    target(random);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

/** Frames of known requests, with payloads of about the right length. */
function vhostUser(random: Random): void {
  const reader = frameReader();
  const origin = random.oneIn(4) ? "back-end" : "front-end";
  const ids = Object.values(origin === "front-end" ? FRONT_END_REQUEST : BACK_END_REQUEST);
  const request = random.oneIn(8) ? random.odd32() : random.pick(ids);
  const payload = vhostPayload(random);
  const size = random.oneIn(8) ? random.odd32() : payload.length;
  const flags = random.oneIn(8) ? random.word() : 1 | random.pick([0, 4, 8, 12]);
  const stream = new Uint8Array(12 + payload.length);
  const view = new DataView(stream.buffer);
  [request, flags, size].forEach((word, n) => view.setUint32(4 * n, word, true));
  stream.set(payload, 12);
  for (const frame of cut(random, stream, reader)) readFrame(random, origin, frame);
}

function* cut(
  random: Random,
  stream: Uint8Array,
  reader: ReturnType<typeof frameReader>,
): Generator<Frame> {
  for (let at = 0; at < stream.length;) {
    const length = Math.min(stream.length - at, reader.wanted, 1 + random.below(64));
    const fds = random.oneIn(8) ? [3, 4] : [];
    const frame = reader.push(stream.subarray(at, at + length), fds);
    at += length;
    if (frame !== null) yield frame;
  }
}

function vhostPayload(random: Random): Uint8Array {
  const length = random.pick([0, 4, 8, 12, 16, 20, 24, 32, 40, 72, 264, random.below(600)]);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 4 <= length; at += 4) {
    view.setUint32(at, random.oneIn(2) ? random.below(9) : random.odd32(), true);
  }
  return bytes;
}

function readFrame(random: Random, origin: "front-end" | "back-end", frame: Frame): void {
  const dialect: Dialect = {
    protocolFeatures: random.oneIn(2) ? random.bits64() : null,
    memorySeen: random.oneIn(2),
  };
  const message = decodeMessage(origin, frame.header, framePayload(frame), dialect);
  const again = encodeMessage(message);
  if (again.length !== frame.bytes.length || again.some((byte, n) => byte !== frame.bytes[n])) {
    throw new Error(`${message.name} encodes to other bytes`);
  }
  JSON.stringify(messageJson(message));
  checkMessage(message, frame.fds.length);
}

const LINES = [
  '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 10}, "package": "x"}}}',
  '{"return": {"vring-desc": 18446744073709551615}, "id": 7}',
  '{"error": {"class": "GenericError", "desc": "no"}, "id": 1}',
  '{"event": "STOP", "data": {}, "timestamp": {"seconds": 1, "microseconds": 2}}',
];

function qmp(random: Random): void {
  const reader = new LineReader("qmp", 1 << 20);
  if (random.oneIn(100)) {
    const depth = random.below(50_000);
    parseMessage(`{"return": ${"[".repeat(depth)}18446744073709551615${"]".repeat(depth)}}`);
  }
  const encoder = new TextEncoder();
  for (let n = random.below(6); n >= 0; n--) {
    const line = random.pick(LINES);
    const at = random.below(line.length);
    const text = random.oneIn(2) ? line : line.slice(0, at) + nastyText(random) + line.slice(at);
    const bytes = random.oneIn(8) ? nastyBytes(random) : encoder.encode(text + "\r\n");
    const half = random.below(bytes.length + 1);
    for (const piece of [bytes.subarray(0, half), bytes.subarray(half)]) {
      for (const whole of reader.push(piece)) parseMessage(whole);
    }
  }
  reader.end();
}

const MTREE = `FlatView #2
 AS "memory", root: system
 Root memory region: system
  0000000000000000-00000000000bffff (prio 0, ram): ram0
  00000000000c0000-00000000000c0fff (prio 0, rom): ram0 @00000000000c0000
  0000000100000000-ffffffffffffffff (prio 0, ram): ram0 @00000000c0000000 KVM
`;

function mtree(random: Random): void {
  let text = MTREE;
  for (let n = random.below(6); n > 0; n--) {
    const at = random.below(text.length);
    const put = random.oneIn(2) ? nastyText(random) : random.odd64().toString(16);
    text = text.slice(0, at) + put + text.slice(at + random.below(20));
  }
  for (const { start, end } of parseFlatView(text) ?? []) {
    if (start < 0n || end <= start || end > 1n << 64n) throw new Error(`range ${start} to ${end}`);
  }
  parseHostAddress(`Host virtual address for 0x0 (${nastyText(random)}) is 0x7f3047fff000`);
}

function xenstore(random: Random): void {
  const reader = messageReader();
  const payload = nastyBytes(random);
  const stream = new Uint8Array(16 + payload.length);
  const view = new DataView(stream.buffer);
  const length = random.oneIn(8) ? random.odd32() : payload.length;
  [random.below(30), random.below(9), random.below(9), length].forEach((word, n) =>
    view.setUint32(4 * n, word, true)
  );
  stream.set(payload, 16);
  for (let at = 0; at < stream.length;) {
    const end = Math.min(stream.length, at + 1 + random.below(32));
    reader.push(stream.slice(at, end));
    at = end;
  }
  for (const decode of [decodeStrings, decodeValue, decodePermissions]) decode(payload);
  random.pick([decodeWatchEvent, decodeDirectoryPart])(payload);
}

function ivshmem(random: Random): void {
  const reader = new IvshmemReader();
  for (let n = random.below(40); n > 0; n--) {
    const target = reader.target;
    const length = 1 + random.below(target.length);
    for (let at = 0; at < length; at++) target[at] = random.pick([0, 1, 255, random.word()]);
    reader.push(length, random.oneIn(4) ? [3] : []);
  }
  decodeIvshmem(Uint8Array.from({ length: 8 }, () => random.word()), 0);
}
