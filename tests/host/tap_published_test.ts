/** Layouts that a process publishes about itself: there at any moment, sealed, gone when closed. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { O_PATH, O_RDWR } from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import {
  publication,
  publishedField,
  type PublishedLayout,
  publishedVersion,
  readPublished,
} from "../../lib/source/published.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { errnoFrom, startChild, sys, uniqueName } from "../support/host.ts";

const LINK = "/memfd:guestmem-layout (deleted)";

/** Layouts of this process that carry `name`: other tests publish in it, too. */
function called(name: string): PublishedLayout[] {
  return readPublished(sys, sys.pid).filter((layout) => publishedField(layout, "name") === name);
}

Deno.test("a published layout is read back, replaced, sealed, and taken away", () => {
  const name = uniqueName();
  {
    using published = publication(sys);
    published.replace({ name, n: 1 });
    const first = publishedVersion(called(name)[0]);
    published.replace({ name, n: 2 });
    const all = called(name);
    assertEquals(all.length, 1);
    assertEquals(publishedField(all[0], "n"), 2);
    assert(publishedVersion(all[0]) > first);
    using writer = new Fd(sys, sys.open(`/proc/self/fd/${all[0].fd}`, O_RDWR));
    assertEquals(errnoFrom(() => sys.pwrite(writer.number, Uint8Array.of(1), 0)), "EPERM");
    assertEquals(errnoFrom(() => sys.ftruncate(writer.number, 0)), "EPERM");
  }
  assertEquals(called(name), []);
});

Deno.test("another process's layouts are found by version, and none where there are none", async () => {
  const module = new URL("../../lib/source/published.ts", import.meta.url);
  const ffi = new URL("../../ffi/sys.ts", import.meta.url);
  const code = `import { openSys } from "${ffi}"; import { publication } from "${module}";
    globalThis.kept = [publication(openSys()), publication(openSys())];
    kept[1].replace({ n: 1 }); kept[0].replace({ n: 2 }); kept[1].replace({ n: 3 });
    kept[0].replace({ n: 4 }); console.log("ready");`;
  await using child = await startChild(code);
  assertEquals(child.line, "ready");
  const all = readPublished(sys, child.pid)
    .sort((a, b) => publishedVersion(a) - publishedVersion(b));
  assertEquals(all.map((found) => publishedField(found, "n")), [3, 4]);
  assertEquals(readPublished(sys, 0x3fff_ffff), []);
});

Deno.test("what is called like a layout and is no file is not opened", () => {
  const path = `/tmp/${uniqueName()}`;
  const made = new Deno.Command("mkfifo", { args: [path] }).outputSync();
  assert(made.success);
  using undo = new DisposableStack();
  undo.defer(() => Deno.removeSync(path));
  using fifo = new Fd(sys, sys.open(path, O_PATH));
  const opened: string[] = [];
  const script: Partial<Sys> = {
    readlink: (path) => path.endsWith(`/fd/${fifo.number}`) ? LINK : sys.readlink(path),
    open(path, flags, mode) {
      if (flags === O_PATH) return sys.open(path, flags, mode);
      opened.push(sys.readlink(path));
      throw new SyscallError("open", "EACCES", path);
    },
  };
  readPublished(fakeSys({ real: sys, script }).sys, sys.pid);
  assertEquals(opened.filter((link) => link !== LINK), []);
});

// In a process of its own: what it publishes would stand before what other tests do.
Deno.test("one layout under many numbers counts once, and many layouts end somewhere", async () => {
  const ffi = new URL("../../ffi/sys.ts", import.meta.url);
  const code = `import { openSys } from "${ffi}"; const sys = openSys();
    const text = new TextEncoder().encode(JSON.stringify({ pad: "x".repeat(900_000) }));
    for (let n = 0; n < 24; n++) {
      const fd = sys.memfd("guestmem-layout", 0);
      sys.pwrite(fd, text, 0);
      for (let copy = 0; copy < 3; copy++) sys.dup(fd);
    }
    console.log("ready");`;
  await using child = await startChild(code);
  assertEquals(child.line, "ready");
  const found = readPublished(sys, child.pid);
  assert(found.length >= 12 && found.length < 20, `${found.length}`);
  const inodes = found.map(({ fd }) => sys.stat(`/proc/${child.pid}/fd/${fd}`).inode);
  assertEquals(new Set(inodes).size, found.length);
});

Deno.test("a layout that is no JSON has no fields, and one beyond the limit is refused", () => {
  assertEquals(publishedField({ fd: 3, text: "{" }, "version"), null);
  assertEquals(publishedField({ fd: 3, text: "null" }, "version"), null);
  assertEquals(publishedVersion({ fd: 3, text: '{"version":"9"}' }), 0);
  const name = uniqueName();
  using published = publication(sys);
  assertThrows(() => published.replace({ name, text: "x".repeat(1 << 20) }), RangeError);
  assertEquals(called(name), []);
});
