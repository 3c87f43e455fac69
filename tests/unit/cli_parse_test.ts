import { assertEquals, assertThrows } from "@std/assert";
import { parseDuration, parseInterval, parseLimit, parseSpan } from "../../cli/parse.ts";

Deno.test("a duration has a unit: nobody has to guess what 5 is", () => {
  assertEquals(["500ms", "20s", "1.5m", "2h", "0"].map(parseDuration), [500, 2e4, 9e4, 72e5, 0]);
  assertThrows(() => parseDuration("5"), Error, "Want a unit: 5s, or 5ms.");
  assertThrows(() => parseSpan("5"), Error, "Want a unit: 5s, or 5ms.");
  assertThrows(() => parseSpan("0s"), Error, "Want at least 1ms.");
  assertThrows(() => parseDuration("soon"), Error, "Want a duration such as");
  assertThrows(() => parseDuration("600h"), Error, "longer than 24 days");
});

Deno.test("an interval alone is milliseconds, as its help says", () => {
  assertEquals([parseInterval("20"), parseInterval("2s")], [20, 2000]);
  assertThrows(() => parseInterval("0"), Error, "Want at least 1ms.");
});

Deno.test("a limit of 0 is none, and less is refused by what may stand there", () => {
  assertEquals([parseLimit("0"), parseLimit("3")], [Infinity, 3]);
  assertThrows(() => parseLimit("-1"), Error, "Want a whole number of at least 0.");
});
