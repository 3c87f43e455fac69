/**
 * A real Xen with a Debian dom0 and guests, under emulation: tests/live/xen/ builds and boots it. All
 * that is tested runs in dom0 in one boot; each of its tests is a step here.
 *
 * dom0 is paravirtual, as Debian's is. By hand and before a release also a PVH dom0, which takes twice
 * as long: `deno test -A tests/live/xen_test.ts -- pvh`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { inDom0, missing } from "./xen/boot.ts";
import { parseTap } from "./xen/tap.ts";

const JOB =
  `deno test --no-check --cached-only --no-prompt -A --reporter=tap tests/live/xen/dom0/all.ts
echo "@@ tests done $?"
echo "@@ dom0 is $(cat /sys/hypervisor/guest_type)"
sed 's/^/@@ measured /' /tmp/measured
xl list`;

const lacking = missing();
if (lacking !== "") console.warn(`live Xen tests are left out: they need ${lacking}`);

const dom0 = Deno.args.includes("pvh") ? "pvh" : "pv";

Deno.test({
  name: `guestmem in a ${dom0.toUpperCase()} dom0 of a real Xen`,
  ignore: lacking !== "",
  fn: async (t) => {
    const text = await inDom0(JOB, dom0 === "pvh" ? 1500 : 900, { dom0 });
    const { tests, planned } = parseTap(text);
    for (const { name, ok, detail } of tests) {
      await t.step(name, () => assert(ok, detail));
    }
    for (const [, line] of text.matchAll(/^@@ measured (.*)$/gm)) console.log(line);
    assert(tests.length >= 60, `only ${tests.length} tests ran:\n${text.slice(-4000)}`);
    assertEquals(tests.length, planned);
    assertEquals(/^@@ dom0 is (PVH?)\r?$/m.exec(text)?.[1], dom0.toUpperCase());
  },
});
