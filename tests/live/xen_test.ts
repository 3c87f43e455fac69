/**
 * A real Xen with a Debian dom0 and guests, under emulation: tests/live/xen/ builds and boots it. All
 * that is tested runs in dom0 in one boot; each of its tests is a step here.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { inDom0, missing } from "./xen/boot.ts";
import { parseTap } from "./xen/tap.ts";

const JOB =
  `deno test --no-check --cached-only --no-prompt -A --reporter=tap tests/live/xen/dom0/all.ts
echo "@@ tests done $?"
sed 's/^/@@ measured /' /tmp/measured
xl list`;

const lacking = missing();
if (lacking !== "") console.warn(`live Xen tests are left out: they need ${lacking}`);

Deno.test({
  name: "guestmem in dom0 of a real Xen",
  ignore: lacking !== "",
  fn: async (t) => {
    const text = await inDom0(JOB);
    const { tests, planned } = parseTap(text);
    for (const { name, ok, detail } of tests) {
      await t.step(name, () => assert(ok, detail));
    }
    for (const [, line] of text.matchAll(/^@@ measured (.*)$/gm)) console.log(line);
    assert(tests.length >= 55, `only ${tests.length} tests ran:\n${text.slice(-4000)}`);
    assertEquals(tests.length, planned);
  },
});
