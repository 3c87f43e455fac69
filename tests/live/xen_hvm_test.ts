/**
 * An HVM guest with QEMU's virtio-blk through foreign mapping, and a guest with a grant table of version
 * 2, on a real Xen. Of two processors' time this takes two and a half minutes: most of it is the HVM
 * guest's firmware and kernel under emulation.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { inDom0, missing } from "./xen/boot.ts";
import { parseTap } from "./xen/tap.ts";

const JOB =
  `deno test --no-check --cached-only --no-prompt -A --reporter=tap tests/live/xen/dom0/hvm.ts
echo "@@ tests done $?"`;

/** A busy machine takes many times as long as a quiet one. */
const SECONDS = 1500;

const lacking = missing();
if (lacking !== "") console.warn(`live tests of HVM guests are left out: they need ${lacking}`);

Deno.test({
  name: "guestmem and HVM guests, and grant tables of version 2, on a real Xen",
  ignore: lacking !== "",
  fn: async (t) => {
    const text = await inDom0(JOB, SECONDS, { layers: ["hvm"] });
    const { tests, planned } = parseTap(text);
    for (const { name, ok, detail } of tests) await t.step(name, () => assert(ok, detail));
    assert(tests.length > 0, text.slice(-4000));
    assertEquals(tests.length, planned);
  },
});
