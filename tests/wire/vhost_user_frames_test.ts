/** Frames out of pieces, fds with the message whose bytes carried them, and messages refused. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../lib/errors.ts";
import {
  checkMessage,
  decodeMessage,
  EMPTY,
  encodeMessage,
  type Frame,
  framePayload,
  frameReader,
  frontEndRequest,
  type FrontEndRequests,
  u64,
  vringFd,
  vringState,
  type WireRegion,
} from "../../lib/wire/vhost_user/vhost_user.ts";

const MESSAGES = [
  frontEndRequest("GET_FEATURES", EMPTY),
  frontEndRequest("SET_FEATURES", u64(1)),
  frontEndRequest("SET_VRING_KICK", vringFd(0)),
  frontEndRequest("SET_VRING_NUM", vringState(0, 256)),
].map(encodeMessage);

/** Feeds a stream in pieces of the given sizes, never more than wanted, as a socket would. */
function feed(
  stream: Uint8Array,
  fdAt: ReadonlyMap<number, number>,
  sizes: readonly number[],
): Frame[] {
  const reader = frameReader();
  const frames: Frame[] = [];
  for (let at = 0, i = 0; at < stream.length; i++) {
    // A receive ends before a byte that carries an fd, unless it starts there: so does the kernel's.
    const carried = [...fdAt.keys()].find((offset) => offset > at) ?? Infinity;
    const size = Math.min(sizes[i % sizes.length], reader.wanted, stream.length - at, carried - at);
    const fds = fdAt.has(at) ? [fdAt.get(at) as number] : [];
    const frame = reader.push(stream.subarray(at, at + size), fds);
    if (frame) frames.push(frame);
    at += size;
  }
  assert(!reader.partial);
  return frames;
}

Deno.test("any split of the stream gives the same frames, each with its own fds", () => {
  const stream = Uint8Array.from(MESSAGES.flatMap((bytes) => [...bytes]));
  const starts = MESSAGES.map((_, i) => MESSAGES.slice(0, i).reduce((sum, b) => sum + b.length, 0));
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
    fc.integer({ min: 0, max: 19 }),
    (sizes, within) => {
      // An fd on any byte of the third message is that message's.
      const frames = feed(stream, new Map([[starts[2] + within, 42]]), sizes);
      assertEquals(frames.map((frame) => frame.bytes), MESSAGES);
      assertEquals(frames.map((frame) => [...frame.fds]), [[], [], [42], []]);
    },
  ));
});

Deno.test("a reader wants no more than the message", () => {
  const reader = frameReader();
  assertEquals(reader.wanted, 12);
  assertEquals(reader.push(MESSAGES[1].subarray(0, 12), []), null);
  assertEquals(reader.wanted, 8);
  assert(reader.partial);
  assertThrows(() => reader.push(new Uint8Array(9), []), RangeError);
});

Deno.test("32 fds are carried, 33 are an error, and none is forgotten", () => {
  const fds = Array.from({ length: 32 }, (_, i) => 100 + i);
  const frame = frameReader().push(MESSAGES[0], fds);
  assertEquals(frame?.fds, fds);
  const reader = frameReader();
  reader.push(MESSAGES[1].subarray(0, 4), fds);
  assertThrows(() => reader.push(MESSAGES[1].subarray(4, 5), [7]), ProtocolError, "32 fds");
  assertEquals(reader.take(), [...fds, 7]);
  assertEquals(reader.take(), []);
});

Deno.test("what is left of an unfinished message can be taken", () => {
  const reader = frameReader();
  reader.push(MESSAGES[2].subarray(0, 5), [9]);
  assert(reader.partial);
  assertEquals(reader.take(), [9]);
});

const REGION: WireRegion = {
  guestAddress: 0n,
  size: 0x1000n,
  userAddress: 0x7000n,
  mmapOffset: 0n,
  xen: null,
};

function refuse<N extends keyof FrontEndRequests>(
  name: N,
  payload: FrontEndRequests[N],
  fds: number,
  why: string,
): void {
  const check = () => checkMessage(frontEndRequest(name, payload), fds);
  const error = assertThrows(check, ProtocolError, why);
  assert(error.message.startsWith("vhost-user "), error.message);
}

const table = (...regions: Partial<WireRegion>[]) => ({
  kind: "memory-table" as const,
  padding: 0,
  regions: regions.map((fields) => ({ ...REGION, ...fields })),
});

Deno.test("messages that no sound peer sends are refused with the reason", () => {
  const top = (1n << 64n) - 0xfffn;
  refuse("SET_MEM_TABLE", table({}), 0, "wanted 1 fds, got 0");
  refuse("SET_MEM_TABLE", table({}), 2, "wanted 1 fds, got 2");
  refuse("SET_MEM_TABLE", table({ size: 0n }), 1, "size above 0");
  refuse("SET_MEM_TABLE", table({ guestAddress: top }), 1, "guest address");
  refuse("SET_MEM_TABLE", table({ userAddress: top }), 1, "user address");
  refuse("SET_MEM_TABLE", table({ mmapOffset: top }), 1, "mmap offset");
  refuse("SET_MEM_TABLE", table({}, { userAddress: 0x9000n }), 2, "guest addresses");
  refuse("SET_MEM_TABLE", table({}, { guestAddress: 0x1000n }), 2, "user addresses");
  refuse("SET_VRING_NUM", vringState(0, 0), 0, "ring size");
  refuse("SET_VRING_NUM", vringState(0, 32769), 0, "ring size");
  refuse("SET_VRING_BASE", vringState(256, 0), 0, "ring index");
  refuse("SET_BACKEND_REQ_FD", EMPTY, 0, "fds");
  refuse("SET_PROTOCOL_FEATURES", u64(1n << 14n), 0, "INBAND_NOTIFICATIONS without BACKEND_REQ");
  const config = {
    kind: "config" as const,
    offset: 0xfff,
    size: 2,
    flags: 0,
    data: new Uint8Array(2),
  };
  refuse("GET_CONFIG", config, 0, "configuration space");
  refuse("GET_CONFIG", { ...config, offset: 0, size: 9 }, 0, "bytes of data");
});

Deno.test("sound messages pass, and so does what can not be judged", () => {
  const next = { guestAddress: 0x1000n, userAddress: 0x8000n };
  const highest = { guestAddress: (1n << 64n) - 0x1000n, userAddress: 0x8000n };
  checkMessage(frontEndRequest("SET_MEM_TABLE", table({}, next)), 2);
  checkMessage(frontEndRequest("SET_MEM_TABLE", table({}, highest)), 2);
  checkMessage(frontEndRequest("SET_VRING_NUM", vringState(255, 32768)), 0);
  checkMessage(
    decodeMessage("front-end", { request: 200, flags: 1, size: 0 }, new Uint8Array(0)),
    5,
  );
});

Deno.test("no bytes make the decoder fail in any way but a ProtocolError", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("front-end" as const, "back-end" as const),
      fc.integer({ min: 0, max: 48 }),
      fc.constantFrom(1, 5, 9, 0xfffffff1),
      fc.uint8Array({ maxLength: 120 }),
      (origin, request, flags, payload) => {
        const frame = { request, flags: flags >>> 0, size: payload.length };
        try {
          const message = decodeMessage(origin, frame, payload);
          assertEquals(encodeMessage(message).subarray(12), payload);
          checkMessage(message, 1);
        } catch (error) {
          assert(error instanceof ProtocolError, String(error));
        }
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("a frame's payload is what follows its header", () => {
  const frame = frameReader().push(MESSAGES[0], []) as Frame;
  assertEquals(framePayload(frame).length, 0);
});
