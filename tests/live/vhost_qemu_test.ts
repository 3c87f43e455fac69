/** QEMU in front of real back-ends, a tap between: the guest's I/O goes on, and can be watched. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseTarget } from "../../lib/guest/target.ts";
import { decodeChain } from "../../lib/device/decode_chain.ts";
import { deviceType } from "../../lib/device/registry.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { vhostSource } from "../../lib/source/vhost.ts";
import { startTap, type Tap } from "../../lib/tap/tap.ts";
import {
  decodeHeader,
  decodeMessage,
  type Dialect,
  encodeMessage,
  type Json,
  type Side,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { guestmem } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import { linuxGuestMissing, liveTest, onPath, startLinuxGuest } from "../support/linux_guest.ts";
import { bootSector, qemuMissing, startBootSector } from "../support/qemu.ts";
import { startStorageDaemon, storageDaemonMissing } from "../support/storage_daemon.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

const PATIENCE = 30_000;

const OPTIONS = {
  sys,
  write: false,
  layout: null,
  signal: null,
  add: [],
  replace: false,
  log: () => {},
};

function attach(what: string, signal: AbortSignal | null = null): Promise<Attachment> {
  return vhostSource.attach(parseTarget(`vhost:${what}`, () => false), { ...OPTIONS, signal });
}

function ringOf(attachment: Attachment, index = 0): RingConfig {
  const ring = attachment.devices[0].queues.find((queue) => queue.index === index)?.ring;
  if (!ring) throw new Error(`queue ${index} has no ring: ${attachment.devices[0].note}`);
  return ring;
}

function usedIndex(attachment: Attachment, index = 0): number {
  return openRing(attachment.memory, ringOf(attachment, index)).indices()?.used.index ?? -1;
}

/** Whether the device goes on using buffers of a queue. */
async function moves(attachment: Attachment, index = 0): Promise<void> {
  const first = usedIndex(attachment, index);
  await until(() => usedIndex(attachment, index) !== first, `queue ${index} moves`, PATIENCE);
}

/** QEMU's arguments for a vhost-user device at a socket. */
function vhostUser(socket: string, device: string): string[] {
  return ["-chardev", `socket,id=vu0,path=${socket}`, "-device", `${device},chardev=vu0`];
}

/** Every recorded message decodes and encodes to the bytes that passed. */
function checkRecords(records: readonly Record<string, Json>[]): number {
  let dialect: Dialect = { protocolFeatures: null, memorySeen: false };
  const messages = records.filter((record) => "bytes" in record);
  for (const { bytes, origin, name } of messages) {
    const raw = Uint8Array.fromHex(bytes as string);
    const message = decodeMessage(origin as Side, decodeHeader(raw), raw.subarray(12), dialect);
    assertEquals(message.name, name);
    assertEquals(
      message.rest.length <= 4,
      true,
      `${name} has ${message.rest.length} bytes too many`,
    );
    assertEquals(encodeMessage(message), raw, message.name);
    const { payload } = message;
    if (message.name === "SET_PROTOCOL_FEATURES" && payload.kind === "u64") {
      dialect = { ...dialect, protocolFeatures: payload.value };
    }
  }
  return messages.length;
}

const blkMissing = qemuMissing() ?? storageDaemonMissing();

/** A guest that reads its vhost-user disk for ever, a tap between it and qemu-storage-daemon. */
async function tappedDisk(
  run: (tap: Tap, records: Record<string, Json>[], pid: number) => Promise<void>,
  size = "256M",
): Promise<void> {
  await inFolder(async (folder) => {
    await Deno.writeFile(`${folder}/disk.img`, bootSector());
    await using daemon = await startStorageDaemon(folder, `${folder}/disk.img`);
    const records: Record<string, Json>[] = [];
    const record = (entry: Record<string, Json>) => void records.push(entry);
    await using tap = startTap({
      sys,
      listen: `${folder}/tap.sock`,
      connect: daemon.socket,
      record,
    });
    const disk = vhostUser(tap.socket, "vhost-user-blk-pci,num-queues=1");
    await using guest = await startBootSector({ disk, size });
    await run(tap, records, guest.pid);
  });
}

liveTest(
  "QEMU and qemu-storage-daemon: the disk works, its ring is read by user address",
  blkMissing,
  async () => {
    await tappedDisk(async (tap, records, pid) => {
      await using attachment = await attach(tap.socket);
      const [device] = attachment.devices;
      assertEquals([device.name, device.type, device.vhost], ["blk0", 2, "vhost-user"]);
      const ring = ringOf(attachment);
      assertEquals([ring.format, ring.addressSpace], ["split", "user"]);
      await moves(attachment);
      assertEquals(openRing(attachment.memory, ring).snapshot().findings, []);
      const text = new TextDecoder().decode(attachment.memory.bytes(0x8000n, 25));
      assertEquals(text, "guestmem boot sector test");
      const snapshot = openRing(attachment.memory, ring).snapshot({
        chains: "recent",
        recentCount: 4,
      });
      const context = { features: device.features, queue: 0, queueCount: 1, bigEndian: false };
      const types = Array.from({ length: snapshot.chainCount }, (_, n) => snapshot.chain(n))
        .map((chain) =>
          decodeChain(chain, attachment.memory, deviceType(2), { ...context, state: chain.state })
            ?.type
        );
      assert(types.includes("IN"), types.join());
      assertEquals(tap.connections[0].state.config?.data.length, 57);
      const messages = checkRecords(records);
      assert(messages >= 20, `${messages} messages`);
      const found = (await vhostSource.find?.(OPTIONS))?.find(({ target }) =>
        target === `vhost:${tap.socket}`
      );
      assertEquals([found?.pid, found?.memory], [pid, 256n << 20n]);
    });
  },
);

liveTest("6 GiB of memory: two regions of one file, at the right offsets", blkMissing, async () => {
  await tappedDisk(async (tap) => {
    await using attachment = await attach(tap.socket);
    const regions = attachment.memory.table.regions.map((
      { guest, length, offset },
    ) => [guest, length, offset]);
    assertEquals(regions, [
      [0n, 2n << 30n, 0],
      [4n << 30n, 4n << 30n, 2 * 2 ** 30],
    ]);
    await moves(attachment);
  }, "6G");
});

liveTest(
  "QEMU pointed straight at us: its driver's request stays in the ring",
  qemuMissing(),
  async () => {
    await inFolder(async (folder) => {
      const socket = `${folder}/sink.sock`;
      const attaching = attach(socket, AbortSignal.timeout(PATIENCE));
      await until(() => {
        try {
          return sys.stat(socket).mode > 0;
        } catch {
          return false;
        }
      }, "our socket");
      const disk = vhostUser(socket, "vhost-user-blk-pci,num-queues=1");
      await using guest = await startBootSector({ disk, wait: false });
      await using attachment = await attaching;
      const ring = ringOf(attachment);
      const indices = () => openRing(attachment.memory, ring).indices();
      await until(() => (indices()?.inFlight ?? 0) > 0, "a request", PATIENCE);
      assertEquals(indices()?.used.index, 0);
      assertEquals(attachment.devices[0].name, "blk0");
      assert(guest.pid > 0);
      // From another process, as from another terminal.
      const shown = await guestmem(["dump", "ring", `vhost:${socket}/blk0:0`]);
      assertEquals(shown.code, 0, shown.err);
      assertStringIncludes(shown.out, "1 chain");
    });
  },
);

liveTest(
  "a pair that runs already: its memory is found, and what is missing is said",
  blkMissing,
  async () => {
    await inFolder(async (folder) => {
      await Deno.writeFile(`${folder}/disk.img`, bootSector());
      await using daemon = await startStorageDaemon(folder, `${folder}/disk.img`);
      const disk = vhostUser(daemon.socket, "vhost-user-blk-pci,num-queues=1");
      await using guest = await startBootSector({ disk });
      await using attachment = await attach(daemon.socket);
      assertEquals(attachment.memory.table.size, 256n << 20n);
      const text = () => new TextDecoder().decode(attachment.memory.bytes(0x8000n, 25));
      await until(() => text() === "guestmem boot sector test", "the sector", PATIENCE);
      const [device] = attachment.devices;
      assertEquals([device.vhost, device.queues], ["vhost-user", []]);
      assert(device.note.includes("ring addresses"), device.note);
      assert(device.note.includes(`of ${guest.pid}`), device.note);
      assert(/eventfd [0-9]+ \(fd/.test(device.note), device.note);
      const [region] = attachment.memory.table.regions;
      assert(
        sys.readText(`/proc/${guest.pid}/maps`, 1 << 24).includes((region.user ?? 0n).toString(16)),
      );
    });
  },
);

const VIRTIOFSD = "/usr/lib/qemu/virtiofsd";

function virtiofsdMissing(): string | null {
  try {
    return Deno.statSync(VIRTIOFSD).isFile ? null : `${VIRTIOFSD} is no file`;
  } catch {
    return `no ${VIRTIOFSD}: apt-get install qemu-system-common`;
  }
}

const fsMissing = virtiofsdMissing() ?? (onPath("setpriv") ? null : "no setpriv") ??
  await linuxGuestMissing();

liveTest("QEMU and virtiofsd: a Linux guest reads its files through a tap", fsMissing, async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/share`);
    await Deno.writeTextFile(`${folder}/share/hello`, "hello through virtiofs\n");
    const back = `${folder}/fs.sock`;
    const child = new Deno.Command("setpriv", {
      args: [
        ...["--pdeathsig", "KILL", VIRTIOFSD, `--socket-path=${back}`],
        ...["-o", `source=${folder}/share`, "-o", "sandbox=chroot", "-o", "cache=none"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const records: Record<string, Json>[] = [];
      const record = (entry: Record<string, Json>) => void records.push(entry);
      await using tap = startTap({ sys, listen: `${folder}/tap.sock`, connect: back, record });
      await until(
        () => {
          try {
            return sys.stat(back).mode > 0;
          } catch {
            return false;
          }
        },
        "virtiofsd",
        PATIENCE,
      );
      const extra = vhostUser(tap.socket, "vhost-user-fs-pci,queue-size=256,tag=lab");
      await using guest = await startLinuxGuest({ devices: ["rng"], extra });
      const mount = await guest.run(
        "mkdir -p /lab && mount -t virtiofs lab /lab && cat /lab/hello",
      );
      assertEquals(mount, { status: 0, text: "hello through virtiofs" });
      await using attachment = await attach(tap.socket);
      const [device] = attachment.devices;
      assertEquals([device.name, device.type, device.queues.length], ["fs0", 26, 2]);
      const before = usedIndex(attachment, 1);
      const list = await guest.run("ls /lab; cat /lab/hello >/dev/null");
      assertEquals(list, { status: 0, text: "hello" });
      assert(usedIndex(attachment, 1) > before, "the request queue did not move");
      assert(checkRecords(records) >= 30);
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
  });
});
