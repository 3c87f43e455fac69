/**
 * A real Xen with a Debian dom0 and guests, under emulation: tests/live/xen/ builds and boots it. All
 * that is tested runs in dom0 in one boot; each of its tests is a step here.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";

const HERE = new URL("./xen/", import.meta.url).pathname;
const REPOSITORY = new URL("../../", import.meta.url).pathname;

/** Programs that building and booting need, and the Debian package of each. */
const NEEDED: readonly (readonly [string, string])[] = [
  ["qemu-system-x86_64", "qemu-system-x86"],
  ["busybox", "busybox-static"],
  ["cpio", "cpio"],
  ["gcc", "gcc"],
  ["xz", "xz-utils"],
  ["dpkg", "dpkg"],
  ["apt-get", "apt"],
];

/** Seconds for the boot and all that runs in it: a quiet machine takes 60, a busy one more. */
const LIMIT = 600;

function missing(): string {
  if (Deno.build.arch !== "x86_64") return "an x86-64 machine";
  const absent = NEEDED.filter(([program]) => !onPath(program)).map(([, name]) => name);
  return absent.length === 0 ? "" : `Debian packages ${absent.join(", ")}`;
}

function onPath(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

function cacheDirectory(): string {
  const base = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  return `${base}/guestmem/xen`;
}

async function bash(script: string, ...words: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: [`${HERE}${script}`, ...words],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { code, text };
}

/** Builds what changed, boots, runs a job of shell commands in dom0; gives the console. */
async function inDom0(job: string): Promise<string> {
  const cache = cacheDirectory();
  await Deno.mkdir(cache, { recursive: true });
  const built = await bash("build.sh", cache, Deno.execPath(), REPOSITORY);
  assertEquals(built.code, 0, `build.sh: ${built.text}`);
  const file = await Deno.makeTempFile({ prefix: "guestmem-xen-job" });
  try {
    await Deno.writeTextFile(file, job);
    const { code, text } = await bash("boot.sh", cache, file, `${LIMIT}`);
    assert(code !== 124, `no end within ${LIMIT} s:\n${text.slice(-4000)}`);
    return text;
  } finally {
    await Deno.remove(file);
  }
}

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
