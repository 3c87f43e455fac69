import { assertEquals, assertThrows } from "@std/assert";
import {
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  PROC_SUPER_MAGIC,
  S_IFCHR,
  S_IFMT,
  SEEK_DATA,
  SEEK_HOLE,
  SYSFS_MAGIC,
  TMPFS_MAGIC,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { errnoFrom, looseMemfd, pattern, sys } from "../support/host.ts";

/** A directory of the test's own, removed afterwards. */
function temporary(): Disposable & { path: string } {
  const path = Deno.makeTempDirSync({ prefix: "guestmem-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

const open = (path: string, flags: number) => new Fd(sys, sys.open(path, flags, 0o600));

Deno.test("statx agrees with Deno.statSync", () => {
  using dir = temporary();
  const path = `${dir.path}/file`;
  Deno.writeFileSync(path, pattern(70_000), { mode: 0o640 });
  const wanted = Deno.statSync(path);
  const stat = sys.stat(path);
  assertEquals(stat.size, 70_000);
  assertEquals(stat.inode, wanted.ino);
  assertEquals(stat.blocks, wanted.blocks);
  assertEquals(stat.mode, wanted.mode);
  assertEquals(stat.uid, wanted.uid);
  assertEquals(stat.blockSize, wanted.blksize);
  const device = (stat.deviceMajor << 8) | (stat.deviceMinor & 0xff);
  assertEquals(device, wanted.dev & 0xfffff);
  using fd = open(path, O_RDONLY);
  assertEquals(sys.fstat(fd.number), stat);
});

Deno.test("special files open with --allow-ffi alone", () => {
  using zero = open("/dev/zero", O_RDONLY);
  assertEquals(sys.fstat(zero.number).mode & S_IFMT, S_IFCHR);
  using proc = open("/proc/self/maps", O_RDONLY);
  assertEquals(sys.fileSystemType(proc.number), PROC_SUPER_MAGIC);
  using sysfs = open("/sys/kernel", O_RDONLY | O_DIRECTORY);
  assertEquals(sys.fileSystemType(sysfs.number), SYSFS_MAGIC);
  using memfd = looseMemfd(1);
  assertEquals(sys.fileSystemType(memfd.number), TMPFS_MAGIC);
});

Deno.test("readdir names every entry, across many calls of getdents64", () => {
  using dir = temporary();
  const names = Array.from({ length: 3000 }, (_, index) => `entry-${index}-${"x".repeat(40)}`);
  for (const name of names) Deno.writeTextFileSync(`${dir.path}/${name}`, "");
  assertEquals(sys.readdir(dir.path).toSorted(), names.toSorted());
  using empty = temporary();
  assertEquals(sys.readdir(empty.path), []);
});

Deno.test("readlink, also past 4096 bytes of path", () => {
  using dir = temporary();
  const target = "/some where/ü\n";
  Deno.symlinkSync(target, `${dir.path}/link`);
  assertEquals(sys.readlink(`${dir.path}/link`), target);
  assertEquals(sys.readlink("/proc/self/exe"), Deno.execPath());
  assertEquals(errnoFrom(() => sys.open(`${dir.path}/link`, O_NOFOLLOW)), "ELOOP");
  assertEquals(errnoFrom(() => sys.readlink(dir.path)), "EINVAL");
});

Deno.test("read and write move the offset, pread and pwrite do not", () => {
  using fd = looseMemfd(0);
  const bytes = pattern(10_000);
  assertEquals(sys.write(fd.number, bytes), 10_000);
  assertEquals(sys.write(fd.number, bytes.subarray(0, 3)), 3);
  const target = new Uint8Array(6);
  assertEquals(sys.pread(fd.number, target, 9_997), 6);
  assertEquals(target, new Uint8Array([...bytes.subarray(9_997), ...bytes.subarray(0, 3)]));
  assertEquals(sys.pwrite(fd.number, target, 2 ** 33), 6);
  assertEquals(sys.fstat(fd.number).size, 2 ** 33 + 6);
  assertEquals(sys.pread(fd.number, new Uint8Array(9), 2 ** 33 + 6), 0);
  assertEquals(sys.lseek(fd.number, 0, SEEK_HOLE), 12_288);
  assertEquals(sys.lseek(fd.number, 12_288, SEEK_DATA), 2 ** 33);
});

Deno.test("pread fills a part of a larger array and leaves the rest", () => {
  using fd = looseMemfd(0);
  sys.write(fd.number, pattern(64));
  const target = new Uint8Array(20).fill(255);
  sys.pread(fd.number, target.subarray(5, 9), 1);
  assertEquals(target.subarray(4, 10), new Uint8Array([255, ...pattern(64).subarray(1, 5), 255]));
});

Deno.test("readFile reads files without a size, and refuses more than its limit", () => {
  using dir = temporary();
  const path = `${dir.path}/big`;
  const bytes = pattern(300_000);
  Deno.writeFileSync(path, bytes);
  assertEquals(sys.readFile(path), bytes);
  assertEquals(sys.readFile(path, 300_000).length, 300_000);
  assertEquals(errnoFrom(() => sys.readFile(path, 299_999)), "EFBIG");
  assertEquals(sys.readText("/proc/self/status").includes(`Pid:\t${sys.pid}\n`), true);
  Deno.writeFileSync(path, new Uint8Array([0x61, 0xff]));
  assertEquals(sys.readText(path), "a\ufffd");
});

Deno.test("failures carry the call, the object and the errno by name", () => {
  assertThrows(
    () => sys.open("/nowhere/x", O_RDONLY),
    Error,
    "open /nowhere/x: ENOENT (no such file or directory)",
  );
  assertEquals(errnoFrom(() => sys.stat("/nowhere")), "ENOENT");
  assertEquals(errnoFrom(() => sys.readdir("/proc/self/maps")), "ENOTDIR");
  assertEquals(errnoFrom(() => sys.open("/proc", O_RDWR)), "EISDIR");
  assertEquals(errnoFrom(() => sys.unlink("/nowhere")), "ENOENT");
  assertEquals(errnoFrom(() => sys.dup(99_999)), "EBADF");
  assertEquals(errnoFrom(() => sys.close(99_999)), "EBADF");
  using fd = looseMemfd(4096);
  assertEquals(errnoFrom(() => sys.lseek(fd.number, 8192, SEEK_DATA)), "ENXIO");
  assertEquals(errnoFrom(() => sys.ftruncate(fd.number, -1)), "EINVAL");
});

Deno.test("a path that C would cut at a NUL is refused", () => {
  assertThrows(() => sys.open("/dev/null\0/x", O_RDONLY), TypeError, "NUL");
  assertThrows(() => sys.stat("\0"), TypeError, "NUL");
});

Deno.test("fds are close-on-exec", () => {
  using dir = temporary();
  using file = open(`${dir.path}/new`, O_RDWR | O_CREAT);
  using memfd = looseMemfd(1);
  using copy = new Fd(sys, sys.dup(file.number));
  using event = new Fd(sys, sys.eventfd(0, 0));
  for (const { number } of [file, memfd, copy, event]) {
    const flags = /flags:\t0*([0-7]+)/.exec(sys.readText(`/proc/self/fdinfo/${number}`));
    assertEquals(parseInt(flags![1], 8) & 0o2000000, 0o2000000, `fd ${number}`);
  }
});

Deno.test("seals are read, added, and absent elsewhere", () => {
  using memfd = looseMemfd(4096);
  assertEquals(sys.seals(memfd.number), 0);
  sys.addSeals(memfd.number, 2);
  assertEquals(sys.seals(memfd.number), 2);
  assertEquals(errnoFrom(() => sys.ftruncate(memfd.number, 0)), "EPERM");
  using proc = open("/proc/self/maps", O_RDONLY);
  assertEquals(sys.seals(proc.number), 0);
});
