import { assertEquals } from "@std/assert";
import { decodeRights, encodeRights } from "../../ffi/socket_message.ts";

/** Control bytes from 32-bit little-endian words. */
const words = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);

Deno.test("fds are encoded as one SCM_RIGHTS message with padding", () => {
  //                    len     level type fds  pad
  assertEquals(encodeRights([5]), words(20, 0, 1, 1, 5, 0));
  assertEquals(encodeRights([5, 6]), words(24, 0, 1, 1, 5, 6));
  assertEquals(encodeRights([]).length, 0);
  assertEquals(encodeRights(Array.from({ length: 253 }, (_, fd) => fd)).length, 1032);
});

Deno.test("what was encoded is decoded", () => {
  for (const fds of [[], [0], [3, 4, 5], Array.from({ length: 253 }, (_, fd) => fd)]) {
    assertEquals(decodeRights(encodeRights(fds)), fds);
  }
});

Deno.test("fds are collected from every SCM_RIGHTS message, others are skipped", () => {
  //  [ rights: 7 ][ credentials: pid uid gid ][ rights: 8 9 ]
  const control = words(
    ...[20, 0, 1, 1, 7, 0],
    ...[28, 0, 1, 2, 100, 0, 0, 0],
    ...[24, 0, 1, 1, 8, 9],
  );
  assertEquals(decodeRights(control), [7, 8, 9]);
});

Deno.test("a control buffer that makes no sense ends the search", () => {
  assertEquals(decodeRights(words(0, 0, 1, 1, 7, 0)), [], "length 0 would loop for ever");
  assertEquals(decodeRights(words(15, 0, 1, 1, 7, 0)), [], "shorter than its header");
  assertEquals(decodeRights(words(0xffffffff, 0xffffffff, 1, 1, 7, 0)), [], "longer than the rest");
  assertEquals(decodeRights(words(20, 0, 1)), [], "header cut off");
  assertEquals(decodeRights(words(22, 0, 1, 1, 7, 8)), [7], "half an fd is none");
});
