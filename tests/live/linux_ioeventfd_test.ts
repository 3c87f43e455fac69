/** QEMU's ioeventfds found in its memory, and proven by what QEMU and the guest then do. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { openSys } from "../../ffi/sys.ts";
import { SourceError } from "../../lib/errors.ts";
import { chooseKick, kicksOf } from "../../lib/kick/choose.ts";
import { findNotifiers, wantedQueues } from "../../lib/kick/find_notifiers.ts";
import { ioeventfdKick } from "../../lib/kick/ioeventfd.ts";
import type { KickSide } from "../../lib/kick/kick.ts";
import { observeProcess } from "../../lib/kick/process_shape.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { readMaps } from "../../lib/source/proc_maps.ts";
import { qemuSource } from "../../lib/source/qemu.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { qemu10 } from "../support/inside_guest.ts";
import {
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
} from "../support/linux_guest.ts";

const sys = openSys();
const missing = await linuxGuestMissing();
/** QEMU says on stderr which queue it was told about. */
const TRACED = ["-trace", "virtio_queue_notify", "-D", "$DIR/trace.log"];

function attach(guest: LinuxGuest): Promise<Attachment> {
  const target = { scheme: "qemu", what: guest.qmp, device: null, queue: null, text: guest.qmp };
  return qemuSource.attach(target, {
    sys,
    write: false,
    layout: null,
    signal: null,
    log: () => {},
  });
}

function kickOf(guest: LinuxGuest, attachment: Attachment, name: string, index: number) {
  const { devices } = attachment;
  const device = devices.find((one) => one.name === name);
  const queue = device?.queues.find((one) => one.index === index);
  if (device === undefined || queue === undefined) throw new Error(`no ${name}:${index}`);
  return (side: KickSide) => ioeventfdKick(sys, { pid: guest.pid, devices, device, queue }, side);
}

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Notifications of queue `index` that QEMU has traced. */
function traced(guest: LinuxGuest, index: number): number {
  const text = Deno.readTextFileSync(`${guest.directory}/trace.log`);
  return text.split("\n").filter((line) => line.includes(` n ${index} `)).length;
}

/** An eventfd's counter is taken first, then the queue is handled, then that is written down. */
async function tracedMore(guest: LinuxGuest, index: number, before: number): Promise<void> {
  for (let tries = 0; tries < 100 && traced(guest, index) === before; tries++) await sleep(10);
}

const newer = missing === null ? await qemu10() : { path: "", missing };
const SETUPS = [
  { packed: false, memory: "memfd" },
  { packed: true, memory: "private" },
  ...newer.missing === null ? [{ packed: false, memory: "memfd", qemu: newer.path }] as const : [],
] as const;

for (const setup of SETUPS) {
  const which = "qemu" in setup ? ", QEMU 10" : "";
  const name = `${setup.packed ? "packed" : "split"} rings in ${setup.memory} memory${which}`;
  liveTest(
    `a kick through the ioeventfd reaches that queue of QEMU: ${name}`,
    missing,
    async () => {
      await using guest = await startLinuxGuest({ ...setup, traffic: [], extra: TRACED });
      await using attachment = await attach(guest);
      const kick = kickOf(guest, attachment, "net0", 2)("kick");
      assertEquals(kick.possible, true);
      const before = traced(guest, 2);
      const { evidence } = await kick.send();
      assertMatch(evidence[1], /^counter 0 after \d+ ms: QEMU took it$/);
      await tracedMore(guest, 2, before);
      assertEquals(traced(guest, 2), before + 1);
    },
  );
}

liveTest(
  "every queue's notifiers are distinct, and those that do not exist are refused",
  missing,
  async () => {
    await using guest = await startLinuxGuest({ traffic: [] });
    await using attachment = await attach(guest);
    const wanted = wantedQueues(attachment.devices);
    const found = findNotifiers(sys, guest.pid, wanted);
    const kicks = found.map((one) => "refused" in one ? one.refused : one.kickFd);
    const fds = kicks.filter((fd) => typeof fd === "number");
    assertEquals(new Set(fds).size, fds.length);
    wanted.forEach(({ device }, index) => {
      // virtio-balloon has no ioeventfd: VIRTIO_PCI_FLAG_USE_IOEVENTFD is not on for it.
      assertEquals(typeof kicks[index] === "number", device !== "balloon0", `${device} ${index}`);
    });
    const { possible } = kickOf(guest, attachment, "balloon0", 0)("kick");
    assertMatch(String(possible), /no ioeventfd for this queue/);
  },
);

liveTest("a call through the irqfd raises the guest's interrupt count", missing, async () => {
  await using guest = await startLinuxGuest({ devices: ["scsi"], traffic: [] });
  await using attachment = await attach(guest);
  const call = kickOf(guest, attachment, "scsi0", 1)("call");
  assertEquals(call.possible, true);
  const count = async () => (await guest.interrupts("virtio0-event")).get("virtio0-event");
  const before = await count();
  await call.send();
  assertEquals(await count(), (before ?? 0) + 1);
});

liveTest("a stranger's queue is refused before anything is written", missing, async () => {
  await using guest = await startLinuxGuest({ devices: ["rng"], traffic: [] });
  await using attachment = await attach(guest);
  const eventfds = () =>
    [...observeProcess(sys, guest.pid, readMaps(sys, guest.pid)).eventfds].map(String);
  const before = eventfds();
  const [device] = attachment.devices;
  const [queue] = device.queues;
  const ring = queue.ring as RingConfig;
  const moved = { ...queue, ring: { ...ring, driver: ring.driver + 64n } };
  const devices = [{ ...device, queues: [moved] }];
  const target = { pid: guest.pid, devices, device: devices[0], queue: moved };
  const kick = ioeventfdKick(sys, target, "kick");
  assertMatch(String(kick.possible), /no struct VirtQueue/);
  const refused = await kick.send().then(() => null, (error) => error);
  assertEquals(refused?.name, "SourceError");
  assertEquals(eventfds(), before);
});

liveTest("the monitor writes a legacy device's notify port", missing, async () => {
  const options = { machine: "pc", legacy: true, devices: ["net"], traffic: [] } as const;
  await using guest = await startLinuxGuest({ ...options, extra: TRACED });
  await using attachment = await attach(guest);
  const [device] = attachment.devices;
  const kick = chooseKick(kicksOf(attachment, device, device.queues[2], "kick"), "monitor-port");
  const before = traced(guest, 2);
  const { evidence } = await kick.send();
  assertMatch(evidence[0], /^monitor wrote 16-bit 2 to port 0x[0-9a-f]+$/);
  await tracedMore(guest, 2, before);
  assertEquals(traced(guest, 2), before + 1);
});

liveTest("a modern device has no port to write: the monitor way says so", missing, async () => {
  await using guest = await startLinuxGuest({ devices: ["rng"], traffic: [] });
  await using attachment = await attach(guest);
  const [device] = attachment.devices;
  const ways = kicksOf(attachment, device, device.queues[0], "kick");
  assertEquals(chooseKick(ways, null).name, "ioeventfd", "the best way needs no name");
  const refused = assertThrows(() => chooseKick(ways, "monitor-port"), SourceError);
  assertMatch(refused.message, /no ports: it is modern/);
  assertMatch(refused.remedy, /--via ioeventfd/);
});
