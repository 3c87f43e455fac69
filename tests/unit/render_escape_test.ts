import { assert, assertEquals } from "@std/assert";
import { escape, escapeLines } from "../../cli/render/escape.ts";

Deno.test("plain text, accents, CJK and emoji pass as they are", () => {
  for (const text of ["", "virtio-blk", "café naïve", "漢字", "😀", "a~!@#$%^&*()[]{}<>?"]) {
    assertEquals(escape(text), text);
  }
});

Deno.test("what a terminal acts on is written out", () => {
  const cases: [string, string][] = [
    ["\x1b[2J", "\\x1b[2J"],
    ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["\x9b31m", "\\x9b31m"],
    ["a\rb\nc\td", "a\\rb\\nc\\td"],
    ["\x00\x7f\x80", "\\x00\\x7f\\x80"],
    ["admin\u202etxt.exe", "admin\\u{202e}txt.exe"],
    ["\u2066x\u2069\u200f\u061c", "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}"],
    ["zero\u200bwidth\ufeff", "zero\\u{200b}width\\u{feff}"],
    ["line\u2028par\u2029", "line\\u{2028}par\\u{2029}"],
    ["\u{e0041}tag", "\\u{e0041}tag"],
    ["\ud800lone\udfff", "\\u{d800}lone\\u{dfff}"],
    ["\ue000private", "\\u{e000}private"],
    ["back\\slash", "back\\\\slash"],
  ];
  for (const [text, wanted] of cases) assertEquals(escape(text), wanted);
});

Deno.test("no byte of a guest reaches the terminal as a control character", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const decoded = [new TextDecoder().decode(bytes), String.fromCharCode(...bytes)];
  for (const text of decoded) {
    for (const character of escape(text)) {
      const code = character.codePointAt(0) as number;
      assert(code >= 32 && code !== 127 && !(code >= 128 && code < 160), `U+${code.toString(16)}`);
    }
  }
});

Deno.test("what was escaped can be told from what was typed", () => {
  assert(escape("\x1b") !== escape("\\x1b"));
});

Deno.test("lines of our own stay lines", () => {
  assertEquals(escapeLines("one\ntwo\x1b"), "one\ntwo\\x1b");
});
