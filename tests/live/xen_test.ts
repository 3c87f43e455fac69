/**
 * A real Xen with a Debian dom0 and guests, under emulation: tests/live/xen/ builds and boots it. All
 * that is tested runs in dom0 in one boot; each of its tests is a step here.
 *
 * dom0 is paravirtual, as Debian's is. By hand and before a release also a PVH dom0, and there what
 * maps nothing: `deno test -A tests/live/xen_test.ts -- pvh`. Whatever is mapped into a PVH domain
 * changes its nested page table, and QEMU's SVM goes on with the old translations: a page then reads as
 * what was there before, and soon the kernel is corrupted.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
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

const pvh = Deno.args.includes("pvh");

Deno.test({
  name: "guestmem in a PV dom0 of a real Xen",
  ignore: lacking !== "" || pvh,
  fn: async (t) => {
    const text = await inDom0(JOB, 900);
    const { tests, planned } = parseTap(text);
    for (const { name, ok, detail } of tests) {
      await t.step(name, () => assert(ok, detail));
    }
    for (const [, line] of text.matchAll(/^@@ measured (.*)$/gm)) console.log(line);
    assert(tests.length >= 60, `only ${tests.length} tests ran:\n${text.slice(-4000)}`);
    assertEquals(tests.length, planned);
    assertMatch(text, /^@@ dom0 is PV\r?$/m);
  },
});

if (pvh) {
  Deno.test("guestmem in a PVH dom0 of a real Xen: what maps nothing", async () => {
    // Through a pipe: on a terminal there would be a pager.
    const command = "deno run --no-check --cached-only --no-prompt -A cli/main.ts";
    const run = ["doctor", "find", "map xen:7"].map((words) => `${command} ${words} 2>&1 | cat`);
    const job = ["cat /sys/hypervisor/guest_type", ...run].join("\n");
    const text = await inDom0(job, 600, { dom0: "pvh" });
    assertMatch(text, /^PVH$/m);
    assertMatch(text, /^xen +hypervisor +ok +Xen 4\.\d+, domctl interface 0x[0-9a-f]+$/m);
    assertMatch(text, /^xen +xenstore +ok +1 domains, by .*socket$/m);
    assertMatch(text, /^guestmem: no guests found/m);
    assertMatch(text, /no domain 7/);
  });
}
