/**
 * A real Linux in a real QEMU for live tests, under software emulation: two to three seconds to
 * traffic on every virtio device. Kernel, initramfs and disk are built once per user by
 * `tests/live/guest/build.sh`; its `init` says which kernel options it takes.
 *
 * ```ts
 * const missing = await linuxGuestMissing();
 * liveTest("reads a ring", missing, async () => {
 *   await using guest = await startLinuxGuest({ packed: true });
 *   // guest.pid, guest.qmp, guest.run("cat /proc/interrupts")
 * });
 * ```
 *
 * @module
 */
import { type GuestOptions, qemuArguments } from "./qemu_arguments.ts";
import { SerialLine } from "./serial_line.ts";

export type { DeviceName, GuestOptions, MemoryKind } from "./qemu_arguments.ts";

/** What one command in the guest said. */
export interface GuestOutput {
  /** Exit status. */
  readonly status: number;
  /** stdout and stderr, lines joined by `\n`. */
  readonly text: string;
}

/** A running guest. Disposing kills it and removes its files. */
export interface LinuxGuest extends AsyncDisposable {
  /** QEMU's own process id. */
  readonly pid: number;
  /** QMP socket; it serves one client at a time. */
  readonly qmp: string;
  /** What the guest wrote to its serial console, commands' output included. */
  readonly serialLog: string;
  /** What came out of hvc0. */
  readonly consoleLog: string;
  /** The disk behind virtio-blk: raw, 16 MiB, sectors that say their number. */
  readonly diskImage: string;
  /** Private directory of this guest, for sockets and files of the test. */
  readonly directory: string;
  /** QEMU and its arguments, for messages. */
  readonly commandLine: readonly string[];
  /** Resolves once every driver is loaded and traffic starts; throws with the log's end if not. */
  waitReady(timeoutMs?: number): Promise<void>;
  /** Runs a shell command in the guest, one at a time. */
  run(command: string, timeoutMs?: number): Promise<GuestOutput>;
  /** Sum over CPUs per interrupt name, of the names that contain `filter` (default `virtio`). */
  interrupts(filter?: string): Promise<Map<string, number>>;
}

const PROGRAMS = ["qemu-system-x86_64", "busybox", "cpio", "lz4", "xz", "apt-get", "dpkg", "flock"];
const PACKAGES = "qemu-system-x86 qemu-system-data seabios ipxe-qemu busybox-static cpio lz4 " +
  "xz-utils";

/** Where built guests are kept, per user. */
export function testCache(): string {
  const base = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  return `${base}/guestmem-tests`;
}

let built: Promise<string | null> | undefined;

/** Why no guest can be started here, or null. Builds it on the first call. */
export function linuxGuestMissing(): Promise<string | null> {
  return built ??= build();
}

async function build(): Promise<string | null> {
  const absent = PROGRAMS.filter((program) => !onPath(program));
  if (absent.length > 0) return `no ${absent.join(", ")}: apt-get install ${PACKAGES}`;
  const script = new URL("../live/guest/build.sh", import.meta.url).pathname;
  const { success, stderr } = await new Deno.Command("bash", {
    args: [script, `${testCache()}/linux`],
    stdout: "null",
    stderr: "piped",
  }).output();
  return success ? null : `guest not built: ${new TextDecoder().decode(stderr).trim()}`;
}

/** Whether a program is on PATH. */
export function onPath(program: string): boolean {
  const directories = (Deno.env.get("PATH") ?? "").split(":");
  return directories.some((directory) => exists(`${directory}/${program}`));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Registers a test that needs a real peer: ignored, with the reason in its name, where `missing`
 * says why it can not run.
 */
export function liveTest(name: string, missing: string | null, fn: () => Promise<void>): void {
  if (missing !== null) console.log(`ignored: ${name}: ${missing}`);
  Deno.test({ name, ignore: missing !== null, fn });
}

/** Starts a guest and, unless `wait` is false, waits until its traffic runs. */
export async function startLinuxGuest(options: GuestOptions = {}): Promise<LinuxGuest> {
  const missing = await linuxGuestMissing();
  if (missing !== null) throw new Error(missing);
  const directory = await Deno.makeTempDir({ prefix: "guestmem-guest-" });
  const images = `${testCache()}/linux/out`;
  for (const disk of ["blk.img", "scsi.img"]) {
    await Deno.copyFile(`${images}/disk.img`, `${directory}/${disk}`);
  }
  const qemu = options.qemu ?? "qemu-system-x86_64";
  const args = qemuArguments(options, directory, images);
  // The guest dies with the test, even where the test is killed.
  const child = new Deno.Command("setpriv", {
    args: ["--pdeathsig", "KILL", qemu, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const guest = new RunningGuest(child, directory, [qemu, ...args]);
  if (options.wait ?? true) {
    await guest.waitReady().catch(async (error) => {
      await guest[Symbol.asyncDispose]();
      throw error;
    });
  }
  return guest;
}

class RunningGuest implements LinuxGuest {
  readonly pid: number;
  readonly qmp: string;
  readonly serialLog: string;
  readonly consoleLog: string;
  readonly diskImage: string;
  readonly #errors: Promise<string>;
  readonly #line: SerialLine;
  #ended = false;
  #disposed = false;

  constructor(
    readonly child: Deno.ChildProcess,
    readonly directory: string,
    readonly commandLine: readonly string[],
  ) {
    this.pid = child.pid;
    this.qmp = `${directory}/qmp.sock`;
    this.serialLog = `${directory}/serial.log`;
    this.consoleLog = `${directory}/hvc.log`;
    this.diskImage = `${directory}/blk.img`;
    this.#line = new SerialLine(`${directory}/serial.sock`, this.serialLog);
    this.#errors = new Response(child.stderr).text();
    child.status.then(() => this.#ended = true);
  }

  async waitReady(timeoutMs = 60_000): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (!this.#line.log().includes("GM-READY")) {
      if (this.#ended) throw new Error(`QEMU ended: ${await this.#errors}`);
      if (performance.now() > end) {
        throw new Error(`guest not ready: ...${this.#line.log().slice(-600)}`);
      }
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  run(command: string, timeoutMs = 20_000): Promise<GuestOutput> {
    return this.#line.run(command, timeoutMs);
  }

  async interrupts(filter = "virtio"): Promise<Map<string, number>> {
    const { text } = await this.run(`interrupts ${filter}`);
    return new Map(
      text.split("\n").filter(Boolean).map((line) => {
        const [name, count] = line.split(" ");
        return [name, Number(count)];
      }),
    );
  }

  /** Nothing the second time: a test may end its guest early. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#line.close();
    if (!this.#ended) this.child.kill("SIGKILL");
    await this.child.status;
    await this.#errors;
    await Deno.remove(this.directory, { recursive: true });
    await Deno.remove(`/dev/shm/${this.directory.split("/").at(-1)}`).catch(() => {});
  }
}
