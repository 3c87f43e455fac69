import { assertEquals } from "@std/assert";
import { Fields, fieldsOf, READ_LIMIT } from "../../lib/device/fields.ts";
import {
  bitNames,
  countOf,
  flags,
  group,
  list,
  mac,
  named,
  pad,
  raw,
  show,
  text,
  u16,
  u32,
  u64,
  u8,
  when,
} from "../../lib/device/kind.ts";
import { hexBytes } from "../support/device_vectors.ts";

const HEADER = { type: u8, length: u16, address: u64 };

function stream(hex: string, little = true) {
  const notes: string[] = [];
  return { notes, fields: fieldsOf(hexBytes(hex), { name: "request", notes, little }) };
}

Deno.test("fields: structs follow one another", () => {
  const { fields, notes } = stream("01 0200 0300000000000000 04 0500 0600000000000000 ff");
  assertEquals(fields.struct("header", HEADER), { type: 1, length: 2, address: 3n });
  assertEquals(fields.offset, 11);
  assertEquals(fields.struct("header", HEADER), { type: 4, length: 5, address: 6n });
  assertEquals(fields.rest, 1);
  assertEquals(notes, []);
});

Deno.test("fields: the other byte order", () => {
  const { fields } = stream("01 0002 0000000000000003", false);
  assertEquals(fields.struct("header", HEADER), { type: 1, length: 2, address: 3n });
});

Deno.test("fields: a struct that does not fit gives what fits and is noted once", () => {
  const { fields, notes } = stream("01 0200 030000");
  assertEquals(fields.struct("header", HEADER), { type: 1, length: 2 });
  assertEquals(notes, ["request: header has 6 of 11 bytes: no address"]);
  assertEquals(fields.struct("next", HEADER), {});
  assertEquals(notes.length, 1);
  assertEquals(fields.short, true);
});

Deno.test("fields: memory that ends early is told from a short descriptor", () => {
  const notes: string[] = [];
  const fields = new Fields(() => hexBytes("01 02"), 100, { name: "reply", notes });
  assertEquals(fields.struct("header", HEADER), { type: 1 });
  assertEquals(notes, ["reply: memory is missing from byte 2 on"]);
});

Deno.test("fields: a closed stream reads nothing but says where there is no room", () => {
  const notes: string[] = [];
  const never = () => {
    throw new Error("read");
  };
  const fields = new Fields(never, 12, { name: "reply", notes, closed: true });
  assertEquals(fields.struct("header", HEADER), {});
  assertEquals(fields.bytes(1).length, 0);
  assertEquals(notes, []);
  assertEquals(fields.struct("header", HEADER), {});
  assertEquals(notes, ["reply: header has room for 1 of 11 bytes"]);
});

Deno.test("fields: lengths are bounded by the stream and by the limit", () => {
  const { fields, notes } = stream("01 02 03");
  assertEquals(fields.bytes(2 ** 40), hexBytes("01 02 03"));
  assertEquals(fields.bytes(-1).length, 0);
  assertEquals(notes, []);
  let asked = 0;
  const endless = new Fields((_, length) => new Uint8Array(asked = length), 2 ** 40, {
    name: "x",
    notes,
  });
  endless.bytes(2 ** 40);
  assertEquals(asked, READ_LIMIT);
});

Deno.test("fields: a part has its own place and ends where it is told to", () => {
  const { fields } = stream("01 02 03 04");
  const part = fields.part(2);
  assertEquals(part.bytes(9), hexBytes("01 02"));
  assertEquals(fields.bytes(9), hexBytes("03 04"));
  assertEquals(fields.part(5).length, 0);
});

Deno.test("kinds: how values are shown", () => {
  const layout = {
    id: u64,
    state: named(u8, ["OFF", "ON"]),
    other: named(u8, ["OFF", "ON"]),
    bits: flags(u8, ["A", "B"]),
    gap: pad(2),
    mac,
    name: text(6),
    bytes: raw(2),
    box: group({ x: u8, y: u8 }),
    pair: list(2, u16),
    gated: when(3, u8),
  };
  const hex = "0000000000000080 01 09 07 ffff 525400123456 686900787878 beef 01 02 0100 0200 05";
  const values = stream(hex).fields.struct("all", layout);
  assertEquals(show(layout, values), {
    id: "0x8000000000000000",
    state: "ON",
    other: 9,
    bits: ["A", "B", 4],
    mac: "52:54:00:12:34:56",
    name: "hi",
    bytes: "beef",
    box: { x: 1, y: 2 },
    pair: [1, 2],
    gated: 5,
  });
  assertEquals("gated" in show(layout, values, 0n), false);
  assertEquals(show(layout, values, 8n).gated, 5);
});

Deno.test("kinds: numbers that a double can not hold stay hexadecimal", () => {
  assertEquals(countOf(2n ** 53n - 1n), 2 ** 53 - 1);
  assertEquals(countOf(2n ** 53n), "0x20000000000000");
  assertEquals(bitNames({ 31: "TOP" }, 0x80000001), [1, "TOP"]);
  assertEquals(show({ n: u32 }, { n: 0xffffffff }), { n: 4294967295 });
});
