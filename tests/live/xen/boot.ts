/**
 * Builds the live image of Xen and runs a job in its dom0.
 *
 * @module
 */

const HERE = new URL(".", import.meta.url).pathname;
const REPOSITORY = new URL("../../../", import.meta.url).pathname;

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

/** What this machine lacks, in words; empty where it has all. */
export function missing(): string {
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

/** What to boot. */
export interface BootOptions {
  /** `hvm`: with a device model. */
  readonly layers?: readonly "hvm"[];
  /** Paravirtual, which is Debian's default, or PVH. */
  readonly dom0?: "pv" | "pvh";
}

/** Builds what changed, boots, runs a job of shell commands in dom0, in /project; gives the console. */
export async function inDom0(
  job: string,
  seconds = LIMIT,
  { layers = [], dom0 = "pv" }: BootOptions = {},
): Promise<string> {
  const cache = cacheDirectory();
  await Deno.mkdir(cache, { recursive: true });
  const built = await bash("build.sh", cache, Deno.execPath(), REPOSITORY, ...layers);
  if (built.code !== 0) throw new Error(`build.sh: ${built.text}`);
  const file = await Deno.makeTempFile({ prefix: "guestmem-xen-job" });
  try {
    await Deno.writeTextFile(file, job);
    const { code, text } = await bash("boot.sh", cache, file, `${seconds}`, dom0, ...layers);
    if (code !== 124) return text;
    throw new Error(`no end within ${seconds} s:\n${text.slice(-4000)}`);
  } finally {
    await Deno.remove(file);
  }
}
