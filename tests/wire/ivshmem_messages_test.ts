/** The ivshmem protocol message by message: what each means, and what is refused. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import { type ClientEvent, ClientState } from "../../lib/wire/ivshmem/client_state.ts";
import { decodeMessage, encodeMessage } from "../../lib/wire/ivshmem/message.ts";
import { MessageReader } from "../../lib/wire/ivshmem/message_reader.ts";
import { doorbellValue, isBarSize } from "../../lib/wire/ivshmem/registers.ts";
import { joinMessages, leaveMessages, nextId } from "../../lib/wire/ivshmem/server_messages.ts";

/** A message as `value`, or `[value]` where an fd came with it. */
type Said = number | [number];

function take(state: ClientState, said: readonly Said[]): ClientEvent[] {
  return said.map((one) =>
    typeof one === "number" ? state.take(one, false) : state.take(one[0], true)
  );
}

Deno.test("messages are little-endian i64", () => {
  assertEquals(encodeMessage(3).toHex(), "0300000000000000");
  assertEquals(encodeMessage(-1).toHex(), "ffffffffffffffff");
  assertEquals(decodeMessage(Uint8Array.fromHex("ffff000000000000"), 0), 65535);
  for (const hex of ["0000010000000000", "feffffffffffffff", "0000000000000080"]) {
    assertThrows(() => decodeMessage(Uint8Array.fromHex(hex), 16), ProtocolError, "at byte 16");
  }
  assertThrows(() => encodeMessage(65536), RangeError);
});

Deno.test("a conversation with QEMU 7.2's protocol, as captured", () => {
  const state = new ClientState();
  const events = take(state, [0, 3, [-1], [5], [5], [3], [3], 5]);
  assertEquals(events, [
    { kind: "first" },
    { kind: "id", id: 3 },
    { kind: "memory" },
    { kind: "peer-vector", peer: 5, vector: 0, joined: true },
    { kind: "peer-vector", peer: 5, vector: 1, joined: false },
    { kind: "own-vector", vector: 0 },
    { kind: "own-vector", vector: 1 },
    { kind: "peer-gone", peer: 5 },
  ]);
  assertEquals([state.id, state.old, state.peers(), state.vectorsOf(3)], [3, false, [], 2]);
});

Deno.test("an id that is used again counts its vectors from 0", () => {
  const state = new ClientState();
  const events = take(state, [0, 1, [-1], [2], [2], 2, [2]]);
  assertEquals(events.at(-1), { kind: "peer-vector", peer: 2, vector: 0, joined: true });
});

Deno.test("servers of before QEMU 2.5 send no version", () => {
  for (const id of [0, 7]) {
    const state = new ClientState();
    take(state, [id, [-1], [9], [id]]);
    assertEquals([state.id, state.old, state.peers()], [id, true, [9]]);
  }
});

Deno.test("what a server must not say is refused with its place", () => {
  const cases: [string, Said[], string][] = [
    ["another version", [1, 5], "ivshmem version at byte 8: wanted 0, got 1"],
    ["a negative version", [-1], "first message"],
    ["a version with an fd", [[0]], "first message"],
    ["an id with an fd", [0, [4]], "own id"],
    ["memory without an fd", [0, 4, -1], "shared memory at byte 16: wanted an fd, got none"],
    ["two memories", [0, 4, [-1], [-1]], "shared memory"],
    ["our own end", [0, 4, [-1], 4], "peer gone"],
  ];
  for (const [what, said, text] of cases) {
    const error = assertThrows(() => take(new ClientState(), said), ProtocolError);
    assert(error.message.includes(text), `${what}: ${error.message}`);
  }
});

Deno.test("vectors beyond 256 are surplus, and never end", () => {
  const state = new ClientState();
  take(state, [0, 0, [-1]]);
  const events = Array.from({ length: 300 }, () => state.take(1, true));
  assertEquals(events[255].kind, "peer-vector");
  assertEquals(events[256], { kind: "surplus", peer: 1 });
  assertEquals(state.vectorsOf(1), 256);
});

Deno.test("the reader keeps an fd with the message it came with, however the bytes come", () => {
  for (const cut of [1, 3, 8]) {
    const reader = new MessageReader();
    const got = [];
    for (const [value, fds] of [[0, []], [5, [41]], [-1, [42]], [5, []]] as const) {
      const bytes = encodeMessage(value);
      for (let at = 0; at < 8;) {
        const length = Math.min(cut, reader.target.length);
        reader.target.set(bytes.subarray(at, at + length));
        // The kernel gives an fd with the first byte of its message.
        got.push(reader.push(length, at === 0 ? fds : []));
        at += length;
      }
    }
    assertEquals(got.filter((one) => one !== null), [
      { value: 0, fd: null },
      { value: 5, fd: 41 },
      { value: -1, fd: 42 },
      { value: 5, fd: null },
    ]);
    assertEquals(reader.partial, false);
  }
});

Deno.test("two fds in one message are refused and can be closed", () => {
  const reader = new MessageReader();
  assertEquals(reader.push(4, [10]), null);
  assertThrows(() => reader.push(4, [11]), ProtocolError, "at most one fd");
  assertEquals(reader.release(), [10, 11]);
});

Deno.test("a newcomer learns of all, all learn of it, its own vectors come last", () => {
  const messages = joinMessages({ id: 3, vectors: 2 }, [{ id: 1, vectors: 1 }]);
  const said = messages.map(({ to, value, fd }) =>
    `${to}: ${value}${fd.kind === "none" ? "" : fd.kind === "memory" ? "+memory" : `+${fd.vector}`}`
  );
  const toNew = ["3: 0", "3: 3", "3: -1+memory", "3: 1+0", "3: 3+0", "3: 3+1"];
  assertEquals(said.filter((line) => line.startsWith("3:")), toNew);
  assertEquals(said.filter((line) => line.startsWith("1:")), ["1: 3+0", "1: 3+1"]);
  const state = new ClientState();
  const mine = messages.filter(({ to }) => to === 3);
  mine.forEach(({ value, fd }) => state.take(value, fd.kind !== "none"));
  assertEquals([state.id, state.hasMemory, state.peers(), state.vectorsOf(3)], [3, true, [1], 2]);
  assertEquals(leaveMessages(3, [{ id: 1, vectors: 1 }]), [
    { to: 1, value: 3, fd: { kind: "none" } },
  ]);
});

Deno.test("ids are not used again at once, and run out at 65536", () => {
  assertEquals(nextId(-1, new Set()), 0);
  assertEquals(nextId(0, new Set([1, 2])), 3);
  assertEquals(nextId(65535, new Set()), 0);
  assertEquals(nextId(4, new Set(Array.from({ length: 65536 }, (_, id) => id))), null);
});

Deno.test("doorbell values and BAR sizes", () => {
  assertEquals(doorbellValue(5, 1), 0x50001);
  assertEquals(doorbellValue(0xffff, 0xffff), 0xffffffff);
  assertThrows(() => doorbellValue(0x10000, 0), RangeError);
  assertThrows(() => doorbellValue(1, -1), RangeError);
  assertEquals([4096, 1 << 20, 2 ** 33].map(isBarSize), [true, true, true]);
  assertEquals([0, 1, 2048, 4097, 3 << 20, 2 ** 54].map(isBarSize), Array(6).fill(false));
});
