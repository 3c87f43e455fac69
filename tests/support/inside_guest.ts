/**
 * A Linux guest with Deno and this project inside it, for what can only be seen from there.
 *
 * @module
 */
import {
  type GuestOptions,
  type GuestOutput,
  type LinuxGuest,
  linuxGuestMissing,
  onPath,
  startLinuxGuest,
  testCache,
} from "./linux_guest.ts";

/** A guest that can run Deno. */
export interface InsideGuest extends AsyncDisposable {
  readonly guest: LinuxGuest;
  /** Runs the command line in the guest: `["map", "pci:05.0"]`. */
  guestmem(...args: string[]): Promise<GuestOutput>;
  /** Evaluates a module in the guest, where the project is at /project. */
  evaluate(code: string): Promise<GuestOutput>;
}

const REPOSITORY = new URL("../../", import.meta.url).pathname;

/** Why there can be no such guest, or null. */
export async function insideGuestMissing(): Promise<string | null> {
  const missing = await linuxGuestMissing();
  if (missing !== null) return missing;
  return onPath("mke2fs") ? null : "no mke2fs: apt-get install e2fsprogs";
}

/** QEMU 10 of bookworm-backports, and why it can not be had (null where it can). */
export async function qemu10(): Promise<
  { readonly path: string; readonly missing: string | null }
> {
  const path = `${testCache()}/qemu10`;
  const { success, stderr } = await script("qemu10.sh", path);
  const missing = success ? null : new TextDecoder().decode(stderr).trim();
  return { path: `${path}/qemu-system-x86_64`, missing };
}

/** Starts it; `options` as for any guest, without devices of its own. */
export async function startInsideGuest(options: GuestOptions): Promise<InsideGuest> {
  const image = await Deno.makeTempFile({ suffix: ".img" });
  const cache = `${testCache()}/deno`;
  try {
    const made = await script("deno_disk.sh", cache, Deno.execPath(), REPOSITORY, image);
    if (!made.success) throw new Error(new TextDecoder().decode(made.stderr));
    const guest = await startLinuxGuest({
      devices: [],
      traffic: [],
      megabytes: 1024,
      ...options,
      extra: [
        ...disks(options.machine === "microvm", `${cache}/deno.img`, image),
        ...options.extra ?? [],
      ],
    });
    return await mounted(guest, image);
  } catch (error) {
    await Deno.remove(image);
    throw error;
  }
}

/** Deno's disk and the project's. */
function disks(mmio: boolean, deno: string, project: string): string[] {
  const device = mmio ? "virtio-blk-device" : "virtio-blk-pci";
  // Which is vda depends on the bus: they are told apart by serial number.
  return [["deno", deno], ["project", project]].flatMap(([id, file]) => [
    ...["-drive", `if=none,id=${id},format=raw,readonly=on,file=${file}`],
    ...["-device", `${device},drive=${id},serial=${id}`],
  ]);
}

/** One command line. */
const MOUNT = "for disk in vda vdb; do case $(cat /sys/block/$disk/serial) in " +
  "deno) deno=$disk;; project) project=$disk;; esac; done; " + [
  "mount -t ext4 -o ro /dev/$deno /mnt",
  "mount -t ext4 -o ro /dev/$project /mnt/project",
  "mount -t tmpfs tmp /mnt/tmp",
  "mount -t proc proc /mnt/proc",
  "mount -t sysfs sys /mnt/sys",
  "mount -t devtmpfs dev /mnt/dev",
  "mkdir /mnt/tmp/cache",
  "ln -s /cache/npm /mnt/tmp/cache/npm",
].join(" && ");

async function mounted(guest: LinuxGuest, image: string): Promise<InsideGuest> {
  const { status, text } = await guest.run(MOUNT);
  if (status !== 0) throw new Error(`${MOUNT}: ${text}`);
  const environment = "DENO_DIR=/tmp/cache HOME=/tmp NO_COLOR=1 DENO_NO_UPDATE_CHECK=1";
  const deno = (...words: string[]) =>
    guest.run(`${environment} chroot /mnt /deno ${words.join(" ")}`, 120_000);
  const flags = "--no-prompt --quiet --cached-only -A";
  return {
    guest,
    guestmem: (...args) => deno("run", flags, "/project/cli/main.ts", ...args.map(quoted)),
    async evaluate(code) {
      await guest.run(`echo ${btoa(code)} | base64 -d > /mnt/tmp/evaluate.ts`);
      return await deno("run", flags, "--no-check --config=/project/deno.json /tmp/evaluate.ts");
    },
    async [Symbol.asyncDispose]() {
      await guest[Symbol.asyncDispose]();
      await Deno.remove(image);
    },
  };
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function script(name: string, ...args: string[]): Promise<Deno.CommandOutput> {
  const path = new URL(`../live/guest/${name}`, import.meta.url).pathname;
  return new Deno.Command("bash", { args: [path, ...args], stdout: "null", stderr: "piped" })
    .output();
}
