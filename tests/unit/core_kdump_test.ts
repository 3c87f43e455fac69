/** kdump-compressed dumps and the flattened form: well-formed, cut short, broken. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { zstdCompressSync } from "node:zlib";
import { isFlattened, unflatten } from "../../lib/core/flattened.ts";
import { KdumpBacking } from "../../lib/core/kdump.ts";
import { isKdump, parseKdumpHeader } from "../../lib/core/kdump_header.ts";
import { unpackLzo1x } from "../../lib/core/lzo1x.ts";
import { unpackSnappy } from "../../lib/core/snappy.ts";
import { ProtocolError } from "../../lib/errors.ts";
import {
  cut,
  flattened,
  kdump,
  type KdumpPage,
  PAGE,
  page,
  readerOf,
} from "../support/core_files.ts";
import { PACKED, plainPage } from "../fixtures/packed_page.ts";

const ZEROS = new Uint8Array(PAGE);
/** Pages 0 to 2, 5, 8 to 23, 40: runs within, across and as long as bytes of the bitmap. */
const NUMBERS = [0, 1, 2, 5, ...Array.from({ length: 16 }, (_, n) => 8 + n), 40];
const PAGES: KdumpPage[] = NUMBERS.map((number) => ({
  number,
  bytes: number % 4 === 1 ? ZEROS : page(number),
  stored: number % 5 === 0 ? "plain" : "zlib",
}));
const FILE = kdump(PAGES, 48);

function open(file: Uint8Array): KdumpBacking {
  return new KdumpBacking(readerOf(file));
}

/** What copying a page gives: its bytes, or the errno. */
function read(backing: KdumpBacking, number: number): Uint8Array | string {
  const target = new Uint8Array(PAGE);
  const { length, errno } = backing.copy(number * PAGE, target);
  return length === PAGE ? target : `${errno}`;
}

Deno.test("kdump: every page of it, and none that is not in it", () => {
  assert(isKdump(readerOf(FILE)) && !isFlattened(readerOf(FILE)));
  const backing = open(FILE);
  assertEquals([backing.length, backing.pageSize], [48 * PAGE, PAGE]);
  for (let number = 0; number < 48; number++) {
    const there = PAGES.find((one) => one.number === number);
    assertEquals(read(backing, number), there?.bytes ?? "ENODATA", `page ${number}`);
  }
  assertEquals(backing.copy(48 * PAGE, new Uint8Array(1)), { length: 0, errno: "EFAULT" });
  assertEquals(backing.live(), null);
});

Deno.test("kdump: a copy crosses pages and stops at the first that is missing", () => {
  const backing = open(FILE);
  const target = new Uint8Array(3 * PAGE);
  assertEquals(backing.copy(PAGE + 100, target), { length: 2 * PAGE - 100, errno: "ENODATA" });
  assertEquals(target.subarray(0, PAGE - 100), ZEROS.subarray(100));
  assertEquals(target.subarray(PAGE - 100, 2 * PAGE - 100), page(2));
});

Deno.test("kdump: a page that was left out is memory that can not be read, and no hole", () => {
  const backing = open(kdump(PAGES, 48, [3, 4, 30]));
  assertEquals(backing.runs(10), [
    { first: 0, end: 6 },
    { first: 8, end: 24 },
    { first: 30, end: 31 },
    { first: 40, end: 41 },
  ]);
  assertEquals([3, 5, 30].map((number) => read(backing, number)), ["ENODATA", ZEROS, "ENODATA"]);
  assertEquals(backing.pages, { all: NUMBERS.length + 3, leftOut: 3 });
  assertEquals(backing.nextData(25 * PAGE), { start: 30 * PAGE, end: 31 * PAGE });
});

Deno.test("kdump: runs of pages are where data is", () => {
  const backing = open(FILE);
  assertEquals(backing.runs(10), [
    { first: 0, end: 3 },
    { first: 5, end: 6 },
    { first: 8, end: 24 },
    { first: 40, end: 41 },
  ]);
  assertEquals(backing.runs(2).length, 2);
  assertEquals(backing.nextData(PAGE + 5), { start: PAGE + 5, end: 3 * PAGE });
  assertEquals(backing.nextData(41 * PAGE), null);
});

Deno.test("kdump: the same in flattened form, whatever the order of blocks", () => {
  const flat = readerOf(flattened(cut(FILE, 1000)));
  assert(isFlattened(flat) && !isKdump(flat));
  const reader = unflatten(flat);
  assert(isKdump(reader));
  const backing = new KdumpBacking(reader);
  for (const { number, bytes } of PAGES) assertEquals(read(backing, number), bytes);
});

Deno.test("flattened: what is written again counts as it was written last", () => {
  const whole = { offset: 0, bytes: new Uint8Array(100).fill(1) };
  const middle = { offset: 40, bytes: new Uint8Array(20).fill(2) };
  const all = (blocks: Parameters<typeof flattened>[0]) => {
    const reader = unflatten(readerOf(flattened(blocks)));
    const bytes = new Uint8Array(reader.size);
    assertEquals(reader.readInto(0, bytes), bytes.length);
    return bytes;
  };
  const corrected = new Uint8Array(100).fill(1).fill(2, 40, 60);
  assertEquals(all([whole, middle]), corrected);
  assertEquals(all([middle, whole]), whole.bytes);
  const head = { offset: 30, bytes: new Uint8Array(20).fill(3) };
  assertEquals(all([whole, middle, head]), corrected.fill(3, 30, 50));
  const many = Array.from({ length: 1200 }, () => whole);
  assertThrows(() => unflatten(readerOf(flattened(many))), ProtocolError, "1024 blocks");
});

Deno.test("flattened: cut short anywhere it gives what is there", () => {
  const file = flattened([{ offset: 0, bytes: page(1) }, { offset: PAGE, bytes: page(2) }]);
  const both = new Uint8Array([...page(1), ...page(2)]);
  for (let length = 4096; length < file.length; length += 13) {
    const reader = unflatten(readerOf(file.subarray(0, length)));
    const target = new Uint8Array(2 * PAGE);
    const got = reader.readInto(0, target);
    const stored = Math.max(0, length - 4096 - 16);
    const wanted = stored <= PAGE ? stored : Math.max(PAGE, Math.min(stored - 16, 2 * PAGE));
    assertEquals(got, wanted, `cut at ${length}`);
    assertEquals(target.subarray(0, got), both.subarray(0, got));
  }
});

Deno.test("flattened: blocks that lie", () => {
  const block = { offset: 0, bytes: page(1) };
  for (const size of [0n, -5n, 1n << 62n]) {
    const file = flattened([{ ...block, size }]);
    assertThrows(() => unflatten(readerOf(file)), ProtocolError, "kdump");
  }
  const before = flattened([{ ...block, offset: -1 }]);
  assertThrows(() => unflatten(readerOf(before)), ProtocolError, "-1 and 4096");
});

Deno.test("kdump: a broken block is EIO for its page alone", () => {
  const stored = ["broken", "far", "two"] as const;
  const pages = PAGES.map((one) => ({ ...one, stored: stored[one.number] ?? one.stored }));
  const backing = open(kdump(pages, 48));
  for (const { number, bytes } of PAGES) {
    const wanted = ["EIO", "EIO", "EOPNOTSUPP"][number] ?? bytes;
    assertEquals(read(backing, number), wanted, `page ${number}`);
  }
});

Deno.test("kdump: no room is made for a block that is larger than a packed page can be", () => {
  const file = FILE.slice();
  const { descriptors } = parseKdumpHeader(readerOf(file));
  new DataView(file.buffer).setUint32(descriptors + 8, 0xffff_ffff, true);
  const reader = readerOf(file);
  const backing = new KdumpBacking(reader);
  reader.reads.length = 0;
  assertEquals(read(backing, 0), "EIO");
  assertEquals(read(backing, 1), PAGES[1].bytes);
  assert(Math.max(...reader.reads) <= 1024 * 24, `${reader.reads}`);
});

/** A page in every form that packers have, by the libraries that they use. */
const FORMS: readonly KdumpPage[] = [
  { number: 0, bytes: plainPage(), stored: "lzo", packed: Uint8Array.fromBase64(PACKED.lzo) },
  { number: 1, bytes: plainPage(), stored: "lzo", packed: Uint8Array.fromBase64(PACKED.lzo999) },
  { number: 2, bytes: plainPage(), stored: "snappy", packed: Uint8Array.fromBase64(PACKED.snappy) },
  { number: 3, bytes: plainPage(), stored: "zstd" },
  { number: 4, bytes: plainPage() },
];

Deno.test("kdump: pages packed by LZO, snappy and zstd", () => {
  const backing = open(kdump(FORMS, 8));
  for (const { number, bytes, stored } of FORMS) assertEquals(read(backing, number), bytes, stored);
});

Deno.test("kdump: a sound stream that ends before the page does is none of it", () => {
  // Four literals, and the end.
  const lzo = Uint8Array.of(17 + 4, 1, 2, 3, 4, 0x11, 0, 0);
  assertEquals([4, 5].map((size) => unpackLzo1x(lzo, new Uint8Array(size))), [true, false]);
  // The length of the whole, and four literals.
  const snappy = (length: number) => Uint8Array.of(length, 3 << 2, 1, 2, 3, 4);
  assertEquals([3, 4, 5].map((length) => unpackSnappy(snappy(length), new Uint8Array(4))), [
    false,
    true,
    false,
  ]);
  assertEquals(unpackSnappy(snappy(5), new Uint8Array(5)), false);
  // One literal, and four bytes from so far before.
  const back = (distance: number) => Uint8Array.of(5, 0, 7, 1, distance);
  const from = (distance: number) => unpackSnappy(back(distance), new Uint8Array(5));
  assertEquals([0, 1, 2, 255].map(from), [false, true, false, false]);
});

Deno.test("kdump: a packed page with any byte changed or missing is EIO, or a page", () => {
  const packed = FORMS.slice(0, 3).map((one) => ({ ...one, packed: one.packed as Uint8Array }));
  const zstd = new Uint8Array(zstdCompressSync(plainPage()));
  for (const { stored, packed: whole } of [...packed, { stored: "zstd" as const, packed: zstd }]) {
    let broken = 0;
    for (let at = 0; at < whole.length; at += 3) {
      const turned = whole.map((byte, n) => n === at ? byte ^ 0xff : byte);
      for (const bytes of [turned, whole.subarray(0, at)]) {
        const file = kdump([{ number: 0, bytes: plainPage(), stored, packed: bytes }], 8);
        const got = read(open(file), 0);
        if (got === "EIO") broken++;
        else assert(bytes === turned && got instanceof Uint8Array, `${stored} at ${at}: ${got}`);
      }
    }
    // Literals may change unseen; what was cut off is always missed, and never made up by zeros.
    assert(broken >= whole.length / 3, `${stored}: ${broken} of ${whole.length}`);
  }
});

Deno.test("kdump: a page that inflates to more or less than a page is EIO", () => {
  const pages = [
    { number: 0, bytes: new Uint8Array(100 * PAGE) },
    { number: 1, bytes: new Uint8Array(100) },
    { number: 2, bytes: new Uint8Array(100), stored: "plain" as const },
    { number: 3, bytes: page(3) },
  ];
  const backing = open(kdump(pages, 8));
  assertEquals([0, 1, 2].map((number) => read(backing, number)), ["EIO", "EIO", "EIO"]);
  assertEquals(read(backing, 3), page(3));
});

Deno.test("kdump: cut at every block: refused clearly, or pages end in EIO", () => {
  const descriptors = 4 * PAGE;
  for (let length = 0; length < FILE.length; length += 97) {
    const part = FILE.subarray(0, length);
    if (length < descriptors) {
      if (length >= 8) assertThrows(() => open(part), ProtocolError, "kdump");
      continue;
    }
    const backing = open(part);
    let lost = 0;
    for (const { number, bytes } of PAGES) {
      const got = read(backing, number);
      if (got === "EIO") lost++;
      else assertEquals(got, bytes, `page ${number} of ${length} bytes`);
    }
    assert(lost > 0, `${length} bytes`);
  }
});

Deno.test("kdump: a header that lies", () => {
  const lie = (offset: number, value: number) => {
    const file = FILE.slice();
    new DataView(file.buffer).setUint32(offset, value, true);
    return assertThrows(() => open(file), ProtocolError).message;
  };
  assertEquals(lie(428, 5000).includes("block_size"), true);
  assertEquals(lie(428, 0).includes("block_size"), true);
  // An odd number of bitmap blocks, one that is too large, and none.
  for (const blocks of [3, 0xffff_fffe, 0]) {
    assertEquals(lie(436, blocks).includes("bitmap_blocks"), true, `${blocks}`);
  }
  assertEquals(lie(436, 20_000).includes("page bitmap"), true);
  assertEquals(lie(432, 0xffff_ffff).includes("bitmap_blocks"), true);
  assertEquals(lie(PAGE + 100, 0x8000_0000).includes("max_mapnr_64"), true);
});

Deno.test("kdump: the last page number is bounded by the bitmap", () => {
  const file = FILE.slice();
  new DataView(file.buffer).setBigUint64(PAGE + 96, 1n << 50n, true);
  const backing = open(file);
  assertEquals(backing.length, PAGE * 8 * PAGE);
  assertEquals(backing.runs(10).length, 4);
});
