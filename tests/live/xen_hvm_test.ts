/**
 * What takes minutes under emulation, for a release: an HVM guest with QEMU's virtio-blk through foreign
 * mapping, and a guest with a grant table of version 2. Run with GUESTMEM_XEN_RELEASE=1.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { inDom0, missing } from "./xen/boot.ts";
import { parseTap } from "./xen/tap.ts";

const JOB =
  `deno test --no-check --cached-only --no-prompt -A --reporter=tap tests/live/xen/dom0/release.ts
echo "@@ tests done $?"`;

const lacking = Deno.env.get("GUESTMEM_XEN_RELEASE") === "1" ? missing() : "GUESTMEM_XEN_RELEASE=1";
if (lacking !== "") console.warn(`Xen's release tests are left out: they need ${lacking}`);

Deno.test({
  name: "guestmem and HVM guests, and grant tables of version 2, on a real Xen",
  ignore: lacking !== "",
  fn: async (t) => {
    const text = await inDom0(JOB, 1500, ["hvm"]);
    const { tests, planned } = parseTap(text);
    for (const { name, ok, detail } of tests) await t.step(name, () => assert(ok, detail));
    assert(tests.length > 0, text.slice(-4000));
    assertEquals(tests.length, planned);
  },
});
