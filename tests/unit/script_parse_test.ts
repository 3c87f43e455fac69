/** The language of scripts: words, quotes, variables, and where what is wrong. */
import { assertEquals, assertThrows } from "@std/assert";
import { holds } from "../../cli/script/expect.ts";
import { parseLine, parseScript, ScriptError } from "../../cli/script/parse.ts";
import { expand, valueOf, type Variables } from "../../cli/script/variables.ts";

function words(line: string, values: Record<string, string> = {}): string[] {
  const variables: Variables = new Map(
    Object.entries(values).map(([name, text]) => [name, valueOf(text)]),
  );
  return parseLine(line, 1)?.words.map((word) => expand(word, 1, variables)) ?? [];
}

function fault(run: () => unknown): [number, number, string] {
  const { line, column, message } = assertThrows(run, ScriptError);
  return [line, column, message];
}

Deno.test("words are split at blanks, quotes keep them together", () => {
  assertEquals(words("dump  mem\tqemu:1 0x0"), ["dump", "mem", "qemu:1", "0x0"]);
  assertEquals(words(`search 'a b' "c d"e ''`), ["search", "a b", "c de", ""]);
  assertEquals(words(String.raw`a\ b \# \$x "\"\$\\ \n"`), ["a b", "#", "$x", String.raw`"$\ \n`]);
  assertEquals(words("a#b # the rest 'is a comment"), ["a#b"]);
  assertEquals([words(""), words("   \t"), words("# only"), words("#!/usr/bin/env x")], [
    [],
    [],
    [],
    [],
  ]);
});

Deno.test("variables fill in one word, with fields of JSON", () => {
  const r = '{"used":{"index":7},"chains":[{"head":"0x3"}],"raced":false}\n';
  assertEquals(words("$m/blk0:0 ${m}x '$m' \"<$m>\"", { m: "m1@this\n" }), [
    "m1@this/blk0:0",
    "m1@thisx",
    "$m",
    "<m1@this>",
  ]);
  assertEquals(words("$r.used.index ${r.chains[0].head}! $r.raced $r.chains", { r }), [
    "7",
    "0x3!",
    "false",
    '[{"head":"0x3"}]',
  ]);
  assertEquals(words("$t", { t: "a b  c" }), ["a b  c"], "one word");
  assertEquals(words("$n[1].a $n[0].a", { n: '{"a":1}\n{"a":2}\n' }), ["2", "1"]);
});

Deno.test("what is wrong is told by line and column", () => {
  assertEquals(fault(() => parseScript("find\n\n  map 'x")), [3, 7, "no closing '"]);
  assertEquals(fault(() => parseScript('print "a $b')), [1, 7, 'no closing "']);
  assertEquals(fault(() => parseScript("find | less")), [1, 6, '"|" means nothing here']);
  assertEquals(fault(() => parseScript("dump mem x > y")), [1, 12, '">" means nothing here']);
  assertEquals(fault(() => parseScript("print $")), [1, 7, "a $ without a variable's name"]);
  assertEquals(fault(() => parseScript("print ${a")), [1, 7, "no closing }"]);
  assertEquals(fault(() => parseScript("let")), [1, 4, "let without a variable's name"]);
  assertEquals(fault(() => parseScript("let 3 = find")), [1, 5, "let without a variable's name"]);
  assertEquals(fault(() => parseScript("let x find")), [1, 7, "no = after let x"]);
  assertEquals(fault(() => parseScript("let x =")), [1, 8, "no command after let x ="]);
  assertEquals(fault(() => parseScript("map x\\")), [1, 6, "a backslash at the end of a line"]);
});

Deno.test("a field that is not there names those that are", () => {
  const r = '{"used":{"index":7}}';
  assertEquals(fault(() => words("a $r.usd", { r })), [1, 3, '$r has no field "usd"']);
  assertEquals(fault(() => words("a $r.used.x", { r })), [1, 3, '$r.used has no field "x"']);
  assertEquals(fault(() => words("a $r.used.index.y", { r })), [
    1,
    3,
    '$r.used.index has no field "y"',
  ]);
  assertEquals(fault(() => words("$r[0]", { r })), [1, 1, "$r has no [0]"]);
  assertEquals(fault(() => words("$m.x", { m: "text" })), [1, 1, "$m is text, and has no fields"]);
  assertEquals(fault(() => words("$r.constructor", { r }))[2], '$r has no field "constructor"');
});

Deno.test("numbers compare as numbers, exactly, anything else as text", () => {
  assertEquals(holds("0x10", "==", "16"), true);
  assertEquals(holds("9", "<", "10"), true);
  assertEquals(holds("0xffffffffffffffff", "!=", "0xfffffffffffffffe"), true);
  assertEquals(holds("1.5", ">=", "1.50"), true);
  assertEquals(holds("split", "==", "packed"), false);
  assertEquals(holds("9", ">", "x"), false);
  assertEquals(holds("1", "=", "1"), null);
  assertEquals(parseLine("expect 1 <= 2", 1)?.words.length, 4);
});

Deno.test("any text is parsed or refused, never more", () => {
  const alphabet = [..."ab '\"$\\{}[].#|let=x\t\n0"];
  let state = 7;
  for (let round = 0; round < 20_000; round++) {
    let text = "";
    for (let length = round % 24; length > 0; length--) {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      text += alphabet[state % alphabet.length];
    }
    try {
      parseScript(text);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      const lines = text.split("\n");
      const inside = error.column >= 1 && error.column <= lines[error.line - 1].length + 1;
      assertEquals(inside, true, JSON.stringify(text));
    }
  }
});
