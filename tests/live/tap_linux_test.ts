/**
 * A Linux guest with a vhost-user disk behind a tap: what a kick and a call do is seen at both ends,
 * and each of the three may be killed and come again, the target staying what it was.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { startTap } from "../../lib/tap/tap.ts";
import { isReady } from "../../lib/tap/tap_events.ts";
import { guestmem, startGuestmem } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import {
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
  testCache,
} from "../support/linux_guest.ts";
import { startStorageDaemon, storageDaemonMissing } from "../support/storage_daemon.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

const missing = storageDaemonMissing() ?? await linuxGuestMissing();
const PATIENCE = 30_000;

/** A guest whose only disk is behind `socket`; nothing reads it yet. It connects again by itself. */
function startGuest(socket: string): Promise<LinuxGuest> {
  const extra = [
    ...["-chardev", `socket,id=vu0,path=${socket},reconnect=1`],
    ...["-device", "vhost-user-blk-pci,chardev=vu0,num-queues=1"],
  ];
  return startLinuxGuest({ devices: [], traffic: [], extra });
}

/** Sectors of the disk say their number: what the guest reads of one, past its page cache. */
async function readSector(guest: LinuxGuest, sector: number): Promise<string> {
  const dd = `dd if=/dev/vda bs=512 skip=${sector} count=1 iflag=direct 2>/dev/null`;
  const { text } = await guest.run(`${dd} | head -c 60; echo`, PATIENCE);
  return text.trim();
}

async function withDisk(
  run: (folder: string, image: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    await Deno.copyFile(`${testCache()}/linux/out/disk.img`, `${folder}/disk.img`);
    await run(folder, `${folder}/disk.img`);
  });
}

/** Times each of the disk's interrupts was raised, all queues together. */
async function interrupts(guest: LinuxGuest): Promise<number> {
  return [...(await guest.interrupts("req.0")).values()].reduce((sum, count) => sum + count, 0);
}

/** What is not taken yet of an eventfd of this process. */
function counter(fd: number): number {
  const text = sys.readText(`/proc/self/fdinfo/${fd}`);
  return parseInt(/^eventfd-count:\s*([0-9a-f]+)/m.exec(text)?.[1] ?? "", 16);
}

liveTest(
  "a kick waits in the back-end's eventfd until it looks; calls raise the guest's interrupt count",
  missing,
  async () => {
    await withDisk(async (folder, image) => {
      await using daemon = await startStorageDaemon(folder, image);
      await using tap = startTap({ sys, listen: `${folder}/tap.sock`, connect: daemon.socket });
      await using guest = await startGuest(tap.socket);
      const target = `vhost:${tap.socket}/blk0:0`;
      await readSector(guest, 1);
      const ring = () => tap.connections[0].state.vrings[0];

      const before = await interrupts(guest);
      assert(before > 0, "the disk has no interrupt in the guest");
      const called = await guestmem(["kick", target, "--call", "--count", "3", "--json"]);
      assertEquals(called.code, 0, called.err);
      assertEquals(called.out.trim().split("\n").length, 3);
      assertEquals(await interrupts(guest), before + 3);

      Deno.kill(daemon.pid, "SIGSTOP");
      const kicked = await guestmem(["kick", target]);
      assertMatch(kicked.out, /counter 0, 1 after the write/);
      assertEquals(counter(ring().kickFd as number), 1);
      Deno.kill(daemon.pid, "SIGCONT");
      await until(() => counter(ring().kickFd as number) === 0, "it is taken", PATIENCE);
      assertEquals(await interrupts(guest), before + 3);
    });
  },
);

liveTest(
  "kill -9 of the back-end under a Linux guest: it comes again, and the target is the same",
  missing,
  async () => {
    await withDisk(async (folder, image) => {
      const socket = `${folder}/vhost-user.sock`;
      await using tap = startTap({ sys, listen: `${folder}/tap.sock`, connect: socket });
      let guest: LinuxGuest | null = null;
      await using undo = new AsyncDisposableStack();
      for (let round = 1; round <= 3; round++) {
        {
          // Its disposal is a kill -9.
          await using _daemon = await startStorageDaemon(folder, image);
          guest ??= undo.use(await startGuest(tap.socket));
          await until(() => tap.connections.some(({ state }) => isReady(state)), "rings", PATIENCE);
          assertEquals(await readSector(guest, 8 * round), await textOf(image, 8 * round));
          const ring = await guestmem(["dump", "ring", `vhost:${tap.socket}/blk0:0`, "--json"]);
          assertEquals(ring.code, 0, ring.err);
          assert(JSON.parse(ring.out).used.index > 0, ring.out);
        }
        await until(() => tap.connections.length === 0, "the end of the connection", PATIENCE);
        await Deno.remove(socket);
      }
      assert(tap.accepted >= 3, `${tap.accepted} connections`);
    });
  },
);

async function textOf(image: string, sector: number): Promise<string> {
  const bytes = (await Deno.readFile(image)).subarray(sector * 512, sector * 512 + 60);
  return new TextDecoder().decode(bytes).trim();
}

liveTest(
  "kill -9 of the tap under a Linux guest: the next one has the connection again",
  missing,
  async () => {
    await withDisk(async (folder, image) => {
      await using daemon = await startStorageDaemon(folder, image);
      const socket = `${folder}/tap.sock`;
      await using undo = new AsyncDisposableStack();
      let guest: LinuxGuest | null = null;
      for (let round = 1; round <= 3; round++) {
        const tap = startGuestmem(["tap", socket, daemon.socket]);
        try {
          await tap.line(/^tapping/);
          guest ??= undo.use(await startGuest(socket));
          await tap.line(/rings at vhost:.*\/blk0$/);
          assertEquals(await readSector(guest, 8 * round), await textOf(image, 8 * round));
          const kick = await guestmem(["kick", `vhost:${socket}/blk0:0`]);
          assertEquals(kick.code, 0, kick.err);
        } finally {
          await tap.end("SIGKILL");
        }
      }
    });
  },
);
