import { assertEquals } from "@std/assert";
import { SEEK_DATA } from "../../ffi/constants.ts";
import { DataPages } from "../../ffi/data_pages.ts";
import { SyscallError } from "../../ffi/errno.ts";
import type { Sys } from "../../ffi/sys.ts";
import { type FakeSys, fakeSys } from "../support/fake_sys.ts";

const PAGE = 4096;

/** A file whose data pages are those in `data`; past the last, ENXIO. */
function sparse(data: Set<number>, more: Partial<Sys> = {}): FakeSys {
  const last = () => Math.max(...data);
  const lseek = (fd: number, offset: number, whence: number) => {
    let page = Math.floor(offset / PAGE);
    if (page > last()) throw new SyscallError("lseek", "ENXIO", fd);
    while (data.has(page) !== (whence === SEEK_DATA)) page++;
    return Math.max(offset, page * PAGE);
  };
  return fakeSys({ script: { pageSize: PAGE, lseek, ...more } });
}

//  file     |0 .|1 ■|2 ■|3 .|4 ■|      mapping begins at page 1
Deno.test("a range holds data where every page of it does", () => {
  const { sys } = sparse(new Set([1, 2, 4]));
  const pages = new DataPages(sys, 9, PAGE, 4 * PAGE);
  assertEquals(pages.hold(0, 2 * PAGE), true);
  assertEquals(pages.hold(PAGE - 1, 2), true);
  assertEquals(pages.hold(0, 2 * PAGE + 1), false);
  assertEquals(pages.hold(2 * PAGE, 1), false);
  assertEquals(pages.hold(3 * PAGE, PAGE), true);
  assertEquals(pages.hold(3 * PAGE, 0), true);
});

Deno.test("nothing outside the range is held, whatever the file has there", () => {
  const { sys } = sparse(new Set([0, 1, 2, 3]));
  const pages = new DataPages(sys, 9, PAGE, PAGE);
  assertEquals(pages.hold(0, PAGE), true);
  for (const [offset, length] of [[0, PAGE + 1], [PAGE, 1], [-1, 1], [-1, 2], [1, -1], [NaN, 1]]) {
    assertEquals(pages.hold(offset, length), false, `${offset}+${length}`);
  }
});

Deno.test("a page that shares a slot with another is asked for again", () => {
  const { sys, log } = sparse(new Set([0, 65536]));
  const pages = new DataPages(sys, 9, 0, 70000 * PAGE);
  const both = () => [pages.hold(0, 1), pages.hold(65536 * PAGE, 1)];
  assertEquals([...both(), ...both()], [true, true, true, true]);
  assertEquals(log.length, 4);
});

Deno.test("a page that was punched out is noticed about a second later", () => {
  const data = new Set([0, 1]);
  let clock = 0;
  const pages = new DataPages(sparse(data).sys, 9, 0, 2 * PAGE, () => clock);
  assertEquals(pages.hold(0, 16), true);
  data.delete(0);
  assertEquals(pages.hold(0, 16), true, "still remembered");
  clock = 1001;
  const answers = Array.from({ length: 64 }, () => pages.hold(0, 16));
  assertEquals(answers.at(-1), false);
});

Deno.test("a large range is asked for once, by its extent", () => {
  const { sys, log } = sparse(new Set(Array.from({ length: 100 }, (_, page) => page)));
  const pages = new DataPages(sys, 9, 0, 200 * PAGE);
  for (let round = 0; round < 5; round++) assertEquals(pages.hold(8, 99 * PAGE), true);
  assertEquals(log.length, 1);
  assertEquals(pages.hold(8, 100 * PAGE), false);
});

Deno.test("where page after page is asked for, the page table tells of those that are mapped", () => {
  const first = 0x100;
  const pread = (_fd: number, entries: Uint8Array, offset: number) => {
    for (let at = 0; at < entries.length; at += 8) {
      entries[at + 7] = ((offset + at) / 8 - first) % 2 === 0 ? 0x81 : 0;
    }
    return entries.length;
  };
  const all = new Set(Array.from({ length: 500 }, (_, page) => page));
  const { sys, names } = sparse(all, { open: () => 7, close: () => {}, pread });
  const address = BigInt(first * PAGE);
  const pages = new DataPages(sys, 9, 0, 500 * PAGE, () => 0, address);
  for (let page = 0; page < 500; page++) assertEquals(pages.hold(page * PAGE, 1), true);
  const count = (call: string) => names().filter((name) => name === call).length;
  // Eight by one, then every second of the rest.
  assertEquals([count("lseek"), count("open"), count("close")], [8 + 246, 1, 1]);
});

Deno.test("the page table is read once per window of 512 pages, after eight of it were asked for", () => {
  const pread = (_fd: number, entries: Uint8Array) => entries.fill(0xff).length;
  const all = new Set(Array.from({ length: 2000 }, (_, page) => page));
  const { sys, names } = sparse(all, { open: () => 7, close: () => {}, pread });
  const pages = new DataPages(sys, 9, 0, 2000 * PAGE, () => 0, 0x1000n);
  const opens = () => names().filter((name) => name === "open").length;
  for (let page = 0; page < 512; page++) pages.hold(page * PAGE, 1);
  assertEquals(opens(), 1);
  for (let page = 512; page < 519; page++) pages.hold(page * PAGE, 1);
  assertEquals(opens(), 1);
  for (let page = 519; page < 1024; page++) pages.hold(page * PAGE, 1);
  assertEquals([opens(), names().filter((name) => name === "lseek").length], [2, 16]);
});

Deno.test("without a page table each page is asked for", () => {
  const open = (path: string) => {
    throw new SyscallError("open", "EACCES", path);
  };
  const all = new Set(Array.from({ length: 100 }, (_, page) => page));
  const { sys, names } = sparse(all, { open });
  const pages = new DataPages(sys, 9, 0, 100 * PAGE, () => 0, 0x1000n);
  for (let page = 0; page < 100; page++) assertEquals(pages.hold(page * PAGE, 1), true);
  assertEquals(names().filter((name) => name === "lseek").length, 100);
});
