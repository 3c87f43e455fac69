import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../lib/errors.ts";
import { LineReader } from "../../lib/wire/qmp/line_reader.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("lines: CRLF and LF end them, empty ones are left out", () => {
  const reader = new LineReader("qmp");
  assertEquals(reader.push(bytes('{"a":1}\r\n\r\n{"b":2}\n{"c"')), ['{"a":1}', '{"b":2}']);
  assertEquals(reader.pending, 4);
  assertEquals(reader.push(bytes(":3}\n")), ['{"c":3}']);
  assertEquals(reader.pending, 0);
  reader.end();
});

Deno.test("lines: any cut of the stream gives the same lines", () => {
  const text = 'grün\r\n{"x":"€"}\nlast\r\n';
  fc.assert(fc.property(fc.array(fc.nat(bytes(text).length)), (cuts) => {
    const reader = new LineReader("qmp");
    const all = bytes(text);
    const places = [0, ...cuts.toSorted((a, b) => a - b), all.length];
    const lines = places.slice(1).flatMap((end, i) => reader.push(all.subarray(places[i], end)));
    assertEquals(lines, ["grün", '{"x":"€"}', "last"]);
  }));
});

Deno.test("lines: a chunk may be reused after push", () => {
  const reader = new LineReader("qmp");
  const chunk = bytes("abc");
  reader.push(chunk);
  chunk.fill(0x58);
  assertEquals(reader.push(bytes("\n")), ["abc"]);
});

Deno.test("lines: one that does not end is refused at the limit, not at the end of memory", () => {
  const reader = new LineReader("qmp", 100);
  assertEquals(reader.push(bytes("x".repeat(99) + "\n")).length, 1);
  reader.push(bytes("y".repeat(100)));
  const error = assertThrows(() => reader.push(bytes("y")), ProtocolError);
  assertStringIncludes(
    error.message,
    "qmp line at byte 100: wanted a line of at most 100 bytes, got more without an end",
  );
});

Deno.test("lines: the end of the stream inside a line is told with what is held", () => {
  const reader = new LineReader("qmp");
  reader.push(bytes('{"return": {}}\n{"retu'));
  const error = assertThrows(() => reader.end(), ProtocolError);
  assertStringIncludes(error.message, "at byte 15: wanted a whole line");
  assertStringIncludes(error.message, "the end of the stream after 6 bytes of a line");
});

Deno.test("lines: bytes that are no UTF-8 are refused", () => {
  const error = assertThrows(
    () => new LineReader("qmp").push(new Uint8Array([0xff, 0xfe, 0x0a])),
    ProtocolError,
  );
  assertStringIncludes(error.message, "wanted UTF-8 text");
});
