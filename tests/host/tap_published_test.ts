/** Layouts that a process publishes about itself: there at any moment, sealed, gone when closed. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { O_RDWR } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import {
  newestPublished,
  publication,
  publishedField,
  type PublishedLayout,
  publishedVersion,
  readPublished,
} from "../../lib/source/published.ts";
import { errnoFrom, startChild, sys, uniqueName } from "../support/host.ts";

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
  assertEquals(readPublished(sys, child.pid).map((found) => publishedField(found, "n")).sort(), [
    3,
    4,
  ]);
  assertEquals(publishedField(newestPublished(sys, child.pid) as PublishedLayout, "n"), 4);
  assertEquals(readPublished(sys, 0x3fff_ffff), []);
  assertEquals(newestPublished(sys, 0x3fff_ffff), null);
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
