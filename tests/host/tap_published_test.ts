/** Layouts that a process publishes about itself: there at any moment, sealed, gone when closed. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Fd } from "../../ffi/fd.ts";
import { errnoFrom, holdings, startChild, sys } from "../support/host.ts";
import { O_RDWR } from "../../ffi/constants.ts";
import {
  newestPublished,
  publication,
  publishedField,
  publishedVersion,
  readPublished,
} from "../../lib/source/published.ts";

Deno.test("a published layout is read back, replaced without a gap, and taken away", () => {
  const before = holdings().fds;
  {
    using published = publication(sys);
    published.replace({ kind: "test", n: 1 });
    published.replace({ kind: "test", n: 2 });
    const all = readPublished(sys, sys.pid);
    assertEquals(all.length, 1);
    assertEquals(publishedField(all[0], "n"), 2);
    assertEquals(publishedVersion(all[0]), 2);
    using writer = new Fd(sys, sys.open(`/proc/self/fd/${all[0].fd}`, O_RDWR));
    assertEquals(errnoFrom(() => sys.pwrite(writer.number, Uint8Array.of(1), 0)), "EPERM");
  }
  assertEquals(readPublished(sys, sys.pid), []);
  assertEquals(holdings().fds, before);
});

Deno.test("the highest version counts", () => {
  using first = publication(sys);
  using second = publication(sys);
  first.replace({ n: 1 });
  first.replace({ n: 2 });
  second.replace({ n: 3 });
  const newest = newestPublished(sys, sys.pid);
  assert(newest !== null);
  assertEquals(publishedField(newest as never, "n"), 2);
});

Deno.test("another process's layouts are found, and none where there are none", async () => {
  const module = new URL("../../lib/source/published.ts", import.meta.url);
  const ffi = new URL("../../ffi/sys.ts", import.meta.url);
  const code = `import { openSys } from "${ffi}"; import { publication } from "${module}";
    globalThis.kept = publication(openSys()); kept.replace({ who: "child" }); console.log("ready");`;
  await using child = await startChild(code);
  const [found] = readPublished(sys, child.pid);
  assertEquals(publishedField(found, "who"), "child");
  assertEquals(readPublished(sys, 1), []);
  assertEquals(readPublished(sys, 0x3fff_ffff), []);
});

Deno.test("a layout that is no JSON has no fields, and one beyond the limit is refused", () => {
  assertEquals(publishedField({ fd: 3, text: "{" }, "version"), null);
  assertEquals(publishedField({ fd: 3, text: "null" }, "version"), null);
  assertEquals(publishedVersion({ fd: 3, text: '{"version":"9"}' }), 0);
  using published = publication(sys);
  assertThrows(() => published.replace({ text: "x".repeat(1 << 20) }), RangeError);
  assertEquals(readPublished(sys, sys.pid), []);
});
