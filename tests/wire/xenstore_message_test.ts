/** xenstore's messages as bytes. */
import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import { encodeMessage, messageName, messageReader, XS } from "../../lib/wire/xenstore/message.ts";
import {
  checkPath,
  decodeDirectoryPart,
  decodePermissions,
  decodeStrings,
  decodeWatchEvent,
  encodeStrings,
} from "../../lib/wire/xenstore/payload.ts";

const READ_NAME = Uint8Array.from([
  ...[2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0],
  ...new TextEncoder().encode("/name\0"),
]);

Deno.test("a request is header and payload, little-endian", () => {
  const message = { type: XS.READ, requestId: 5, transaction: 0, payload: encodeStrings("/name") };
  assertEquals(encodeMessage(message), READ_NAME);
  assertThrows(() => encodeMessage({ ...message, payload: new Uint8Array(4097) }), RangeError);
});

Deno.test("a stream cut anywhere gives the same messages", () => {
  const stream = Uint8Array.from([...READ_NAME, ...READ_NAME, ...READ_NAME]);
  for (let cut = 0; cut <= stream.length; cut++) {
    const reader = messageReader();
    const messages = [
      ...reader.push(stream.subarray(0, cut)),
      ...reader.push(stream.subarray(cut)),
    ];
    assertEquals(messages.map(({ payload }) => decodeStrings(payload)), [
      ["/name"],
      ["/name"],
      ["/name"],
    ]);
  }
});

Deno.test("a length over 4096 ends the stream with its offset", () => {
  const bytes = READ_NAME.slice();
  bytes[13] = 0x11;
  const reader = messageReader();
  reader.push(READ_NAME);
  const error = assertThrows(() => reader.push(bytes), ProtocolError);
  assertEquals(error.offset, READ_NAME.length + 12);
});

Deno.test("types have names, unknown ones survive", () => {
  assertEquals([messageName(2), messageName(11), messageName(99)], [
    "READ",
    "WRITE",
    "unknown(99)",
  ]);
});

Deno.test("payloads", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(decodeStrings(bytes("a\0b\0")), ["a", "b"]);
  assertEquals(decodeStrings(bytes("")), []);
  assertEquals(decodeStrings(bytes("a\0b")), ["a", "b"]);
  assertEquals(decodePermissions(bytes("n0\0r5\0b7\0")), [
    { access: "none", domain: 0 },
    { access: "read", domain: 5 },
    { access: "both", domain: 7 },
  ]);
  assertThrows(() => decodePermissions(bytes("x0\0")), ProtocolError);
  assertEquals(decodeWatchEvent(bytes("/a/b\0token\0")), { path: "/a/b", token: "token" });
  assertThrows(() => decodeWatchEvent(bytes("/a/b\0")), ProtocolError);
  assertThrows(() => encodeStrings("a\0b"), TypeError);
});

Deno.test("a large directory comes in parts, the last with an empty string", () => {
  const part = (text: string) => decodeDirectoryPart(new TextEncoder().encode(text));
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const middle = part("12\0a\0b\0");
  assertEquals([middle.generation, text(middle.bytes), middle.last], ["12", "a\0b\0", false]);
  const last = part("12\0c\0\0");
  assertEquals([text(last.bytes), last.last], ["c\0", true]);
  const empty = part("12\0\0");
  assertEquals([text(empty.bytes), empty.last], ["", true]);
  assertThrows(() => part("12"), ProtocolError);
});

Deno.test("paths", () => {
  for (const good of ["/", "/local/domain/1", "/a-b_c@d:e", "@releaseDomain"]) checkPath(good);
  for (const bad of ["", "a", "/a/", "//", "/a b", "/a\0", "/" + "x".repeat(3072)]) {
    assertThrows(() => checkPath(bad), SyntaxError);
  }
});
