/** Console and xenstore rings of Xen. */
import { assertEquals } from "@std/assert";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { openXenRing } from "../../lib/ring/xen/ring.ts";
import { encodeMessage, XS } from "../../lib/wire/xenstore/message.ts";
import { encodeStrings } from "../../lib/wire/xenstore/payload.ts";

const page = () => new DataView(new ArrayBuffer(4096));

function open(view: DataView, kind: "console" | "xenstore") {
  return openXenRing({ kind, abi: "x86_64-abi", pages: new BufferBacking(view.buffer) });
}

/** Writes bytes that end at free-running offset `end` of a ring of `size` bytes. */
function write(view: DataView, offset: number, size: number, end: number, bytes: Uint8Array) {
  bytes.forEach((byte, i) => view.setUint8(offset + ((end - bytes.length + i) & (size - 1)), byte));
}

Deno.test("a console's output is read without being taken", () => {
  const view = page();
  write(view, 1024, 2048, 2052, new TextEncoder().encode("x".repeat(2039) + "\nlogin: "));
  view.setUint32(3080, 2050, true);
  view.setUint32(3084, 2052, true);
  const ring = open(view, "console").snapshot();
  assertEquals(ring.inFlight, 2);
  assertEquals(ring.text.slice(-8), "\nlogin: ");
  assertEquals(ring.text.length, 2048);
  assertEquals(ring.sides.map(({ name, from }) => `${name} ${from}`), [
    "in back-end",
    "out front-end",
  ]);
  assertEquals(view.getUint32(3080, true), 2050);
});

Deno.test("a console that never said anything is empty", () => {
  assertEquals(open(page(), "console").snapshot().text, "");
});

Deno.test("store messages: those passed and those that wait", () => {
  const message = (type: number, requestId: number, ...strings: string[]) =>
    encodeMessage({ type, requestId, transaction: 0, payload: encodeStrings(...strings) });
  const first = message(XS.READ, 1, "/local/domain/1/name");
  const second = message(XS.DIRECTORY, 2, "device");
  const view = page();
  const start = 5000; // the stream is old: its first messages are gone, and it wraps here
  const end = start + first.length + second.length;
  write(view, 0, 1024, start + first.length, first);
  write(view, 0, 1024, end, second);
  view.setUint32(2048, start + first.length, true);
  view.setUint32(2052, end, true);
  const ring = open(view, "xenstore").snapshot();
  assertEquals(ring.entries.map(({ state, request }) => [state, request.summary]), [
    ["passed", "READ /local/domain/1/name"],
    ["pending", "DIRECTORY device"],
  ]);
  assertEquals(ring.inFlight, second.length);
});

Deno.test("more produced than fits, and a message that is none", () => {
  const view = page();
  view.setUint32(2052, 1025, true);
  assertEquals(open(view, "xenstore").snapshot().findings.map(({ code }) => code), [
    "producer-jump",
  ]);
  const broken = page();
  broken.setUint32(0, 99, true);
  broken.setUint32(2052, 20, true);
  assertEquals(open(broken, "xenstore").snapshot().findings.map(({ code }) => code), [
    "message-invalid",
  ]);
});

Deno.test("what the page says of the connection is a note", () => {
  const view = page();
  view.setUint32(2068, 1, true);
  view.setUint32(2072, 3, true);
  assertEquals(open(view, "xenstore").snapshot().notes.length, 2);
});
