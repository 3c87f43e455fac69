/** Lines cut, filled and wrapped to the width of a terminal. */
import { assertEquals } from "@std/assert";
import { cut, fill, spread, wrap } from "../../cli/render/line.ts";

const GREEN = "\x1b[32mgreen\x1b[39m";

Deno.test("a text is cut where it is too wide, by what it shows", () => {
  assertEquals(cut("abcdef", 6), "abcdef");
  assertEquals(cut("abcdef", 4), "abcd");
  assertEquals(cut("abcdef", 4, "~"), "abc~");
  assertEquals(cut("a  b  c", 5), "a  b ");
  assertEquals(cut("漢字漢字", 5), "漢字");
  assertEquals(cut("漢字漢字", 5, "…"), "漢字…");
  assertEquals(cut("─".repeat(9) + " ok", 4), "────");
  assertEquals(cut(`a ${"─".repeat(9)}`, 4), "a ──");
  assertEquals([cut("abc", 0), cut("abc", 1, "~"), cut("", 0)], ["", "~", ""]);
});

Deno.test("colours take no room, and end where the text does", () => {
  assertEquals(cut(`${GREEN} and more`, 9), "\x1b[32mgreen\x1b[39m and\x1b[0m");
  assertEquals(cut(GREEN, 5), GREEN);
  assertEquals(cut(GREEN, 2).endsWith("\x1b[0m"), true);
  assertEquals(fill(GREEN, 7), `${GREEN}  `);
  assertEquals(fill(GREEN, 7, "right"), `  ${GREEN}`);
});

Deno.test("a column has its width, whatever stands in it", () => {
  assertEquals([fill("é", 3), fill("漢", 3), fill("abcd", 3)], ["é  ", "漢 ", "abc"]);
  assertEquals(fill("漢字", 3, "left", "…"), "漢…");
});

Deno.test("lines break between words, and within one that is too long", () => {
  assertEquals(wrap("a kick was due", 7), ["a kick", "was due"]);
  assertEquals(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
  assertEquals(wrap("", 3), [""]);
});

Deno.test("two texts at the edges; the right one goes first", () => {
  assertEquals(spread("left", "right", 12), "left   right");
  assertEquals(spread("left", "right", 10), "left");
  assertEquals(spread("left", "right", 3), "lef");
});
