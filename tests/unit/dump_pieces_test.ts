import { assert, assertEquals, assertThrows } from "@std/assert";
import { pieces, readSpans, type Span } from "../../lib/dump/pieces.ts";
import { holesIn } from "../../lib/dump/raw_file.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { verifyRegions } from "../../lib/memory/verify.ts";
import { search } from "../../lib/dump/search.ts";
import { drawnMemory, PAGE } from "../support/sparse_memory.ts";

/** Spans as a drawing again, a word each: `bytes 2` is two pages of bytes. */
function drawn(spans: Iterable<Span>): string[] {
  return Array.from(spans, ({ kind, length }) => `${kind} ${Number(length) / PAGE}`);
}

function read(drawing: string, buffer = 16 * PAGE): string[] {
  const { memory } = drawnMemory(drawing);
  const length = BigInt(drawing.length * PAGE);
  return drawn(readSpans(memory, 0n, length, new Uint8Array(buffer)));
}

Deno.test("bytes, never written, unreadable and no memory are told apart", () => {
  assertEquals(read("dd..xx_d"), ["bytes 2", "zeros 2", "unreadable 2", "hole 1", "bytes 1"]);
});

Deno.test("reading goes on behind a page that can not be read", () => {
  assertEquals(read("dxdxd"), ["bytes 1", "unreadable 1", "bytes 1", "unreadable 1", "bytes 1"]);
});

Deno.test("data comes in pieces no longer than the buffer", () => {
  assertEquals(read("ddddd", 2 * PAGE), ["bytes 2", "bytes 2", "bytes 1"]);
});

Deno.test("unreadable pages come as one span however small the buffer is", () => {
  assertEquals(read("dxxxxd", 2 * PAGE), ["bytes 1", "unreadable 4", "bytes 1"]);
});

Deno.test("pages that were never written are not read", () => {
  const { memory, backing } = drawnMemory("d" + ".".repeat(200) + "d");
  for (const _ of readSpans(memory, 0n, 202n * BigInt(PAGE), new Uint8Array(PAGE)));
  assertEquals(backing.asked, 2 * PAGE);
});

Deno.test("pieces end at multiples of the chunk, so that unaligned ranges align themselves", () => {
  const { memory } = drawnMemory("dddd");
  const list = [...pieces(memory, 100n, BigInt(3 * PAGE), PAGE)];
  assertEquals(list.map(({ address }) => address), [100n, 4096n, 8192n, 12288n]);
  assertEquals(list.map(({ length }) => Number(length)), [PAGE - 100, PAGE, PAGE, 100]);
});

Deno.test("between grants is nothing, where between extents of a file are zeros", () => {
  const { memory, backing } = drawnMemory("xxddxx");
  const grants = Object.assign(backing, { gaps: "hole" as const });
  const granted = { start: 2 * PAGE, end: 4 * PAGE };
  grants.nextData = (offset) => offset < granted.end ? granted : null;
  const spans = readSpans(memory, 0n, 6n * BigInt(PAGE), new Uint8Array(PAGE));
  assertEquals(drawn(spans), ["hole 2", "bytes 1", "bytes 1", "hole 2"]);
  assertEquals([...verifyRegions(memory.table).values()], ["ok"]);
  // A region that ends within what is granted is not asked for more.
  const [whole] = memory.table.regions;
  const half = new RegionTable([{ ...whole, length: BigInt(3 * PAGE) }]);
  const { copy } = grants;
  const looked: number[] = [];
  grants.copy = (offset, target) => (looked.push(offset), copy.call(grants, offset, target));
  verifyRegions(half);
  assertEquals(looked, [2 * PAGE, 3 * PAGE - 1]);
  // Where nothing is granted at all, the first read says why.
  grants.nextData = () => null;
  grants.copy = () => ({ length: 0, errno: "EINVAL" });
  assertEquals([...verifyRegions(memory.table).values()], ["EINVAL"]);
});

Deno.test("the holes of a range are known without reading", () => {
  const { memory, backing } = drawnMemory("d__d_");
  const holes = holesIn(memory, 0n, BigInt(5 * PAGE));
  assertEquals(drawn(holes), ["hole 2", "hole 1"]);
  assertEquals(backing.asked, 0);
});

Deno.test("a backing that claims an empty extent does not keep us for ever", () => {
  const { memory, backing } = drawnMemory("dd");
  backing.nextData = (offset) => ({ start: offset, end: offset });
  assertEquals(drawn(readSpans(memory, 0n, 8192n, new Uint8Array(PAGE))), ["bytes 1", "bytes 1"]);
});

/** Addresses of matches. `pattern` is put at each of `places` first. */
function find(drawing: string, pattern: Uint8Array, places: readonly number[]): number[] {
  const { memory, bytes } = drawnMemory(drawing);
  for (const place of places) bytes.set(pattern, place);
  const steps = [...search(memory, 0n, BigInt(drawing.length * PAGE), pattern)];
  return steps.flatMap(({ matches }) => matches.map(Number));
}

const NEEDLE = new TextEncoder().encode("needle");

Deno.test("a match is found at the start, at the end, and across pages", () => {
  const places = [0, PAGE - 3, 2 * PAGE - 6];
  assertEquals(find("dd", NEEDLE, places), places);
});

Deno.test("a match is found across two regions that touch", () => {
  const { memory, bytes } = drawnMemory("dd");
  bytes.set(NEEDLE, PAGE - 2);
  const [region] = memory.table.regions;
  const half = BigInt(PAGE);
  const cut = memory.table.without(0n)
    .with({ ...region, length: half })
    .with({
      ...region,
      guest: region.guest + half as typeof region.guest,
      length: half,
      offset: PAGE,
    });
  const two = Object.assign(Object.create(Object.getPrototypeOf(memory)), { table: cut });
  const found = [...search(two, 0n, 8192n, NEEDLE)].flatMap(({ matches }) => matches);
  assertEquals(found, [BigInt(PAGE - 2)]);
});

Deno.test("no match spans a hole in memory", () => {
  const { memory, bytes } = drawnMemory("d_d");
  bytes.set(NEEDLE.subarray(0, 3), PAGE - 3);
  bytes.set(NEEDLE.subarray(3), 2 * PAGE);
  const steps = [...search(memory, 0n, BigInt(3 * PAGE), NEEDLE)];
  assertEquals(steps.flatMap(({ matches }) => matches), []);
  assertEquals(steps.map(({ gap }) => gap?.kind), [undefined, "hole", undefined]);
});

Deno.test("zeros at the edge of what was never written are part of a match", () => {
  const tail = Uint8Array.of(7, 8, 0, 0);
  const head = Uint8Array.of(0, 0, 7, 8);
  assertEquals(find("d...", tail, [PAGE - 2].filter((p) => p + 2 <= PAGE)), [PAGE - 2]);
  assertEquals(find("...d", head, [3 * PAGE - 2]), [3 * PAGE - 2]);
});

Deno.test("matches may overlap", () => {
  const { memory, bytes } = drawnMemory("d");
  bytes.fill(0x41, 100, 104);
  const found = [...search(memory, 0n, 4096n, Uint8Array.of(0x41, 0x41, 0x41))];
  assertEquals(found.flatMap(({ matches }) => matches), [100n, 101n]);
});

Deno.test("a single byte is found, and the range's end is exclusive", () => {
  const { memory, bytes } = drawnMemory("dd");
  bytes[10] = 9;
  bytes[20] = 9;
  const found = [...search(memory, 0n, 20n, Uint8Array.of(9))].flatMap(({ matches }) => matches);
  assertEquals(found, [10n]);
});

Deno.test("patterns that match everywhere are refused", () => {
  const { memory } = drawnMemory("d");
  const run = (pattern: Uint8Array) => [...search(memory, 0n, 4096n, pattern)];
  assertThrows(() => run(new Uint8Array(0)), RangeError, "empty");
  assertThrows(() => run(new Uint8Array(3)), RangeError, "zeros");
  assertThrows(() => run(new Uint8Array(5000).fill(1)), RangeError, "longer than 4096");
  assert(run(Uint8Array.of(0, 1)).length > 0);
});
