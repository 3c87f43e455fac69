/** The command line inside a real guest: what it finds, maps, reads and kicks there. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { openSys } from "../../ffi/sys.ts";
import { IvshmemClient } from "../../lib/ivshmem/client.ts";
import { startIvshmemServer } from "../../lib/ivshmem/server.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { openTarget } from "../../lib/source/attach.ts";
import {
  type InsideGuest,
  insideGuestMissing,
  qemu10,
  startInsideGuest,
} from "../support/inside_guest.ts";
import { liveTest } from "../support/linux_guest.ts";
import { readPage } from "../support/docs/page.ts";
import { checkTyped } from "../support/docs/play_inside.ts";

const sys = openSys();
const missing = await insideGuestMissing();
const newer = missing === null ? await qemu10() : { path: "", missing };

liveTest("PCI inside a guest: shared memory regions and ivshmem BARs", newer.missing, async () => {
  const name = `guestmem-inside-${crypto.randomUUID().slice(0, 8)}`;
  const shm = `/dev/shm/${name}`;
  using cleanup = new DisposableStack();
  await Deno.writeFile(shm, new Uint8Array(1 << 20));
  cleanup.defer(() => Deno.removeSync(shm));
  await using server = startIvshmemServer({
    sys,
    path: `/tmp/${name}.sock`,
    size: 65536,
    vectors: 2,
  });
  await using client = await IvshmemClient.connect({ sys, path: server.path });
  await using inside = await startInsideGuest({
    qemu: newer.path,
    extra: [
      ...["-device", "virtio-gpu-pci,hostmem=256M,addr=7"],
      ...["-object", `memory-backend-file,id=shm,mem-path=${shm},size=1M,share=on`],
      ...["-device", "ivshmem-plain,memdev=shm,addr=8"],
      ...["-chardev", `socket,path=${server.path},id=iv`],
      ...["-device", "ivshmem-doorbell,vectors=2,chardev=iv,addr=9"],
    ],
  });
  const run = async (...args: string[]) => {
    const { status, text } = await inside.guestmem(...args);
    assertEquals(status, 0, text);
    return text;
  };

  const found = await run("find", "--plain");
  for (const target of ["pci:0000:00:07.0/gpu", "pci:0000:00:08.0", "pci:0000:00:09.0"]) {
    assert(found.includes(target), found);
  }
  // The capability's region, read through the BAR that sysfs gives.
  assertMatch(await run("map", "pci:07.0"), /256M {2}ro .* shm1 .*0000:00:07\.0 BAR 4 .* ok/);
  // Every range that its capabilities name, the notify area with its multiplier.
  const areas = await run("dump", "config", "pci:07.0");
  assertMatch(areas, /notify +2 +0x3000 +0x1000 +4/);
  assertMatch(areas, /shared-memory 1 +4 +0x0 +0x10000000/);

  // The host's bytes through BAR 2 of ivshmem-plain.
  const file = await Deno.open(shm, { write: true });
  await file.write(new TextEncoder().encode("written by the host"));
  file.close();
  const bar = await inside.guest.run("sed -n 3p /sys/bus/pci/devices/0000:00:08.0/resource");
  const dumped = await run("dump", "mem", "pci:08.0", bar.text.split(" ")[0], "32");
  assertMatch(dumped, /written by the/);

  // The doorbell register rings our client, peer 0.
  assertMatch(await run("kick", "pci:09.0/0:1"), /peer 0, vector 1[^]*wrote 0x1 to the doorbell/);
  const [interrupt] = await client.waitInterrupt([0n, 0n], 3000);
  assertEquals(interrupt, { vector: 1, count: 1n });

  await pageIsKept("pci", inside);
});

/** The transcripts of a docs page, typed in the guest. */
async function pageIsKept(scheme: "pci" | "mmio", inside: InsideGuest): Promise<void> {
  const page = readPage(`cli/docs/targets/${scheme}.md`);
  await checkTyped(page, `inside ${scheme}`, async ([, ...args]) => {
    return (await inside.guestmem(...args)).text;
  });
}

/** Devices whose queue 1 nobody uses, so that a notification of it is ours. */
async function kicks(machine: "q35" | "microvm", devices: string[], work: Work): Promise<void> {
  await using inside = await startInsideGuest({
    machine,
    // Else the kernel keeps registers that a driver has claimed to itself.
    kernelArguments: "iomem=relaxed",
    extra: [...devices, "-trace", "virtio_queue_notify", "-D", "$DIR/trace.log"],
  });
  const traced = () => {
    const text = Deno.readTextFileSync(`${inside.guest.directory}/trace.log`);
    return text.split("\n").filter((line) => line.includes(" n 1 ")).length;
  };
  const kick = async (...args: string[]) => {
    const before = traced();
    const { status, text } = await inside.guestmem("kick", ...args);
    assertEquals(status, 0, text);
    return { text, notified: traced() - before };
  };
  await work(kick, inside);
}

type Kick = (...args: string[]) => Promise<{ text: string; notified: number }>;
type Work = (kick: Kick, inside: InsideGuest) => Promise<void>;

/** What NOTIFICATION_DATA would say of each queue of the balloon, which no device here offers. */
const POSITIONS = `
import { openSys } from "/project/ffi/sys.ts";
import { nextPosition } from "/project/lib/kick/driver_position.ts";
import { readQueueNotify } from "/project/lib/transport/common_config.ts";
import { enumeratePci } from "/project/lib/transport/enumerate.ts";
import { CFG_TYPE, firstUsable } from "/project/lib/transport/pci_capabilities.ts";
import { openBar } from "/project/lib/transport/register_window.ts";
import { sysfsReader } from "/project/lib/transport/sysfs_reader.ts";
const sys = openSys();
const device = enumeratePci(sysfsReader(sys)).find(({ address }) => address === "0000:00:07.0");
const common = firstUsable(device.capabilities, CFG_TYPE.common);
using bar = openBar(sys, device.address, device.bars[common.bar], common.offset, 64, true);
const next = (queue) => nextPosition(sys, readQueueNotify(bar, queue), device.node.features);
console.log(JSON.stringify([0, 1, 2].map(next)));
`;

liveTest("kicks inside a guest reach the device: notify address and port", missing, async () => {
  const devices = [
    ...["-device", "virtio-balloon-pci,disable-legacy=on,addr=7"],
    ...["-device", "virtio-serial-pci,disable-legacy=off,disable-modern=on,addr=8"],
  ];
  await kicks("q35", devices, async (kick, inside) => {
    // What the guest's own memory says of its rings is what the host sees there.
    await using outside = await openTarget(`qemu:${inside.guest.pid}`, { sys });
    const balloon = outside.devices.find(({ type }) => type === 5);
    const indices = balloon?.queues.map(({ ring }) =>
      openRing(outside.memory, ring as RingConfig).indices()?.available.index
    );
    const { text: positions } = await inside.evaluate(POSITIONS);
    const next = JSON.parse(positions).map(({ index }: { index: number }) => index);
    assertEquals(next, indices?.slice(0, 3), positions);
    assert(next.some((index: number) => index > 0), positions);
    const modern = await kick("pci:07.0/balloon:1");
    assertMatch(modern.text, /wrote 16-bit 0x1 to BAR 4 \+ 0x3004/);
    assertEquals(modern.notified, 1);
    const legacy = await kick("pci:08.0/console:1");
    assertMatch(legacy.text, /wrote 16-bit 1 to port 0x/);
    assertEquals(legacy.notified, 1);
  });
});

liveTest("kicks inside a guest reach the device: QueueNotify of MMIO", missing, async () => {
  await kicks("microvm", ["-device", "virtio-balloon-device"], async (kick, inside) => {
    const { text, notified } = await kick("mmio:feb02a00/balloon:1");
    assertMatch(text, /wrote 32-bit 0x1 to QueueNotify/);
    assertEquals(notified, 1);
    await pageIsKept("mmio", inside);
  });
});
