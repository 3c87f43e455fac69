/**
 * Reads and writes across regions, holes and pages that can not be read, whatever the layout.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ADDRESS_LIMIT, guestAddress } from "../../lib/address.ts";
import { GuestMemoryError } from "../../lib/errors.ts";
import { type Backing, BufferBacking, type WritableBacking } from "../../lib/memory/backing.ts";
import { GuestMemory, WritableGuestMemory } from "../../lib/memory/guest_memory.ts";
import type { Access, Region } from "../../lib/memory/region.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";

fc.configureGlobal({ numRuns: 500 });

/** Bytes per page of the backings here. */
const PAGE = 16;

/** What stands at an address: a byte, nothing, or a page that the host can not read. */
type Cell = number | "hole" | "unreadable";

/** A backing of which some pages fail, as those of a truncated file do. */
function failing(bytes: Uint8Array<ArrayBuffer>, bad: readonly number[]): WritableBacking {
  const whole = new BufferBacking(bytes.buffer, "failing", PAGE);
  const stop = (offset: number) =>
    Math.min(bytes.length, ...bad.map((page) => page * PAGE).filter((at) => at + PAGE > offset));
  const upTo = <T>(offset: number, length: number, does: (count: number) => T) => {
    const count = Math.min(length, Math.max(0, stop(offset) - offset));
    does(count);
    return { length: count, errno: count === length ? null : "EFAULT" };
  };
  return {
    length: bytes.length,
    label: "failing",
    pageSize: PAGE,
    copy: (offset, target) =>
      upTo(offset, target.length, (count) => whole.copy(offset, target.subarray(0, count))),
    store: (offset, source) =>
      upTo(offset, source.length, (count) => whole.store(offset, source.subarray(0, count))),
    live: () => null,
    liveWritable: () => null,
    nextData: (offset) => whole.nextData(offset),
  };
}

interface Plan {
  readonly gap: number;
  readonly length: number;
  /** Offset of the region in its backing. */
  readonly offset: number;
  readonly bad: readonly number[];
  readonly access: Access;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  gap: fc.constantFrom(0, 0, 1, 5, 40),
  length: fc.integer({ min: 1, max: 70 }),
  offset: fc.integer({ min: 0, max: 20 }),
  bad: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 2 }),
  access: fc.constantFrom("ro", "rw", "rw"),
});

/** Where the first region starts: low, across 4 GiB, beyond exact doubles, and up to 2^64. */
const base = fc.constantFrom(
  0n,
  7n,
  (1n << 32n) - 20n,
  1n << 53n,
  (1n << 60n) + 1n,
  "end" as const,
);

interface Guest {
  readonly memory: WritableGuestMemory;
  readonly start: bigint;
  readonly end: bigint;
  cell(address: bigint): Cell;
  writable(address: bigint): boolean;
}

function build(plans: readonly Plan[], from: bigint | "end"): Guest {
  const total = plans.reduce((sum, { gap, length }) => sum + gap + length, 0);
  const start = from === "end" ? ADDRESS_LIMIT - BigInt(total) : from;
  let at = start;
  const parts = plans.map(({ gap, length, offset, bad, access }, n) => {
    const bytes = new Uint8Array(offset + length).map((_, byte) => (byte * 7 + n * 31 + 1) & 0xff);
    const guest = at += BigInt(gap);
    at += BigInt(length);
    const backing = failing(bytes, bad);
    const region: Region = {
      guest: guestAddress(guest),
      length: BigInt(length),
      backing,
      offset,
      access,
      name: `part ${n}`,
      user: null,
    };
    return { region, bytes, bad };
  });
  const partAt = (address: bigint) =>
    parts.find(({ region }) => address >= region.guest && address < region.guest + region.length);
  return {
    memory: new WritableGuestMemory(new RegionTable(parts.map(({ region }) => region))),
    start,
    end: at,
    cell(address) {
      const part = partAt(address);
      if (part === undefined) return "hole";
      const offset = part.region.offset + Number(address - part.region.guest);
      return part.bad.includes(Math.floor(offset / PAGE)) ? "unreadable" : part.bytes[offset];
    },
    writable: (address) => partAt(address)?.region.access === "rw",
  };
}

const guest = fc.tuple(fc.array(plan, { minLength: 1, maxLength: 5 }), base)
  .map(([plans, from]) => build(plans, from));

/** A range in, around or across a guest's memory. */
const asked = fc.record({
  before: fc.integer({ min: -60, max: 200 }),
  length: fc.integer({ min: 0, max: 300 }),
  chunk: fc.constantFrom(1, 2, 7, 16, 1000),
});

function startOf({ start }: Guest, before: number): bigint {
  const at = start + BigInt(before);
  return at < 0n ? 0n : at;
}

/** The cells of a range as `read` gives them. */
function cellsRead(guest: Guest, address: bigint, length: number, chunk: number): Cell[] {
  const cells: Cell[] = [];
  for (const span of guest.memory.read(address, BigInt(length), chunk)) {
    assertEquals(span.address, address + BigInt(cells.length), "spans are adjacent and in order");
    assert(span.length > 0);
    if (span.state === "bytes") {
      assert(span.length <= chunk && span.bytes.length === span.length);
      cells.push(...span.bytes);
    } else {
      const { state } = span;
      cells.push(...Array.from({ length: Number(span.length) }, () => state));
    }
  }
  return cells;
}

function cellsThere(guest: Guest, address: bigint, length: number): Cell[] {
  return Array.from({ length }, (_, n) => address + BigInt(n))
    .filter((at) => at < ADDRESS_LIMIT).map((at) => guest.cell(at));
}

Deno.test("read gives every byte, hole and unreadable page of a range, and nothing else", () => {
  fc.assert(fc.property(guest, asked, (guest, { before, length, chunk }) => {
    const address = startOf(guest, before);
    const want = cellsThere(guest, address, length);
    assertEquals(cellsRead(guest, address, length, chunk), want);
  }));
});

Deno.test("slices cover the range, each in one region or none, none longer than the chunk", () => {
  fc.assert(fc.property(guest, asked, (guest, { before, length, chunk }) => {
    const address = startOf(guest, before);
    const limit = address + BigInt(length);
    let at = address;
    for (const slice of guest.memory.slices(address, BigInt(length), chunk)) {
      assertEquals(slice.address, at);
      assertEquals(guest.memory.table.at(at), slice.region);
      assert(slice.length > 0 && (slice.region === null || slice.length <= chunk));
      assertEquals(guest.memory.table.at(at + BigInt(slice.length) - 1n), slice.region);
      at += BigInt(slice.length);
    }
    assertEquals(at, limit < ADDRESS_LIMIT ? limit : address < ADDRESS_LIMIT ? ADDRESS_LIMIT : at);
  }));
});

Deno.test("copy, bytes and status agree on what is there", () => {
  fc.assert(fc.property(guest, asked, (guest, { before, length }) => {
    const address = startOf(guest, before);
    const want = cellsThere(guest, address, length);
    const missing = want.findIndex((cell) => typeof cell === "string");
    const target = new Uint8Array(length);
    const fault = guest.memory.copy(address, target);
    if (missing < 0 && want.length === length) {
      assertEquals([fault, [...target]], [null, want]);
      assertEquals([...guest.memory.bytes(address, length)], want);
    } else {
      const kind = fault !== null && typeof fault !== "string" ? "unreadable" : fault;
      assertEquals(kind === "unreadable", want[missing] === "unreadable");
      assertThrows(() => guest.memory.bytes(address, length), GuestMemoryError);
    }
    const there = missing < 0 ? want.length : missing;
    const some = new Uint8Array(length);
    assertEquals(guest.memory.copySome(address, some), there);
    assertEquals([...some.subarray(0, there)], want.slice(0, there));
    const status = guest.memory.status(address, BigInt(length));
    const all = length > 0 ? !want.includes("hole") : guest.cell(address) !== "hole";
    const inside = address + BigInt(length) <= ADDRESS_LIMIT;
    assertEquals(status === "ok", all && inside && (length > 0 || address < ADDRESS_LIMIT));
    if (status === "hole") {
      assert(address < guest.end && address + BigInt(length || 1) > guest.start);
    }
  }));
});

Deno.test("write writes all of it, or nothing where it may not", () => {
  fc.assert(fc.property(guest, asked, (guest, { before, length }) => {
    const address = startOf(guest, before);
    const was = cellsThere(guest, guest.start, Number(guest.end - guest.start));
    const source = Uint8Array.from({ length }, (_, n) => (n * 5 + 3) & 0xff);
    const places = Array.from({ length }, (_, n) => address + BigInt(n));
    const inside = address + BigInt(length) <= ADDRESS_LIMIT;
    const allowed = inside && places.every((at) => guest.writable(at));
    const readable = places.every((at) => guest.cell(at) !== "unreadable");
    if (allowed && readable) {
      guest.memory.write(address, source);
      assertEquals(cellsThere(guest, address, length), [...source]);
      return;
    }
    assertThrows(() => guest.memory.write(address, source), GuestMemoryError);
    if (!allowed) {
      assertEquals(cellsThere(guest, guest.start, Number(guest.end - guest.start)), was);
    }
  }));
});

Deno.test("a write up to 2^64 writes all, and one past it nothing", () => {
  const guest = build([{ gap: 0, length: 32, offset: 0, bad: [], access: "rw" }], "end");
  const last = ADDRESS_LIMIT - 4n;
  guest.memory.write(last, new Uint8Array(4).fill(0x5a));
  assertEquals(cellsThere(guest, last, 4), [0x5a, 0x5a, 0x5a, 0x5a]);
  assertEquals([guest.memory.status(last, 4n), guest.memory.status(last, 5n)], ["ok", "outside"]);
  const error = assertThrows(() => guest.memory.write(last, new Uint8Array(8).fill(0xa5)));
  assertEquals((error as GuestMemoryError).kind, "overflow");
  assert(!cellsThere(guest, last, 4).includes(0xa5));
});

Deno.test("a write across three regions puts each part where it belongs", () => {
  const plans = [5, 7, 9].map((length): Plan => ({
    ...{ gap: 0, length, offset: 3, bad: [], access: "rw" },
  }));
  const guest = build(plans, 0n);
  const source = Uint8Array.from({ length: 19 }, (_, n) => 100 + n);
  guest.memory.write(1n, source);
  assertEquals(cellsThere(guest, 1n, 19), [...source]);
});

Deno.test("one page that can not be read hides no other, whatever the chunk", () => {
  //  pages  [ok][bad][ok][ok]
  const guest = build([{ gap: 0, length: 64, offset: 0, bad: [1], access: "ro" }], 0n);
  const states = [...guest.memory.read(0n, 64n)].map((
    { state, length },
  ) => [state, Number(length)]);
  assertEquals(states, [["bytes", 16], ["unreadable", 16], ["bytes", 32]]);
});

Deno.test("pages that can not be read come as one span", () => {
  const guest = build([{ gap: 0, length: 64, offset: 4, bad: [1, 2], access: "ro" }], 0n);
  const states = [...guest.memory.read(0n, 64n)].map((
    { state, length },
  ) => [state, Number(length)]);
  assertEquals(states, [["bytes", 12], ["unreadable", 32], ["bytes", 20]]);
});

Deno.test("… but not where they can not be read for different reasons", () => {
  const failing = (errno: string): Backing => ({
    length: 16,
    label: errno,
    pageSize: PAGE,
    copy: () => ({ length: 0, errno }),
    live: () => null,
    nextData: () => null,
  });
  const regions = ["EIO", "EIO", "EFAULT"].map((errno, n): Region => ({
    guest: guestAddress(16 * n),
    length: 16n,
    backing: failing(errno),
    offset: 0,
    access: "ro",
    name: errno,
    user: null,
  }));
  const spans = [...new GuestMemory(new RegionTable(regions)).read(0n, 48n)];
  assertEquals(spans.map((span) => [span.length, span.state === "unreadable" && span.errno]), [
    [32n, "EIO"],
    [16n, "EFAULT"],
  ]);
});

Deno.test("a chunk of nothing would read for ever: it is the caller's mistake", () => {
  const guest = build([{ gap: 0, length: 32, offset: 0, bad: [], access: "ro" }], 0n);
  for (const chunk of [0, -1, 0.5, NaN]) {
    assertThrows(() => guest.memory.read(0n, 8n, chunk).next(), RangeError);
  }
});

Deno.test("memory that may only be read has no way to write", () => {
  const guest = build([{ gap: 0, length: 32, offset: 0, bad: [], access: "rw" }], 0n);
  const narrowed = new WritableGuestMemory(guest.memory.table.narrow("ro"));
  assertThrows(() => narrowed.write(0n, new Uint8Array(1)), GuestMemoryError, "read-only");
  assert(!("write" in new GuestMemory(guest.memory.table)));
});

Deno.test("a backing of a terabyte is read at any offset, in place and by copies", () => {
  const TERA = 2 ** 40;
  const backing = {
    length: TERA,
    label: "sparse",
    pageSize: 4096,
    copy(offset: number, target: Uint8Array) {
      target.forEach((_, n) => target[n] = Number(BigInt(offset + n) >> 32n) & 0xff);
      return { length: target.length, errno: null };
    },
    live: () => null,
    nextData: (offset: number) => ({ start: offset, end: TERA }),
  };
  const region: Region = {
    guest: guestAddress(1n << 40n),
    length: BigInt(TERA),
    backing,
    offset: 0,
    access: "ro",
    name: "tera",
    user: null,
  };
  const memory = new GuestMemory(new RegionTable([region]));
  const at = (1n << 40n) + (200n << 32n);
  assertEquals([...memory.bytes(at - 1n, 2)], [199, 200]);
  assertEquals(memory.status(at, BigInt(TERA)), "outside");
});
