// If a guarded path touched memory that is gone, SIGBUS would end this whole process: that these
// tests come to their end is part of what they check.
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  F_SEAL_SHRINK,
  MAP_SHARED,
  MFD_HUGE_2MB,
  MFD_HUGETLB,
  O_CREAT,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PROT_READ,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { FileBacking } from "../../ffi/file_backing.ts";
import { Mapping } from "../../ffi/mapping.ts";
import { sealedMemfd } from "../../ffi/memfd.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { errnoFrom, holdings, looseMemfd, pattern, sys, uniqueName } from "../support/host.ts";

const PAGE = sys.pageSize;
const MIB = 1024 * 1024;

const map = (fd: Fd | number, length: number, more: object = {}) =>
  Mapping.open({ sys, fd, length, label: "test", ...more });

const blocks = (fd: Fd) => sys.fstat(fd.number).blocks;

Deno.test("copies see what is written, within and past the end", () => {
  using fd = looseMemfd(4 * PAGE);
  const bytes = pattern(4 * PAGE);
  sys.pwrite(fd.number, bytes, 0);
  using loose = map(fd.number, 4 * PAGE);
  sys.addSeals(fd.number, F_SEAL_SHRINK);
  using sealed = map(fd.number, 4 * PAGE);
  for (const mapping of [loose, sealed]) {
    for (const [offset, length] of [[0, 1], [3, 16], [PAGE - 5, 33], [7, 3 * PAGE]]) {
      const target = new Uint8Array(length);
      assertEquals(mapping.copy(offset, target), { length, errno: null });
      assertEquals(target, bytes.subarray(offset, offset + length));
    }
    const target = new Uint8Array(10);
    assertEquals(mapping.copy(4 * PAGE - 4, target), { length: 4, errno: "EFAULT" });
    assertEquals(target.subarray(0, 4), bytes.subarray(-4));
    for (const offset of [4 * PAGE, -1, 2 ** 52]) {
      assertEquals(mapping.copy(offset, target), { length: 0, errno: "EFAULT" });
    }
    assertEquals(mapping.copy(4 * PAGE, new Uint8Array(0)), { length: 0, errno: null });
  }
});

//   file    |■■■■|■■■■|■■■■|■■■■|     truncated to one page and a bit
//   mapping |■■■■|■...|xxxx|xxxx|     x: a load there is SIGBUS
Deno.test("a file truncated under the mapping gives short copies, and comes back when it grows", () => {
  using fd = looseMemfd(4 * PAGE);
  sys.pwrite(fd.number, pattern(4 * PAGE), 0);
  using mapping = map(fd.number, 4 * PAGE);
  sys.ftruncate(fd.number, PAGE + 100);
  const target = new Uint8Array(2 * PAGE);
  assertEquals(mapping.copy(0, target), { length: PAGE + 100, errno: "EFAULT" });
  assertEquals(mapping.copy(2 * PAGE, target), { length: 0, errno: "EFAULT" });
  assertEquals(mapping.live(0, 1), null);
  assertEquals(mapping.nextData(0), { start: 0, end: PAGE + 100 });
  const lost = { start: 2 * PAGE, end: 4 * PAGE };
  assertEquals(mapping.nextData(2 * PAGE), lost, "no hole: a copy says that it is gone");
  sys.ftruncate(fd.number, 3 * PAGE);
  assertEquals(mapping.nextData(2 * PAGE), { ...lost, start: 3 * PAGE }, "a hole, then nothing");
  sys.ftruncate(fd.number, 4 * PAGE);
  assertEquals(mapping.nextData(2 * PAGE), null, "a hole");
  sys.pwrite(fd.number, new Uint8Array([42]), 3 * PAGE);
  assertEquals(mapping.copy(3 * PAGE, target.subarray(0, 1)), { length: 1, errno: null });
  assertEquals(target[0], 42);
});

Deno.test("a mapping adopted by its address survives the same truncation", () => {
  using fd = looseMemfd(4 * PAGE);
  const bytes = pattern(4 * PAGE);
  sys.pwrite(fd.number, bytes, 0);
  const address = sys.mmap(4 * PAGE, PROT_READ, MAP_SHARED, fd.number, 0);
  using mapping = Mapping.adopt({ sys, address, length: 4 * PAGE, label: "adopted" });
  sys.ftruncate(fd.number, PAGE);
  const target = new Uint8Array(2 * PAGE);
  assertEquals(mapping.copy(PAGE - 8, target), { length: 8, errno: "EFAULT" });
  assertEquals(target.subarray(0, 8), bytes.subarray(PAGE - 8, PAGE));
  assertEquals(mapping.copy(PAGE, target), { length: 0, errno: "EFAULT" });
});

Deno.test("guarded copies of many chunks are whole in both directions", () => {
  const length = MIB + 12_345;
  using fd = looseMemfd(2 * MIB);
  using writable = map(fd.number, 2 * MIB, { writable: true });
  const bytes = pattern(length);
  assertEquals(writable.store(100, bytes), { length, errno: null });
  const address = sys.mmap(2 * MIB, PROT_READ, MAP_SHARED, fd.number, 0);
  using adopted = Mapping.adopt({ sys, address, length: 2 * MIB, label: "adopted" });
  const target = new Uint8Array(length);
  assertEquals(adopted.copy(100, target), { length, errno: null });
  assertEquals(target, bytes);
});

Deno.test("a store into a truncated file is short and does not make it grow", () => {
  using fd = looseMemfd(4 * PAGE);
  using mapping = map(fd.number, 4 * PAGE, { writable: true });
  assertEquals(mapping.liveWritable(), null);
  sys.ftruncate(fd.number, PAGE);
  assertEquals(mapping.store(PAGE - 4, new Uint8Array(8)), { length: 4, errno: "EFAULT" });
  assertEquals(mapping.store(2 * PAGE, new Uint8Array(8)), { length: 0, errno: "EFAULT" });
  assertEquals(sys.fstat(fd.number).size, PAGE);
});

Deno.test("a sealed memfd is live where it holds data, and shows writes of others", () => {
  using fd = sealedMemfd(sys, "ram", 4 * PAGE);
  sys.pwrite(fd.number, pattern(PAGE), PAGE);
  using mapping = map(fd.number, 4 * PAGE);
  const buffer = mapping.live(PAGE + 10, 100);
  assertNotEquals(buffer, null);
  assertEquals(buffer!.byteLength, 4 * PAGE);
  sys.pwrite(fd.number, new Uint8Array([99]), PAGE + 10);
  assertEquals(new Uint8Array(buffer!)[PAGE + 10], 99);
  assertEquals(mapping.live(PAGE, PAGE), buffer);
  assertEquals(mapping.live(PAGE, PAGE + 1), null, "reaches into a hole");
  assertEquals(mapping.live(PAGE - 1, 2), null, "begins in a hole");
  assertEquals(mapping.live(3 * PAGE, PAGE + 1), null, "past the end");
  assertEquals(mapping.live(-1, 1), null);
});

//  pages  |0 ■|1 .|2 .|3 ■| … |255 .|     ■ data  . hole
Deno.test("nothing that reads populates a hole", () => {
  using fd = sealedMemfd(sys, "sparse", MIB);
  sys.pwrite(fd.number, new Uint8Array([1]), 0);
  sys.pwrite(fd.number, new Uint8Array([1]), 3 * PAGE);
  const before = blocks(fd);
  assertEquals(before, 2 * PAGE / 512);
  using sealed = map(fd.number, MIB);
  using readOnly = new FileBacking({ sys, fd: fd.number, length: MIB, label: "file" });
  for (const backing of [sealed, readOnly]) {
    assertEquals(backing.copy(0, new Uint8Array(MIB)).errno, null);
    for (let offset = 0; offset < MIB; offset += PAGE) {
      assertEquals(backing.copy(offset + 8, new Uint8Array(16)).errno, null);
      backing.live(offset, 16);
      backing.live(offset, MIB - offset);
    }
  }
  assertEquals(blocks(fd), before);
});

Deno.test("a hole becomes live when the guest writes it", () => {
  using fd = sealedMemfd(sys, "ram", 4 * PAGE);
  using mapping = map(fd.number, 4 * PAGE);
  assertEquals(mapping.live(0, 8), null);
  sys.pwrite(fd.number, new Uint8Array([5]), 0);
  assertEquals(new Uint8Array(mapping.live(0, 8)!)[0], 5);
});

Deno.test("large ranges are live only where the whole extent holds data", () => {
  using fd = sealedMemfd(sys, "ram", 2 * MIB);
  sys.pwrite(fd.number, new Uint8Array(MIB), 0);
  using mapping = map(fd.number, 2 * MIB);
  assertNotEquals(mapping.live(0, MIB), null);
  assertNotEquals(mapping.live(100, MIB - 100), null);
  assertEquals(mapping.live(0, MIB + 1), null);
  assertEquals(mapping.live(MIB + PAGE, MIB / 2), null);
});

Deno.test("nextData walks the extents, cut at the mapping's ends", () => {
  using fd = sealedMemfd(sys, "sparse", 16 * PAGE);
  for (const page of [2, 3, 7]) sys.pwrite(fd.number, new Uint8Array([1]), page * PAGE);
  using whole = map(fd.number, 16 * PAGE);
  assertEquals(whole.nextData(0), { start: 2 * PAGE, end: 4 * PAGE });
  assertEquals(whole.nextData(2 * PAGE + 5), { start: 2 * PAGE + 5, end: 4 * PAGE });
  assertEquals(whole.nextData(4 * PAGE), { start: 7 * PAGE, end: 8 * PAGE });
  assertEquals(whole.nextData(8 * PAGE), null);
  assertEquals(whole.nextData(16 * PAGE), null);
  using part = map(fd.number, 3 * PAGE, { offset: PAGE });
  assertEquals(part.nextData(0), { start: PAGE, end: 3 * PAGE });
  using before = map(fd.number, 2 * PAGE);
  assertEquals(before.nextData(0), null, "the data begins where it ends");
  using cut = map(fd.number, 2 * PAGE, { offset: PAGE });
  assertEquals(cut.nextData(0), { start: PAGE, end: 2 * PAGE });
});

Deno.test("an offset into the file is an offset into the mapping", () => {
  using fd = looseMemfd(4 * PAGE);
  const bytes = pattern(4 * PAGE);
  sys.pwrite(fd.number, bytes, 0);
  using loose = map(fd.number, 2 * PAGE, { offset: PAGE, writable: true });
  sys.addSeals(fd.number, F_SEAL_SHRINK);
  using sealed = map(fd.number, 2 * PAGE, { offset: PAGE });
  const target = new Uint8Array(8);
  for (const mapping of [loose, sealed]) {
    mapping.copy(4, target);
    assertEquals(target, bytes.subarray(PAGE + 4, PAGE + 12));
  }
  loose.store(4, new Uint8Array(8).fill(9));
  assertEquals(sys.pread(fd.number, target, PAGE + 4), 8);
  assertEquals(target, new Uint8Array(8).fill(9));
});

Deno.test("a writable sealed mapping is written in place", () => {
  using fd = sealedMemfd(sys, "ram", 2 * PAGE);
  using mapping = map(fd.number, 2 * PAGE, { writable: true });
  new Uint8Array(mapping.liveWritable()!)[5] = 6;
  assertEquals(mapping.store(2 * PAGE - 2, pattern(4)), { length: 2, errno: "EFAULT" });
  const target = new Uint8Array(1);
  sys.pread(fd.number, target, 5);
  assertEquals(target[0], 6);
  sys.pread(fd.number, target, 2 * PAGE - 1);
  assertEquals(target[0], pattern(2)[1]);
});

Deno.test("use after close throws, and views left over are empty instead of a crash", () => {
  using fd = sealedMemfd(sys, "ram", PAGE);
  sys.pwrite(fd.number, pattern(PAGE), 0);
  const mapping = map(fd.number, PAGE);
  const bytes = new Uint8Array(mapping.live(0, 8)!);
  const view = new DataView(mapping.live(0, 8)!);
  assertEquals(bytes[0], pattern(1)[0]);
  mapping.close();
  mapping.close();
  assertEquals([mapping.closed, bytes.length, bytes[0]], [true, 0, undefined]);
  assertThrows(() => view.getUint8(0), TypeError);
  assertThrows(() => mapping.copy(0, new Uint8Array(1)), Error, "mapping of test is closed");
  assertThrows(() => mapping.live(0, 1), Error, "closed");
  assertThrows(() => mapping.nextData(0), Error, "closed");
});

Deno.test("what can not be mapped fails by name and leaves nothing open", () => {
  const name = uniqueName();
  const directory = Deno.makeTempDirSync({ prefix: name });
  try {
    using fd = looseMemfd(PAGE, name);
    using unmappable = new Fd(sys, sys.open(directory, 0));
    const before = holdings(name);
    assertEquals(before, { fds: 2, maps: 0 });
    assertEquals(errnoFrom(() => map(unmappable.number, PAGE)), "ENODEV");
    assertThrows(() => map(fd.number, PAGE, { offset: 100 }), RangeError, "multiple");
    assertEquals(errnoFrom(() => map(fd.number, 2 ** 50)), "ENOMEM");
    assertEquals(errnoFrom(() => map(99_999, PAGE)), "EBADF");
    assertEquals(holdings(name), before);
  } finally {
    Deno.removeSync(directory);
  }
});

Deno.test("a read-only fd can not become a writable mapping", () => {
  const path = Deno.makeTempFileSync({ dir: "/dev/shm", prefix: "guestmem-" });
  try {
    Deno.truncateSync(path, PAGE);
    using readOnly = new Fd(sys, sys.open(path, 0));
    using mapping = map(readOnly.number, PAGE);
    assertEquals(mapping.writable, false);
    using both = new Fd(sys, sys.open(path, O_RDWR));
    using writable = map(both.number, PAGE, { writable: true });
    assertEquals(writable.store(0, new Uint8Array([7])).length, 1);
    const target = new Uint8Array(1);
    assertEquals(mapping.copy(0, target).length, 1);
    assertEquals(target[0], 7);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("our seeks do not move the offset of a description that another process shares", () => {
  using fd = looseMemfd(8 * PAGE);
  sys.pwrite(fd.number, new Uint8Array([1]), 4 * PAGE);
  sys.lseek(fd.number, 123, 0);
  using mapping = map(fd.number, 8 * PAGE);
  assertEquals(mapping.nextData(0)?.start, 4 * PAGE);
  assertEquals(sys.lseek(fd.number, 0, 1), 123);
});

//   fstat: 4 pages ──► its owner cuts it to one, and seals that ──► seals: it can not shrink
Deno.test("a file that is cut and sealed while it is opened is not read in place past its end", () => {
  using fd = looseMemfd(4 * PAGE);
  sys.pwrite(fd.number, pattern(PAGE), 0);
  const seals = (number: number) => {
    if (sys.seals(fd.number) === 0) {
      sys.ftruncate(fd.number, PAGE);
      sys.addSeals(fd.number, F_SEAL_SHRINK);
    }
    return sys.seals(number);
  };
  const { sys: racing } = fakeSys({ real: sys, script: { seals } });
  const options = { sys: racing, fd: fd.number, length: 4 * PAGE, label: "cut", writable: true };
  using mapping = Mapping.open(options);
  assertEquals([mapping.live(0, 1), mapping.liveWritable()], [null, null]);
  assertEquals(mapping.copy(2 * PAGE, new Uint8Array(8)), { length: 0, errno: "EFAULT" });
  assertEquals(mapping.store(2 * PAGE, new Uint8Array(8)), { length: 0, errno: "EFAULT" });
});

Deno.test("an fd is worth no more than the rights it was opened with", () => {
  const path = `/dev/shm/${uniqueName()}`;
  using undo = new DisposableStack();
  using file = new Fd(sys, sys.open(path, O_RDWR | O_CREAT, 0o600));
  undo.defer(() => sys.unlink(path));
  sys.ftruncate(file.number, PAGE);
  const open = (flags: number) => undo.use(new Fd(sys, sys.open(path, flags)));
  const refused: [flags: number, writable: boolean, errno: string][] = [
    [O_PATH, false, "EBADF"],
    [O_PATH, true, "EBADF"],
    [O_RDONLY, true, "EACCES"],
    [O_WRONLY, false, "EACCES"],
  ];
  for (const [flags, writable, errno] of refused) {
    const fd = open(flags);
    assertEquals(errnoFrom(() => map(fd.number, PAGE, { writable })), errno, `flags ${flags}`);
    assertEquals(
      errnoFrom(() => map(fd, PAGE, { writable })),
      errno,
      `flags ${flags}, handed over`,
    );
  }
  map(open(O_RDONLY), PAGE).close();
  map(open(O_RDWR), PAGE, { writable: true }).close();
  using backing = new FileBacking({ sys, fd: open(O_PATH), length: PAGE, label: "name only" });
  assertEquals(backing.copy(0, new Uint8Array(8)), { length: 0, errno: "EBADF" });
});

Deno.test("hugetlb memory with an empty pool is mapped and read without a fault", () => {
  const name = "huge";
  const huge = 2 * MIB;
  using fd = new Fd(sys, sys.memfd(name, MFD_HUGETLB | MFD_HUGE_2MB));
  sys.ftruncate(fd.number, 2 * huge);
  using mapping = map(fd.number, huge + 5);
  assertEquals(mapping.pageSize, huge);
  assertEquals(mapping.live(0, 8), null);
  const target = new Uint8Array(64).fill(1);
  assertEquals(mapping.copy(huge, target), { length: 5, errno: "EFAULT" });
  assertEquals(mapping.copy(0, target), { length: 64, errno: null });
  assertEquals(target, new Uint8Array(64));
});

Deno.test("1,000 mappings opened and closed leave no fd and no mapping behind", () => {
  const name = uniqueName();
  using fd = sealedMemfd(sys, name, MIB);
  sys.pwrite(fd.number, pattern(PAGE), 0);
  for (let round = 0; round < 1000; round++) {
    using mapping = map(round % 2 ? fd.number : new Fd(sys, sys.dup(fd.number)), MIB);
    mapping.live(0, 16);
    mapping.copy(PAGE, new Uint8Array(16));
    if (round === 500) assertEquals(holdings(name), { fds: 2, maps: 1 });
  }
  assertEquals(holdings(name), { fds: 1, maps: 0 });
});

Deno.test("a file backing reads at any offset, short at the file's end", () => {
  using fd = looseMemfd(1000);
  const bytes = pattern(1000);
  sys.pwrite(fd.number, bytes, 0);
  using backing = new FileBacking({
    sys,
    fd: fd.number,
    offset: 0x3d,
    length: 2000,
    label: "dump",
  });
  const target = new Uint8Array(1000);
  assertEquals(backing.copy(7, target), { length: 1000 - 0x3d - 7, errno: "EFAULT" });
  assertEquals(target.subarray(0, 900), bytes.subarray(0x3d + 7, 0x3d + 907));
  assertEquals(backing.copy(1500, target), { length: 0, errno: "EFAULT" });
  assertEquals(backing.nextData(0), { start: 0, end: 1000 - 0x3d });
  assertEquals(backing.live(0, 1), null);
  backing.close();
  assertThrows(() => backing.copy(0, target), Error, "closed");
});
