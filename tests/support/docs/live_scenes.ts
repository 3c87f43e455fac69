/**
 * Scenes with a real QEMU.
 *
 * @module
 */
import { bootSector, qemuMissing, startBootSector } from "../qemu.ts";
import { attachTo, present } from "../qemu_target.ts";
import { storageDaemonMissing } from "../storage_daemon.ts";
import { folderScene, type LIVE_SCENE_NAMES, type Opener, type Scene } from "./scene.ts";

const OPENERS: Readonly<Record<typeof LIVE_SCENE_NAMES[number], Opener>> = {
  qemu: openQemu,
  dump: openDump,
  boot: openBoot,
};

/** By their first word. */
export const LIVE_SCENES: Readonly<Record<string, Opener>> = OPENERS;

/** Why a live scene can not be opened here, or null. */
export function sceneMissing(name: string): string | null {
  return qemuMissing() ?? (name === "boot" ? storageDaemonMissing() : null);
}

/**
 * `qemu [stuck]`: firmware that reads a disk for ever, process 4242. The disk is throttled, so that one
 * request is with the device at any look; where it is `stuck`, the first never ends.
 */
async function openQemu([how]: readonly string[]): Promise<Scene> {
  const limit = how === "stuck" ? "bps-total=1" : "iops-total=10";
  const disk = [
    ...["-drive", `if=none,id=d,format=raw,file=$DIR/boot.img,throttling.${limit}`],
    ...["-device", "virtio-blk-pci,drive=d,disable-legacy=on"],
  ];
  const guest = await startBootSector({ disk, wait: how !== "stuck" });
  if (how === "stuck") await new Promise((done) => setTimeout(done, 3000));
  const scene = folderScene();
  const names = [["4242", `${guest.pid}`], ["/run/vm1.sock", guest.qmp]] as const;
  return {
    ...scene,
    // Longer names first: /run itself is a name of the folder's.
    names: [...names, ...scene.names],
    [Symbol.asyncDispose]: async () => {
      await guest[Symbol.asyncDispose]();
      await scene[Symbol.asyncDispose]();
    },
  };
}

/** `dump`: vm.dump, of a guest that was reading its disk and is no more. */
async function openDump(): Promise<Scene> {
  const scene = folderScene();
  await using guest = await startBootSector({ size: "64M" });
  await using live = await attachTo(guest.pid);
  const monitor = present(live.monitor);
  const protocol = `file:${scene.folder}/vm.dump`;
  // A busy machine takes longer than the monitor may: the dump is made beside it.
  await monitor.execute("dump-guest-memory", { paging: false, protocol, detach: true });
  for (let status = "active"; status === "active";) {
    ({ status } = await monitor.execute("query-dump") as { status: string });
    await new Promise((done) => setTimeout(done, 50));
  }
  return scene;
}

/** `boot`: disk.img, which a page's own QEMU boots. */
function openBoot(): Promise<Scene> {
  const scene = folderScene();
  Deno.writeFileSync(`${scene.folder}/disk.img`, bootSector());
  return Promise.resolve(scene);
}
