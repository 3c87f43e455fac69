import { assertEquals, assertThrows } from "@std/assert";
import { durationText, plural, rateText, sizeText } from "../../cli/render/size.ts";
import { jsonLine } from "../../cli/render/json.ts";
import {
  parseAddress,
  parseDuration,
  parseHexBytes,
  parseInterval,
  parseLength,
  parseRange,
} from "../../cli/parse.ts";

Deno.test("sizes", () => {
  const cases: [bigint | number, string][] = [
    [0, "0"],
    [1023, "1023"],
    [4096, "4K"],
    [1536, "1.5K"],
    [6n << 30n, "6G"],
    [0xfffc0000n - 0x10000000n, "3.7G"],
    [1n << 63n, "8E"],
  ];
  for (const [bytes, text] of cases) assertEquals(sizeText(bytes), text);
});

Deno.test("rates, and the absence of one", () => {
  const cases: [number | null, string][] = [
    [null, "?"],
    [0, "0"],
    [0.999, "0.999"],
    [26.14, "26.1"],
    [613, "613"],
    [1893.2, "1.89k"],
    [1234567, "1.23M"],
  ];
  for (const [rate, text] of cases) assertEquals(rateText(rate), text);
});

Deno.test("durations and counts", () => {
  const cases: [number, string][] = [
    [0, "0ms"],
    [999, "999ms"],
    [2500, "2.5s"],
    [200_000, "3m 20s"],
    [7_500_000, "2h 5m"],
  ];
  for (const [milliseconds, text] of cases) assertEquals(durationText(milliseconds), text);
  assertEquals(plural(1, "match", "matches"), "1 match");
  assertEquals(plural(2, "match", "matches"), "2 matches");
});

Deno.test("in JSON addresses are strings, counts numbers, and the schema comes first", () => {
  assertEquals(
    jsonLine("guestmem/x/1", { address: 0xfee0_0000_0000_0000n, count: 3, list: [1n] }),
    '{"schema":"guestmem/x/1","address":"0xfee0000000000000","count":3,"list":["0x1"]}',
  );
});

Deno.test("arguments as operators write them", () => {
  assertEquals(parseDuration("20s"), 20_000);
  assertEquals(parseDuration("1.5m"), 90_000);
  assertEquals(parseAddress("0x7c00"), 0x7c00n);
  assertEquals(parseAddress("4G"), 1n << 32n);
  assertEquals(parseRange("0x1000-8K"), { start: 4096n, end: 8192n });
  assertEquals(parseRange("1M+16"), { start: 1n << 20n, end: (1n << 20n) + 16n });
  assertEquals(parseHexBytes("31c08ed8"), Uint8Array.of(0x31, 0xc0, 0x8e, 0xd8));
  assertEquals(parseHexBytes("0xDE:AD be-ef"), Uint8Array.of(0xde, 0xad, 0xbe, 0xef));
});

Deno.test("arguments that are none are refused", () => {
  const wrong: (() => unknown)[] = [
    () => parseDuration("fast"),
    () => parseDuration("-1s"),
    () => parseDuration("60000h"),
    () => parseInterval("0.5ms"),
    () => parseAddress("0xzz"),
    () => parseAddress("16E"),
    () => parseAddress("18446744073709551616"),
    () => parseLength("0"),
    () => parseRange("0x2000-0x1000"),
    () => parseRange("0x2000"),
    () => parseHexBytes("abc"),
    () => parseHexBytes(""),
  ];
  for (const run of wrong) assertThrows(run, Error);
});
