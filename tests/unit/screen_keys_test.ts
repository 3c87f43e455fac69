/** Keys from the bytes of a terminal. */
import { assertEquals } from "@std/assert";
import { keyDecoder } from "../../cli/screen/keys.ts";

/** What comes of pieces of bytes; a wait is for what an Escape alone needs. */
async function decode(...pieces: string[]): Promise<string[]> {
  const keys: string[] = [];
  const take = keyDecoder((key) => keys.push(key));
  for (const piece of pieces) take(new TextEncoder().encode(piece));
  await new Promise((resolve) => setTimeout(resolve, 150));
  return keys;
}

Deno.test("characters are themselves", async () => {
  assertEquals(await decode("kK/? é漢"), ["k", "K", "/", "?", " ", "é", "漢"]);
});

Deno.test("arrows, pages and the ends, as xterm, tmux and the Linux console send them", async () => {
  assertEquals(await decode("\x1b[A\x1b[B\x1b[C\x1b[D\x1bOA\x1bOB"), [
    ...["up", "down", "right", "left", "up", "down"],
  ]);
  assertEquals(await decode("\x1b[5~\x1b[6~\x1b[H\x1b[F\x1b[1~\x1b[4~\x1bOH\x1bOF"), [
    ...["pageup", "pagedown", "home", "end", "home", "end", "home", "end"],
  ]);
});

Deno.test("control keys, and what ends a line", async () => {
  assertEquals(await decode("\x03\x02\x06\x15\r\x7f\t"), [
    ...["ctrl-c", "ctrl-b", "ctrl-f", "ctrl-u", "enter", "backspace", "tab"],
  ]);
});

Deno.test("an Escape alone is told from the beginning of an arrow by time", async () => {
  assertEquals(await decode("\x1b"), ["escape"]);
  assertEquals(await decode("\x1b", "[A"), ["up"]);
  assertEquals(await decode("\x1bx"), ["alt-x"]);
});

Deno.test("a character whose bytes come in two pieces is one key", async () => {
  const keys: string[] = [];
  const take = keyDecoder((key) => keys.push(key));
  for (const byte of new TextEncoder().encode("é")) take(Uint8Array.of(byte));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(keys, ["é"]);
});

Deno.test("no bytes make a key that is none", async () => {
  const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");
  for (const key of await decode(all, "\x1b[999~", "\x1b[<0;1;1M", "\x1b]0;title\x07")) {
    // deno-lint-ignore no-control-regex
    assertEquals(/[\x00-\x1f\x7f-\x9f]/.test(key), false, JSON.stringify(key));
  }
});
