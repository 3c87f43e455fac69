/** Composed memory: beyond storage, in place of it, with holes and rights. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { guestAddress } from "../../lib/address.ts";
import { GuestMemoryError, SourceError } from "../../lib/errors.ts";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { compose, place, type Segment } from "../../lib/memory/compose.ts";
import { GuestMemory, WritableGuestMemory } from "../../lib/memory/guest_memory.ts";
import type { Access, Region } from "../../lib/memory/region.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { composed, parseAddition } from "../../lib/source/compose.ts";
import type { Attachment } from "../../lib/source/source.ts";

/** A region of bytes that are all `fill`. */
function region(guest: number, length: number, fill: number, access: Access = "rw"): Region {
  const bytes = new Uint8Array(length).fill(fill);
  const backing = new BufferBacking(bytes.buffer, `bytes of ${fill}`);
  const rest = { backing, offset: 0, access, name: `r${fill}`, user: null };
  return { guest: guestAddress(guest), length: BigInt(length), ...rest };
}

function segment(
  from: GuestMemory,
  guest: number,
  offset: number,
  length: number,
  access: Access = "ro",
): Segment {
  const where = { guest: guestAddress(guest), offset: BigInt(offset), length: BigInt(length) };
  return { ...where, from, access, name: "other" };
}

/** What stands at each of `count` addresses: the fill, or `-` for no memory. */
function picture(table: RegionTable, count: number): string {
  const memory = new GuestMemory(table);
  return Array.from({ length: count }, (_, at) => {
    const byte = new Uint8Array(1);
    return memory.copy(BigInt(at), byte) === null ? String(byte[0]) : "-";
  }).join("");
}

Deno.test("a segment beyond storage keeps its source's holes", () => {
  const base = new RegionTable([region(0, 4, 1)]);
  const other = new GuestMemory(new RegionTable([region(0, 2, 2), region(4, 2, 3)]));
  const table = compose(base, place(segment(other, 6, 0, 6)), false);
  assertEquals(picture(table, 12), "1111--22--33");
});

Deno.test("a part of a source is the bytes of that part", () => {
  const counted = region(16, 8, 0);
  new Uint8Array((counted.backing as BufferBacking).buffer).set([0, 1, 2, 3, 4, 5, 6, 7]);
  const other = new GuestMemory(new RegionTable([counted]));
  const table = compose(new RegionTable([region(0, 2, 9)]), place(segment(other, 2, 19, 4)), false);
  assertEquals(picture(table, 8), "993456--");
});

Deno.test("in place of storage only with replace, which keeps both ends and their bytes", () => {
  const counted = region(0, 8, 1);
  new Uint8Array((counted.backing as BufferBacking).buffer).set([0, 1, 2, 3, 4, 5, 6, 7]);
  const base = new RegionTable([counted]);
  const other = new GuestMemory(new RegionTable([region(0, 4, 9)]));
  const added = place(segment(other, 2, 1, 3));
  const error = assertThrows(() => compose(base, added, false), RangeError);
  assertEquals(error.message.includes("overlap"), true);
  const table = compose(base, added, true);
  assertEquals(picture(table, 8), "01999567");
  assertEquals(base.regions.length, 1);
});

Deno.test("rights only narrow, and each segment has its own", () => {
  const base = new RegionTable([region(0, 4, 1, "ro")]);
  const source = new RegionTable([region(0, 2, 2, "rw"), region(2, 2, 3, "ro")]);
  const added = place(segment(new GuestMemory(source), 4, 0, 4, "rw"));
  const memory = new WritableGuestMemory(compose(base, added, false));
  memory.write(4n, Uint8Array.of(7, 7));
  assertEquals(picture(memory.table, 8), "11117733");
  assertThrows(() => memory.write(0n, Uint8Array.of(7)), GuestMemoryError, "read-only");
  assertThrows(() => memory.write(5n, Uint8Array.of(7, 7)), GuestMemoryError, "read-only");
  assertEquals(picture(memory.table, 8), "11117733");
});

Deno.test("an impossible segment says what is wrong with it", () => {
  const other = new GuestMemory(new RegionTable([region(0, 4, 2)]));
  assertThrows(() => place(segment(other, 0, 0, 0)), RangeError, "not positive");
  assertThrows(() => place(segment(other, 0, 100, 4)), RangeError, "holds no memory");
  const high = { ...segment(other, 0, 0, 4), guest: guestAddress((1n << 64n) - 2n) };
  assertThrows(() => place(high), RangeError, "2^64");
  const [top] = place({ ...high, guest: guestAddress((1n << 64n) - 4n) });
  assertEquals([top.guest, top.length], [(1n << 64n) - 4n, 4n]);
});

Deno.test("what is left of a region has the user addresses of its own bytes", () => {
  const user = 0x7000n as Region["user"];
  const base = new RegionTable([{ ...region(0, 12, 1), user }]);
  const other = new GuestMemory(new RegionTable([region(0, 4, 9)]));
  const table = compose(base, place(segment(other, 4, 0, 4)), true);
  const ends = table.regions.map((
    { guest, length, user, offset },
  ) => [guest, length, user, offset]);
  assertEquals(ends, [[0n, 4n, 0x7000n, 0], [4n, 4n, null, 0], [8n, 4n, 0x7008n, 8]]);
});

Deno.test("replace is like painting over, whatever the order of regions", () => {
  const span = fc.record({ at: fc.nat(40), length: fc.integer({ min: 1, max: 12 }) });
  fc.assert(fc.property(fc.array(span, { maxLength: 8 }), (spans) => {
    const model: string[] = Array.from({ length: 60 }, (_, at) => at < 30 ? "1" : "-");
    let table = new RegionTable([region(0, 30, 1)]);
    spans.forEach(({ at, length }, n) => {
      const fill = 2 + n % 8;
      const other = new GuestMemory(new RegionTable([region(0, length, fill)]));
      table = compose(table, place(segment(other, at, 0, length)), true);
      model.fill(String(fill), at, at + length);
    });
    assertEquals(picture(table, 60), model.join(""));
  }));
});

Deno.test("additions as operators write them", () => {
  assertEquals(parseAddition("4G=shm:zone"), {
    ...{ guest: 1n << 32n, target: "shm:zone", part: null, access: "ro" as const },
  });
  assertEquals(parseAddition("0x1000=file:/a:b/c=d.ram:0x10+4K:rw"), {
    guest: 0x1000n,
    target: "file:/a:b/c=d.ram",
    part: { offset: 0x10n, length: 4096n },
    access: "rw",
  });
  assertThrows(() => parseAddition("shm:zone"), SyntaxError, "GPA=TARGET");
  assertThrows(() => parseAddition("x=shm:zone"), SyntaxError, "not a number");
});

/** A guest whose memory is what `regions` says at each refresh, and says when it is disposed. */
function guestOf(text: string, regions: () => Region[], ended: string[]): Attachment {
  const look = () => new GuestMemory(new RegionTable(regions()), text);
  let memory = look();
  return {
    target: { scheme: "file", what: text, device: null, queue: null, text },
    get memory() {
      return memory;
    },
    writable: null,
    devices: [],
    refresh: () => Promise.resolve(void (memory = look())),
    [Symbol.asyncDispose]: () => Promise.resolve(void ended.push(text)),
  };
}

Deno.test("a guest whose memory grows over what was added is shown without it until it fits", async () => {
  let length = 4;
  const ended: string[] = [];
  const base = guestOf("base", () => [region(0, length, 1)], ended);
  const open = () => Promise.resolve(guestOf("other", () => [region(0, 2, 2)], ended));
  const additions = [parseAddition("6=other")];
  const whole = await composed(base, { additions, replace: false, open });
  assertEquals(picture(whole.memory.table, 9), "1111--22-");
  length = 7;
  await assertRejects(() => whole.refresh(), SourceError, "overlap");
  assertEquals(picture(whole.memory.table, 9), "1111111--");
  length = 5;
  await whole.refresh();
  assertEquals(picture(whole.memory.table, 9), "11111-22-");
  await whole[Symbol.asyncDispose]();
  assertEquals(ended, ["other", "base"]);
});

Deno.test("what was attached is disposed, the last first, where composing fails", async () => {
  const ended: string[] = [];
  const base = guestOf("base", () => [region(0, 4, 1)], ended);
  const open = (target: string) => {
    if (target === "gone") throw new SourceError("file", "open", "not-found", "gone");
    return Promise.resolve(guestOf(target, () => [region(0, 2, 2)], ended));
  };
  const additions = ["6=a", "9=b", "12=gone"].map(parseAddition);
  await assertRejects(() => composed(base, { additions, replace: false, open }), SourceError);
  assertEquals(ended, ["b", "a", "base"]);
});
