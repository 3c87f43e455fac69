/**
 * A real Xen with a Debian dom0 and guests, under emulation: tests/live/xen/ builds and boots it. All
 * that is tested runs in dom0 in one boot; each of its tests is a step here.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { inDom0, missing } from "./xen/boot.ts";

/** One test of the run in dom0. */
interface TapTest {
  readonly name: string;
  readonly ok: boolean;
  /** The failure, as TAP gives it. */
  readonly detail: string;
}

/** TAP in a console: `ok 3 - name`, `not ok 4 - name` and the lines of YAML that follow. */
function parseTap(text: string): { tests: TapTest[]; planned: number } {
  const tests: TapTest[] = [];
  for (const part of text.split(/^(?=(?:not )?ok \d+ - )/m)) {
    const match = /^(not )?ok \d+ - (.*)$/m.exec(part);
    if (match === null || !/^(not )?ok /.test(part)) continue;
    const detail = part.slice(part.indexOf("\n") + 1).replaceAll("\\n", "\n");
    tests.push({ name: match[2], ok: match[1] === undefined, detail });
  }
  return { tests, planned: Number(/^1\.\.(\d+)$/m.exec(text)?.[1] ?? NaN) };
}

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
    assert(tests.length >= 30, `only ${tests.length} tests ran:\n${text.slice(-4000)}`);
    assertEquals(tests.length, planned);
  },
});
