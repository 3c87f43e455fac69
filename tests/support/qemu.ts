/**
 * The cheapest real guest: a boot sector that asks the firmware for a sector, for ever. About a second
 * to a moving virtio-blk ring, no operating system, split rings only.
 *
 * ```ts
 * liveTest("attaches", qemuMissing(), async () => {
 *   await using guest = await startBootSector();
 *   // guest.pid, guest.qmp
 * });
 * ```
 *
 * @module
 */
import { onPath } from "./linux_guest.ts";

/** What to start. Everything has a default. */
export interface BootSectorOptions {
  /** Default `q35`. */
  readonly machine?: "q35" | "pc";
  /** `-m`, and the backend's size. Default `256M`. */
  readonly size?: string;
  /**
   * `memfd` (default) and `shm` (a /dev/shm file) are shared, `unshared` is a memfd with share=off,
   * `plain` has no backend at all.
   */
  readonly memory?: "memfd" | "shm" | "unshared" | "plain";
  /** The device that the boot sector reads; default virtio-blk-pci on an image of its own. */
  readonly disk?: readonly string[];
  /** `$DIR` in them becomes the guest's directory. Default: one QMP socket, `$DIR/qmp.sock`. */
  readonly monitor?: readonly string[];
  /** More arguments. `$DIR` as above. */
  readonly extra?: readonly string[];
  /** Wait until SeaBIOS drives the disk. Default true. */
  readonly wait?: boolean;
  /** Run as another user, for tests of permissions. Needs root. */
  readonly uid?: number;
}

/** A running QEMU. Disposing kills it and removes its files. */
export interface BootSectorGuest extends AsyncDisposable {
  readonly pid: number;
  /** The default monitor's socket. */
  readonly qmp: string;
  /** Private directory, for sockets and files. */
  readonly directory: string;
  /** Kills QEMU and waits for it. */
  kill(): Promise<void>;
}

/** Reads sector 2 of disk 0x80 to 0x8000 by int 13h, and again: see the hexadecimal beside. */
const BOOT_CODE = "31c08ed88ec08ed0" + // xor ax,ax; mov ds,ax; mov es,ax; mov ss,ax
  "bc007c" + // mov sp,0x7c00
  "b80102" + "bb0080" + "b90200" + "ba8000" + // ax=0x0201 bx=0x8000 cx=2 dx=0x80
  "cd13" + "ebf0"; // int 0x13; jmp back to mov ax

/** Why no guest can be started here, or null. */
export function qemuMissing(): string | null {
  return onPath("qemu-system-x86_64")
    ? null
    : "no qemu-system-x86_64: apt-get install qemu-system-x86 qemu-system-data seabios";
}

/** A 1 MiB disk image that boots into the loop. */
export function bootSector(): Uint8Array {
  const image = new Uint8Array(1 << 20);
  image.set(Uint8Array.fromHex(BOOT_CODE));
  image.set([0x55, 0xaa], 510);
  // Sector 2, so that a reader can tell what arrived at 0x8000.
  image.set(new TextEncoder().encode("guestmem boot sector test"), 512);
  return image;
}

/** Starts the guest and waits until the loop runs. */
export async function startBootSector(options: BootSectorOptions = {}): Promise<BootSectorGuest> {
  const directory = await Deno.makeTempDir({ prefix: "guestmem-boot-" });
  await Deno.writeFile(`${directory}/boot.img`, bootSector());
  if (options.uid !== undefined) await Deno.chown(directory, options.uid, options.uid);
  const args = bootArguments(options, directory);
  const user = options.uid === undefined
    ? []
    : ["--reuid", `${options.uid}`, "--regid", `${options.uid}`, "--clear-groups"];
  // The guest dies with the test, even where the test is killed.
  const child = new Deno.Command("setpriv", {
    args: [...user, "--pdeathsig", "KILL", "qemu-system-x86_64", ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const guest = new RunningGuest(child, directory);
  try {
    await guest.waitStarted(options.wait ?? true);
  } catch (error) {
    await guest[Symbol.asyncDispose]();
    throw error;
  }
  return guest;
}

function bootArguments(options: BootSectorOptions, directory: string): string[] {
  const size = options.size ?? "256M";
  const backend = {
    memfd: `memory-backend-memfd,id=m,size=${size},share=on`,
    unshared: `memory-backend-memfd,id=m,size=${size},share=off`,
    shm: `memory-backend-file,id=m,size=${size},mem-path=${shmPath(directory)},share=on`,
    plain: null,
  }[options.memory ?? "memfd"];
  const machine = options.machine ?? "q35";
  const disk = options.disk ?? [
    ...["-drive", "if=none,id=d,format=raw,file=$DIR/boot.img"],
    ...["-device", "virtio-blk-pci,drive=d,disable-legacy=on"],
  ];
  const monitor = options.monitor ?? ["-qmp", "unix:$DIR/qmp.sock,server=on,wait=off"];
  return [
    ...["-M", backend === null ? machine : `${machine},memory-backend=m`, "-m", size],
    ...(backend === null ? [] : ["-object", backend]),
    ...["-accel", "tcg", "-nodefaults", "-no-user-config", "-display", "none"],
    // The firmware's debug port tells when it boots the disk.
    ...["-chardev", "file,id=fw,path=$DIR/firmware.log"],
    ...["-device", "isa-debugcon,iobase=0x402,chardev=fw"],
    ...monitor,
    ...disk,
    ...(options.extra ?? []),
  ].map((argument) => argument.replaceAll("$DIR", directory));
}

function shmPath(directory: string): string {
  return `/dev/shm/${directory.split("/").at(-1)}`;
}

class RunningGuest implements BootSectorGuest {
  readonly pid: number;
  readonly qmp: string;
  readonly #errors: Promise<string>;
  #ended = false;

  constructor(readonly child: Deno.ChildProcess, readonly directory: string) {
    this.pid = child.pid;
    this.qmp = `${directory}/qmp.sock`;
    this.#errors = new Response(child.stderr).text();
    child.status.then(() => this.#ended = true);
  }

  async waitStarted(booted: boolean, timeoutMs = 30_000): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (!this.#firmwareSays(booted ? "Booting from 0000:7c00" : "SeaBIOS")) {
      if (this.#ended) throw new Error(`QEMU ended: ${await this.#errors}`);
      if (performance.now() > end) throw new Error("the boot sector did not start");
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  async kill(): Promise<void> {
    if (!this.#ended) this.child.kill("SIGKILL");
    await this.child.status;
    await this.#errors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.directory, { recursive: true });
    await Deno.remove(shmPath(this.directory)).catch(() => {});
  }

  #firmwareSays(text: string): boolean {
    try {
      return Deno.readTextFileSync(`${this.directory}/firmware.log`).includes(text);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }
}

/** Executes a QMP command without arguments, and waits for its answer. */
export async function monitor(path: string, command: string): Promise<void> {
  using connection = await Deno.connect({ transport: "unix", path });
  const lines = ["qmp_capabilities", command].map((execute) => JSON.stringify({ execute }) + "\n");
  await connection.write(new TextEncoder().encode(lines.join("")));
  const buffer = new Uint8Array(65536);
  let text = "";
  while (text.split('"return"').length < 3) {
    const length = await connection.read(buffer);
    if (length === null) throw new Error("the monitor is gone");
    text += new TextDecoder().decode(buffer.subarray(0, length));
  }
}
