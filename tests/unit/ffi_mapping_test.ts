// Order of calls, and what is given back when one fails. Real memory is in tests/host.
import { assertEquals, assertThrows } from "@std/assert";
import {
  F_SEAL_SHRINK,
  HUGETLBFS_MAGIC,
  MAP_NORESERVE,
  MAP_SHARED,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PROC_SUPER_MAGIC,
  PROT_READ,
  S_IFCHR,
  S_IFREG,
  SEEK_DATA,
  SYSFS_MAGIC,
  TMPFS_MAGIC,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { Mapping } from "../../ffi/mapping.ts";
import type { FileStat, Sys } from "../../ffi/sys.ts";
import type { Backing, WritableBacking } from "../../lib/memory/backing.ts";
import { type Failure, type FakeSys, fakeSys } from "../support/fake_sys.ts";

const PAGE = 4096;
const LENGTH = 4 * PAGE;

interface World {
  readonly type?: number;
  readonly mode?: number;
  readonly seals?: number;
  readonly size?: number;
  readonly blockSize?: number;
  readonly flags?: number;
  readonly fail?: readonly Failure[];
}

/** A file at fd 9 that is opened anew as 10 or duplicated as 11, all of it data. */
function world(options: World = {}): FakeSys {
  const { type = TMPFS_MAGIC, mode = S_IFREG, seals = F_SEAL_SHRINK, size = LENGTH } = options;
  const stat = { size, mode, blockSize: options.blockSize ?? PAGE } as FileStat;
  const script: Partial<Sys> = {
    pageSize: PAGE,
    open: () => 10,
    dup: () => 11,
    close: () => {},
    fstat: () => stat,
    fileSystemType: () => type,
    seals: () => seals,
    openFlags: () => options.flags ?? O_RDWR,
    mmap: () => 0x7000n,
    munmap: () => {},
    view: (_, length) => new ArrayBuffer(length),
    lseek: (_, offset, whence) => whence === SEEK_DATA ? offset : size,
    pread: (_, target) => target.fill(7).length,
    copyOut: (_, target) => ({ length: target.fill(8).length, errno: null }),
    copyIn: (_, source) => ({ length: source.length, errno: null }),
  };
  return fakeSys({ script, fail: options.fail });
}

const open = (fake: FakeSys, more: object = {}) =>
  Mapping.open({ sys: fake.sys, fd: 9, length: LENGTH, label: "ram", ...more });

const closed = (fake: FakeSys) =>
  fake.log.filter(({ call }) => call === "close").map(({ args }) => args[0]);

Deno.test("a mapping is a backing to lib", () => {
  const fake = world();
  using mapping = open(fake);
  const backing: Backing = mapping;
  const writable: WritableBacking = mapping;
  assertEquals([backing.length, backing.label, writable.pageSize], [LENGTH, "ram", PAGE]);
});

Deno.test("a borrowed fd is opened anew, read-only, and not closed", () => {
  const fake = world();
  open(fake).close();
  assertEquals(fake.log.find(({ call }) => call === "open")?.args, [
    "/proc/self/fd/9",
    O_RDONLY,
  ]);
  assertEquals(fake.log.find(({ call }) => call === "mmap")?.args, [
    LENGTH,
    PROT_READ,
    MAP_SHARED,
    10,
    0,
  ]);
  assertEquals(closed(fake), [10]);
});

Deno.test("where opening anew is forbidden, the fd is duplicated", () => {
  const fake = world({ fail: [{ call: "open", errno: "EACCES" }] });
  open(fake).close();
  assertEquals(closed(fake), [11]);
});

Deno.test("an fd without the rights that are wanted is not opened anew with ours", () => {
  for (const [flags, writable] of [[O_PATH, false], [O_RDONLY, true], [O_WRONLY, false]] as const) {
    const fake = world({ flags });
    open(fake, { writable }).close();
    assertEquals(fake.names().includes("open"), false);
    assertEquals(fake.log.find(({ call }) => call === "mmap")?.args[3], 11, "its duplicate");
  }
});

Deno.test("an fd that was handed over is closed with the mapping, or when mapping fails", () => {
  const fake = world();
  open(fake, { fd: new Fd(fake.sys, 9) }).close();
  assertEquals(closed(fake).toSorted(), [10, 9]);
  for (const call of ["fstat", "mmap", "fileSystemType", "seals", "view"] as const) {
    const failing = world({ fail: [{ call, errno: "ENOMEM", nth: call === "fstat" ? 2 : 1 }] });
    assertThrows(() => open(failing, { fd: new Fd(failing.sys, 9) }), Error, "ENOMEM");
    assertEquals(closed(failing).toSorted(), [10, 9], call);
    assertEquals(failing.names().includes("munmap"), call === "view", call);
  }
});

Deno.test("close unmaps, releases, then closes; each even if the one before fails", () => {
  const fake = world({ fail: [{ call: "munmap", errno: "EINVAL" }] });
  let released = 0;
  const adopted = Mapping.adopt({
    sys: fake.sys,
    address: 0x7000n,
    length: LENGTH,
    label: "grants",
    release: () => void released++,
  });
  assertThrows(() => adopted.close(), Error, "EINVAL");
  adopted.close();
  assertEquals([fake.names(), released], [["view", "munmap"], 1]);
  const file = world({ fail: [{ call: "munmap", errno: "EINVAL" }] });
  assertThrows(() => open(file).close(), Error, "EINVAL");
  assertEquals(file.names().slice(-2), ["munmap", "close"]);
});

Deno.test("close unmaps once", () => {
  const fake = world();
  const mapping = open(fake);
  mapping.close();
  mapping.close();
  assertEquals(fake.names().filter((name) => name === "munmap").length, 1);
});

Deno.test("the known data pages save the kernel calls", () => {
  const fake = world();
  using mapping = open(fake);
  for (let round = 0; round < 10; round++) {
    assertEquals(mapping.live(100, 16) !== null, true);
    assertEquals(mapping.copy(200, new Uint8Array(16)).length, 16);
  }
  assertEquals(fake.names().filter((name) => name === "lseek").length, 1);
  mapping.forget();
  mapping.live(100, 16);
  assertEquals(fake.names().filter((name) => name === "lseek").length, 2);
});

Deno.test("long copies go through the kernel, though every page holds data", () => {
  const size = 5 * PAGE;
  const fake = world({ size });
  using mapping = open(fake, { length: size });
  const read = () => fake.names().filter((name) => name === "pread").length;
  assertEquals([mapping.copy(0, new Uint8Array(16 * 1024)).length, read()], [16 * 1024, 0]);
  const long = new Uint8Array(16 * 1024 + 1);
  assertEquals([mapping.copy(0, long).length, long[0], read()], [long.length, 7, 1]);
});

Deno.test("devices and BARs are copied by address, never by pread", () => {
  for (const nature of [{ mode: S_IFCHR }, { type: SYSFS_MAGIC }, { type: PROC_SUPER_MAGIC }]) {
    const fake = world({ ...nature, seals: F_SEAL_SHRINK });
    using mapping = open(fake);
    const target = new Uint8Array(4);
    assertEquals(mapping.copy(LENGTH - 2, target), { length: 2, errno: "EFAULT" });
    assertEquals(target, new Uint8Array([8, 8, 0, 0]));
    assertEquals(mapping.live(0, 1), null);
    assertEquals(mapping.nextData(5), { start: 5, end: LENGTH });
    assertEquals(fake.names().includes("pread"), false);
  }
});

Deno.test("hugetlbfs is never read in place, and its pool is not reserved", () => {
  const HUGE = 2 * 1024 * 1024;
  const fake = world({ type: HUGETLBFS_MAGIC, blockSize: HUGE, size: HUGE });
  using mapping = open(fake);
  assertEquals(mapping.pageSize, HUGE);
  assertEquals(mapping.live(0, 1), null);
  const mapped = fake.log.find(({ call }) => call === "mmap");
  assertEquals(mapped?.args, [HUGE, PROT_READ, MAP_SHARED | MAP_NORESERVE, 10, 0]);
  assertThrows(() => open(fake, { writable: true, length: HUGE + 1 }), RangeError, "fewer than");
  assertThrows(() => open(fake, { offset: PAGE }), RangeError, "multiple of its page");
});

Deno.test("memory past the end of a sealed file is not read in place", () => {
  using mapping = open(world({ size: LENGTH - 1 }), { writable: true });
  assertEquals(mapping.live(0, 1), null);
  assertEquals(mapping.liveWritable(), null);
});

Deno.test("writing a read-only mapping is refused before it can fault", () => {
  using mapping = open(world());
  assertThrows(() => mapping.store(0, new Uint8Array(1)), TypeError, "read-only");
  assertEquals(mapping.liveWritable(), null);
});

Deno.test("an unsealed mapping is written by address, so that the file can not grow", () => {
  const fake = world({ seals: 0 });
  using mapping = open(fake, { writable: true });
  assertEquals(mapping.store(LENGTH - 4, new Uint8Array(8)), { length: 4, errno: "EFAULT" });
  const call = fake.log.at(-1);
  assertEquals([call?.call, call?.args[0]], ["copyIn", 0x7000n + BigInt(LENGTH - 4)]);
});

Deno.test("ranges that are none are refused", () => {
  const wrong = [{ length: 0 }, { length: -1 }, { length: 1.5 }, { offset: -PAGE }, { offset: 1 }];
  for (const options of wrong) assertThrows(() => open(world(), options), RangeError);
});
