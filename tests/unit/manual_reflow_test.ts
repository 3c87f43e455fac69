/** How manuals are laid out for a width. */
import { assert, assertEquals } from "@std/assert";
import { blocksOf, manualWidth, reflow } from "../../cli/manual/reflow.ts";

const TEXT = `One paragraph of
two lines.

  $ guestmem find
  KIND  TARGET

  $ guestmem doctor

Another.
  an item   that stays`;

Deno.test("paragraphs are wrapped, transcripts are not touched", () => {
  assertEquals(reflow(TEXT, 16).split("\n"), [
    ..."One paragraph of|two lines.||  $ guestmem find|  KIND  TARGET|".split("|"),
    ..."  $ guestmem doctor||Another.|  an item   that stays".split("|"),
  ]);
  assertEquals(reflow(TEXT, 80).split("\n")[0], "One paragraph of two lines.");
});

Deno.test("a word that is wider than the width stands alone and whole", () => {
  assertEquals(reflow("a very-long-word b", 4), "a\nvery-long-word\nb");
});

Deno.test("blocks: a transcript with an empty line in it is one", () => {
  assertEquals(blocksOf(TEXT).map(({ kind, lines }) => [kind, lines.length]), [
    ["text", 1],
    ["verbatim", 4],
    ["text", 1],
    ["verbatim", 1],
  ]);
});

Deno.test("widths that nobody can read are not used", () => {
  assertEquals([manualWidth(20), manualWidth(80), manualWidth(300)], [40, 80, 100]);
  assert(reflow("word ".repeat(50).trim(), 40).split("\n").every((line) => line.length <= 40));
});
