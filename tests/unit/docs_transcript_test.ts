/** The check of transcripts must see what is not as it was promised: else it guards nothing. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { blocksOf, linksOf } from "../support/docs/markdown.ts";
import { type Comparison, difference, shapeOf } from "../support/docs/shape.ts";
import { stepsOf } from "../support/docs/transcript.ts";

const LIVE = { exact: false, among: false };
const EXACT = { exact: true, among: false };
const AMONG = { exact: false, among: true };

const wrong = (expected: string, actual: string, how: Comparison = LIVE) =>
  difference(expected.split("\n"), actual.split("\n"), how);

const TABLE = `VERDICT    TURN    AVAILABLE  USED    FOR  QUEUE     TARGET
lost kick  device        412   408  1.0 s  request0  proc:4242/blk0:0`;

Deno.test("other numbers, times and widths are the same transcript", () => {
  const other = TABLE.replace("412", "9").replace("408", "7").replace("1.0 s", "980 ms");
  assertEquals(wrong(TABLE, other), null);
  const rest = "read at 2026-11-21T06:42:00.485Z, 3 buffers, 0x1f";
  assertEquals(wrong(rest, "read at 2031-01-02T00:00:00Z, 1 buffer, 0xffdd000"), null);
});

Deno.test("a changed heading, verdict, message, unit or base is not", () => {
  assertStringIncludes(wrong(TABLE, TABLE.replace("TURN", "WHO")) ?? "", "VERDICT");
  assert(wrong(TABLE, TABLE.replace("lost kick", "moving")));
  assert(wrong(TABLE, TABLE.replace("1.0 s", "-")));
  assert(wrong("0x1f", "31"));
  assert(wrong("256M", "256K"));
  assert(wrong("3 buffers with the device", "3 buffers with the driver"));
});

Deno.test("a row too many or too few is not", () => {
  assert(wrong(TABLE, `${TABLE}\nmoving 1 2`));
  assert(wrong(TABLE, TABLE.split("\n")[0]));
  assert(difference([], ["an error"], LIVE));
  assert(difference([], ["an error"], AMONG));
});

Deno.test("the picture of a ring compares without where it stands", () => {
  const ring = (text: string) => `  0 |${text}| 255`;
  const here = ring(".........=......................................................");
  const there = ring("####............................................................");
  assertEquals(wrong(here, there), null);
  assertEquals(wrong("   available 23 v", "v available 4"), null);
  assertEquals(wrong("   used 23 or later ^", "^ used 0 or later"), null);
  assert(wrong("   available 23 v", "v used 4"));
  assert(wrong("   used 23 ^", "v used 4"));
});

Deno.test("… stands for lines, and for the rest of one", () => {
  assertEquals(wrong("a\n…\nd", "a\nb\nc\nd"), null);
  assertEquals(wrong("a\n…", "a"), null);
  assertEquals(wrong("a …\nb", "a long line\nb"), null);
  assert(wrong("a\n…\nd", "a\nb\nc"));
  assert(wrong("a\n…\nc", "a\nb\nc\nd"));
});

Deno.test("what is recorded compares exactly", () => {
  assertEquals(
    wrong("a  1 at 2026-11-21T06:42:00.485Z", "a  1 at 2031-01-02T00:00:00Z", EXACT),
    null,
  );
  assert(wrong("a  1", "a  2", EXACT));
  assert(wrong("a  1", "a 1", EXACT));
});

Deno.test("find may list more guests, and columns that these need", () => {
  const mine = "KIND  NAME  TARGET\nqemu  vm1   qemu:4242";
  const all = "KIND  NAME  NOTE  TARGET\ndemo  d     x     proc:1\nqemu  vm1         qemu:7";
  assertEquals(wrong(mine, all, AMONG), null);
  assert(wrong(mine, all.replace("vm1", "guest"), AMONG));
  assert(wrong(mine, all.replace("TARGET", "WHERE"), AMONG));
});

Deno.test("a transcript's steps: output, &, ^C, continued lines", () => {
  const [first, second, third] = stepsOf(
    "$ guestmem a &\nruns\n\n$ guestmem b \\\n    --json\nheld\n^C\nended\n$ true",
  );
  assertEquals([first.command, first.background, first.output], ["guestmem a", true, ["runs"]]);
  assertEquals(second.command, "guestmem b \\\n    --json");
  assertEquals([second.output, second.afterInterrupt], [["held"], ["ended"]]);
  assertEquals([third.output, third.line], [[], 9]);
  assertThrows(() => stepsOf("output alone"), SyntaxError);
});

Deno.test("blocks and links of a page", () => {
  const [block] = blocksOf("# A\n\n```console demo x\n$ true\n```\n");
  assertEquals(block, { language: "console", words: ["demo", "x"], text: "$ true", line: 3 });
  assertEquals(blocksOf(" * ```ts\n * a\n *\n * b\n * ```")[0].text, "a\n\nb");
  assertThrows(() => blocksOf("```ts\na"), SyntaxError);
  assertEquals(linksOf("[a](b.md#c) [d](#e) [f](https://x)"), ["b.md"]);
});

Deno.test("shapes", () => {
  assertEquals(shapeOf("0x1f  31 2.5 s  blk0:0"), "<hex> # <duration> blk#:#");
  assertEquals(shapeOf("in 0.44 s (146.9M/s)"), shapeOf("in 0.04 s (1.6G/s)"));
});
