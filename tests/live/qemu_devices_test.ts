/**
 * Devices of real QEMUs: vhost-user, packed rings, virtio-mmio, and the way around
 * x-query-virtio-status.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Device } from "../../lib/guest/guest.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { readDevices } from "../../lib/source/qemu_devices.ts";
import { connectMonitor } from "../../lib/source/qemu_monitor.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { sys } from "../support/host.ts";
import {
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
} from "../support/linux_guest.ts";
import { bootSector, qemuMissing, startBootSector } from "../support/qemu.ts";
import { attachTo, findGuest, moves, present } from "../support/qemu_target.ts";
import { startStorageDaemon, storageDaemonMissing } from "../support/storage_daemon.ts";

const linux = await linuxGuestMissing();

/** Disk arguments of a guest whose disk is served over vhost-user. */
function vhostUserDisk(socket: string): string[] {
  return [
    ...["-chardev", `socket,id=vu0,path=${socket}`],
    ...["-device", "vhost-user-blk-pci,id=vu,chardev=vu0,num-queues=1,disable-legacy=on"],
  ];
}

/** Time in which a driver makes its last request available before it waits for ever. */
function settled(): Promise<void> {
  return new Promise((done) => setTimeout(done, 200));
}

liveTest(
  "vhost-user: found and read, and the guest's disk still moves afterwards",
  qemuMissing() ?? storageDaemonMissing(),
  async () => {
    const directory = await Deno.makeTempDir({ prefix: "guestmem-vhost-" });
    try {
      await Deno.writeFile(`${directory}/disk.img`, bootSector());
      await using daemon = await startStorageDaemon(directory, `${directory}/disk.img`);
      await using guest = await startBootSector({ disk: vhostUserDisk(daemon.socket) });
      const found = await findGuest(guest.pid);
      assertEquals(found.devices.map(({ name, vhost, note }) => [name, vhost, note]), [
        ["vu", "vhost-user", ""],
      ]);
      await using attachment = await attachTo(guest.pid);
      const ring = present(attachment.devices[0].queues[0].ring);
      assertEquals([ring.format, ring.fetched, ring.addressSpace], ["split", undefined, "guest"]);
      assert(await moves(attachment.memory, ring), "the ring is the one that the guest uses");
      for (let i = 0; i < 5; i++) await attachment.refresh();
      using monitor = await connectMonitor(guest.qmp, { sys });
      await readDevices(monitor, { avoidStatus: true });
      await settled();
      assert(await moves(attachment.memory, ring), "asking has stopped the ring");
      // The question that is never asked would have: so this test can fail.
      const path = "/machine/peripheral/vu/virtio-backend";
      await monitor.execute("x-query-virtio-queue-status", { path, queue: 0 });
      await settled();
      assertEquals(await moves(attachment.memory, ring, 0.5), false);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

/** Name, place and rings that are in use of every device. */
function summary(devices: readonly Device[]): string[] {
  return devices.map((one) => {
    const used = one.queues.filter(({ ring, note }) => ring !== null && note === "");
    return `${one.bus.kind} ${one.name} ${one.type} ${used.map(({ name }) => name).join()}`;
  });
}

/** Whether a ring's used position changes within some seconds, as its walker sees it. */
async function walksAlong(attachment: Attachment, name: string): Promise<boolean> {
  const device = present(attachment.devices.find((one) => one.name === name));
  const ring = openRing(attachment.memory, present(device.queues[0].ring));
  const position = () => {
    const { used } = present(ring.indices());
    return `${used.index} ${used.wrap}`;
  };
  const first = position();
  for (let tries = 0; tries < 200; tries++) {
    await new Promise((done) => setTimeout(done, 20));
    if (position() !== first) return true;
  }
  return false;
}

/**
 * The features of all devices as /sys says them in the guest. The serial line of a microvm doubles or
 * drops a character now and then: such an answer is asked for again.
 */
async function negotiatedInside(guest: LinuxGuest, devices: number): Promise<bigint[]> {
  for (let tries = 0; tries < 10; tries++) {
    const { text } = await guest.run("cat /sys/bus/virtio/devices/*/features");
    const lines = text.split("\n").map((line) => line.trim());
    if (lines.length !== devices || !lines.every((line) => /^[01]{64}$/.test(line))) continue;
    return lines.map((bits) => BigInt("0b" + [...bits].reverse().join("")));
  }
  throw new Error("the guest's answers were garbled ten times");
}

const DEVICES = [
  "blk0 2 request0",
  "net0 1 rx0,tx0,ctrl",
  "serial0 3 ",
  "rng0 4 request",
  "balloon0 5 ",
  "scsi0 8 ",
];

for (const machine of ["q35", "microvm"] as const) {
  for (const packed of [false, true]) {
    const kind = `${machine}, ${packed ? "packed" : "split"}`;
    liveTest(`Linux on ${kind}: all devices, and their rings move`, linux, async () => {
      await using guest = await startLinuxGuest({ machine, packed, tick: 0.05 });
      const start = performance.now();
      await using attachment = await attachTo(guest.pid);
      console.log(`attach: ${(performance.now() - start).toFixed(1)} ms`);
      const bus = machine === "q35" ? "pci" : "mmio";
      const shown = summary(attachment.devices);
      for (const device of DEVICES) {
        assert(shown.some((line) => line.startsWith(`${bus} ${device}`)), shown.join("\n"));
      }
      for (const device of attachment.devices) {
        assertEquals([device.status, device.note, device.vhost], [15, "", null], device.name);
        if (bus === "pci") assertMatch(device.bus.id, /^0000:00:0[1-9]\.0$/);
        else assertMatch(device.bus.id, /^feb0[0-2][0-9a-e]00$/);
        const formats = new Set(device.queues.map(({ ring }) => ring?.format));
        assertEquals([...formats], [packed ? "packed" : "split"], device.name);
      }
      const serial = present(attachment.devices.find(({ name }) => name === "serial0"));
      assertEquals(serial.queues.length, 64);
      assert(serial.queues.filter(({ note }) => note.startsWith("unused")).length >= 58);
      for (const name of ["blk0", "net0", "rng0"]) {
        assert(await walksAlong(attachment, name), `${name} on ${kind}`);
      }
      const inside = await negotiatedInside(guest, attachment.devices.length);
      const outside = attachment.devices.map(({ features }) => features);
      assertEquals(inside.sort(), [...outside].sort());
    });
  }
}

liveTest(
  "without x-query-virtio-status: the same rings, and what is uncertain is told",
  linux,
  async () => {
    for (const [machine, packed] of [["q35", true], ["q35", false], ["microvm", true]] as const) {
      await using guest = await startLinuxGuest({ machine, packed, traffic: [] });
      using monitor = await connectMonitor(guest.qmp, { sys });
      const [asked, avoided] = [
        await readDevices(monitor),
        await readDevices(monitor, { avoidStatus: true }),
      ];
      const areas = (devices: readonly Device[]) =>
        devices.flatMap((one) =>
          one.queues.map(({ index, ring }) => [
            ...[one.name, one.type, one.bus.id, index, ring?.format, ring?.size],
            ...[ring?.descriptor, ring?.driver, ring?.device],
          ])
        );
      assertEquals(areas(avoided.devices), areas(asked.devices), machine);
      const RING = 0b111n << 28n | 0xffff_ffffn << 32n;
      for (const [index, device] of avoided.devices.entries()) {
        const wanted = asked.devices[index].features & RING;
        assertStringIncludes(device.note, "features are what the device offers");
        // The virtio-pci configuration shows the high half as it was negotiated, and the status.
        if (machine === "q35") {
          assertEquals(device.features >> 32n, wanted >> 32n, device.name);
          assertEquals(device.status, 15);
        }
      }
    }
  },
);
