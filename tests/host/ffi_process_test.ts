import { assertEquals, assertThrows } from "@std/assert";
import { MAP_SHARED, POLLIN, PROT_READ } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { ProcessBacking } from "../../ffi/process_backing.ts";
import { errnoFrom, looseMemfd, pattern, startChild, sys } from "../support/host.ts";

const PAGE = sys.pageSize;

/** Allocates, fills with (1 + i * 7) % 251, prints the address, keeps it alive. */
const HOLDER = `
const bytes = Uint8Array.from({ length: 65536 }, (_, i) => (1 + i * 7) % 251);
globalThis.keep = bytes;
console.log(String(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes))));`;

Deno.test("we know who we are", () => {
  assertEquals(sys.pid, Deno.pid);
  assertEquals(sys.uid, Deno.uid());
});

Deno.test("an fd is fetched out of a child, and is the same open file", async () => {
  const path = Deno.makeTempFileSync({ prefix: "guestmem-" });
  try {
    Deno.writeTextFileSync(path, "from the child");
    await using child = await startChild(
      `globalThis.keep = Deno.openSync(${JSON.stringify(path)}); console.log("open");`,
    );
    assertEquals(child.line, "open");
    const names = sys.readdir(`/proc/${child.pid}/fd`);
    const name = names.find((fd) => sys.readlink(`/proc/${child.pid}/fd/${fd}`) === path);
    using pidfd = new Fd(sys, sys.pidfdOpen(child.pid));
    using fd = new Fd(sys, sys.pidfdGetfd(pidfd.number, Number(name)));
    assertEquals(sys.fstat(fd.number).inode, sys.stat(path).inode);
    const target = new Uint8Array(4);
    sys.read(fd.number, target);
    assertEquals(new TextDecoder().decode(target), "from");
    const info = sys.readText(`/proc/${child.pid}/fdinfo/${name}`);
    assertEquals(/pos:\t(\d+)/.exec(info)?.[1], "4", "the offset is shared");
    assertEquals(errnoFrom(() => sys.pidfdGetfd(pidfd.number, 99_999)), "EBADF");
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("a child's memory is read and written in place", async () => {
  await using child = await startChild(HOLDER);
  const address = BigInt(child.line);
  const target = new Uint8Array(5000);
  assertEquals(sys.processVmReadv(child.pid, address + 3n, target), 5000);
  assertEquals(target, pattern(5003).subarray(3));
  assertEquals(sys.processVmWritev(child.pid, address, new Uint8Array([200, 201])), 2);
  assertEquals(sys.processVmReadv(child.pid, address, target.subarray(0, 3)), 3);
  assertEquals([...target.subarray(0, 3)], [200, 201, pattern(3)[2]]);
  assertEquals(errnoFrom(() => sys.processVmReadv(child.pid, 0x1000n, target)), "EFAULT");
});

Deno.test("a process backing is short where memory ends and empty when the process has", async () => {
  await using child = await startChild(HOLDER);
  const options = {
    sys,
    pid: child.pid,
    address: BigInt(child.line),
    length: 65_536,
    label: "ram",
  };
  using backing = new ProcessBacking(options);
  const target = new Uint8Array(100);
  assertEquals(backing.copy(10, target), { length: 100, errno: null });
  assertEquals(target, pattern(110).subarray(10));
  assertEquals(backing.copy(65_500, target), { length: 36, errno: "EFAULT" });
  assertEquals(backing.copy(65_536, target), { length: 0, errno: "EFAULT" });
  assertEquals([backing.live(0, 1), backing.nextData(7)], [null, { start: 7, end: 65_536 }]);
  await child.end();
  assertEquals(backing.copy(10, target), { length: 0, errno: "ESRCH" });
  backing.close();
  assertThrows(() => backing.copy(10, target), Error, "closed");
});

//   |■■■■|xxxx|     the second page was truncated away
Deno.test("a process backing names what stopped it in the middle", () => {
  using fd = looseMemfd(2 * PAGE);
  sys.pwrite(fd.number, pattern(2 * PAGE), 0);
  const address = sys.mmap(2 * PAGE, PROT_READ, MAP_SHARED, fd.number, 0);
  sys.ftruncate(fd.number, PAGE);
  const options = { sys, pid: sys.pid, address, length: 2 * PAGE, label: "holed" };
  try {
    using backing = new ProcessBacking(options);
    const target = new Uint8Array(PAGE);
    assertEquals(backing.copy(100, target), { length: PAGE - 100, errno: "EFAULT" });
    assertEquals(target.subarray(0, PAGE - 100), pattern(PAGE).subarray(100));
    assertEquals(backing.copy(PAGE, target), { length: 0, errno: "EFAULT" });
  } finally {
    sys.munmap(address, 2 * PAGE);
  }
});

Deno.test("a pidfd is readable when its process has ended", async () => {
  const child = await startChild(`console.log("up");`);
  using pidfd = new Fd(sys, sys.pidfdOpen(child.pid));
  const entries = [{ fd: pidfd.number, events: POLLIN }];
  assertEquals(sys.pollNow(entries), [0]);
  await child.end();
  assertEquals(sys.pollNow(entries)[0] & POLLIN, POLLIN);
  assertEquals(errnoFrom(() => sys.pidfdOpen(child.pid)), "ESRCH");
});
