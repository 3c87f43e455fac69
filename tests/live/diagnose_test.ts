/**
 * Every verdict on a ring that is really stuck: the demo guest broken in each way, and QEMU with its
 * process stopped, its virtual machine paused, its disk throttled to nothing, and a Linux driver
 * whose interrupts are masked.
 */
import { assert, assertEquals } from "@std/assert";
import { diagnoseGuest } from "../../lib/diagnose/guest.ts";
import { guestmem, startGuestmem } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import {
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
} from "../support/linux_guest.ts";
import { monitor, qemuMissing, startBootSector } from "../support/qemu.ts";

interface Report {
  readonly halted: string | null;
  readonly queues: readonly {
    verdict: string;
    turn: string;
    target: string;
    queue: string;
    available: number | null;
    evidence: string[];
    next: string;
  }[];
}

async function diagnosed(target: string, ...more: string[]): Promise<Report & { code: number }> {
  const { code, out, err } = await guestmem(["diagnose", target, "--json", "--check", ...more]);
  assert(out.startsWith("{"), err);
  return { ...JSON.parse(out), code };
}

/** Diagnoses until a verdict is reached: the guest takes a moment to get stuck. */
async function reaches(target: string, verdict: string, ...more: string[]): Promise<Report> {
  let last: Report | null = null;
  for (let n = 0; n < 10; n++) {
    last = await diagnosed(target, ...more);
    if (last.queues[0]?.verdict === verdict) return last;
  }
  throw new Error(`never "${verdict}": ${JSON.stringify(last)}`);
}

const BREAKS = {
  "stop-device": "device not consuming",
  "lose-kick": "lost kick",
  "suppress-kicks": "kicks suppressed",
  "stop-reaping": "driver not reaping",
  "ring-full": "ring full",
  "corrupt-chain": "corrupt",
  "not-ready": "not ready",
};

for (const [way, verdict] of Object.entries(BREAKS)) {
  Deno.test(`demo, ${way}: ${verdict}, and only on the broken queue`, async () => {
    const demo = startGuestmem(["demo", "--for", "60s", "--break", way, "--break-after", "1s"]);
    try {
      const [target] = /proc:[0-9]+/.exec(await demo.line(/proc:[0-9]+/)) ?? [""];
      const { queues } = await reaches(target, verdict, "--for", "500ms");
      assertEquals(queues[0].target, `${target}/blk0:0`);
      const others = queues.slice(1).map((queue) => queue.verdict);
      assert(others.every((one) => one === "moving" || one === "idle"), others.join());
    } finally {
      await demo.end("SIGINT");
    }
  });
}

Deno.test("demo: the suggested kick mends a lost kick", async () => {
  const demo = startGuestmem([
    "demo",
    "--for",
    "60s",
    "--break",
    "lose-kick",
    "--break-after",
    "1s",
  ]);
  try {
    const [target] = /proc:[0-9]+/.exec(await demo.line(/proc:[0-9]+/)) ?? [""];
    const { queues: [queue] } = await reaches(target, "lost kick", "--for", "500ms");
    const before = await used(queue.target);
    const kicked = await guestmem(queue.next.split(" ").slice(1));
    assertEquals(kicked.code, 0, kicked.err);
    assert(await used(queue.target) !== before, "the device did not wake up");
  } finally {
    await demo.end("SIGINT");
  }
});

async function used(target: string): Promise<number> {
  const { out } = await guestmem(["dump", "ring", target, "--json"]);
  return JSON.parse(out).used.index;
}

liveTest("QEMU stopped by a signal is named at once", qemuMissing(), async () => {
  await using guest = await startBootSector();
  Deno.kill(guest.pid, "SIGSTOP");
  try {
    for (const place of ["", "/virtio-blk0:0"]) {
      const { halted, queues, code } = await diagnosed(`qemu:${guest.pid}${place}`);
      assert(halted?.includes("stopped by a signal"), String(halted));
      assertEquals(code, 3);
      // Nobody can be asked where the ring is: it is found in memory.
      const disk = queues.find(({ queue }) => queue === "request0");
      if (disk === undefined) throw new Error(JSON.stringify(queues));
      assert(disk.available !== null);
      assert(["idle", "device not consuming", "driver not reaping"].includes(disk.verdict));
      assertEquals(disk.next, disk.verdict === "idle" ? "" : `kill -CONT ${guest.pid}`);
      assert(disk.evidence.at(-1)?.startsWith("found by its shape"), disk.evidence.join());
    }
    const plain = await guestmem(["diagnose", `qemu:${guest.pid}`, "--for", "100ms", "--plain"]);
    assert(plain.out.split("\t").length >= 8, plain.out);
    const target = `qemu:${guest.pid}/virtio-blk0:0`;
    for (const words of [["dump", "ring", target], ["kick", target]]) {
      const { code, err } = await guestmem(words);
      assertEquals(code, 1);
      assert(err.includes(`process ${guest.pid} is stopped by a signal`), err);
      assert(err.includes(`remedy: kill -CONT ${guest.pid}`), err);
    }
  } finally {
    Deno.kill(guest.pid, "SIGCONT");
  }
});

liveTest("QEMU stopped while it is looked at is not called moving", qemuMissing(), async () => {
  await using guest = await startBootSector();
  const report = diagnoseGuest(`qemu:${guest.pid}`, { sys, duration: 3000, looks: 16 });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  Deno.kill(guest.pid, "SIGSTOP");
  try {
    const { halted, queues } = await report;
    assert(halted?.includes("stopped by a signal"), String(halted));
    assert(queues[0].verdict !== "moving", queues[0].evidence.join());
  } finally {
    Deno.kill(guest.pid, "SIGCONT");
  }
});

liveTest("a paused virtual machine is named, and its queues with it", qemuMissing(), async () => {
  await using guest = await startBootSector();
  assertEquals((await diagnosed(`qemu:${guest.pid}`)).queues[0].verdict, "moving");
  await monitor(guest.qmp, "stop");
  const { halted, code } = await diagnosed(`qemu:${guest.pid}`);
  assert(halted?.includes("paused"), String(halted));
  assertEquals(code, 3);
});

liveTest("a disk throttled to nothing: the device does not consume", qemuMissing(), async () => {
  const disk = [
    ...["-drive", "if=none,id=d,format=raw,file=$DIR/boot.img,throttling.bps-total=1"],
    ...["-device", "virtio-blk-pci,drive=d,disable-legacy=on"],
  ];
  await using guest = await startBootSector({ disk, wait: false });
  const { queues } = await reaches(`qemu:${guest.pid}`, "device not consuming");
  assertEquals(queues[0].turn, "device");
});

liveTest("a Linux driver without interrupts does not reap", await linuxGuestMissing(), async () => {
  await using guest = await startLinuxGuest({ devices: ["blk"], iops: 4 });
  await reaches(`qemu:${guest.pid}`, "moving");
  await maskInterrupts(guest);
  const { queues } = await reaches(`qemu:${guest.pid}`, "driver not reaping");
  assertEquals(queues[0].turn, "driver");
});

/** A disk that takes eight seconds for each request. */
const SLOW_DISK = [
  ...["-blockdev", "driver=null-co,node-name=slow,size=1048576,latency-ns=8000000000"],
  ...["-device", "virtio-blk-pci,id=slow0,drive=slow"],
];

liveTest(
  "a driver that is paused before it takes its first answer does not reap",
  await linuxGuestMissing(),
  async () => {
    await using guest = await startLinuxGuest({ devices: [], extra: SLOW_DISK, wait: false });
    const target = `qemu:${guest.pid}/slow0:0`;
    // The kernel looks for partitions as it finds the disk.
    await until(async () => (await positions(target)).join() === "1,0");
    // QEMU stops the processors first, then waits for the request.
    await monitor(guest.qmp, "stop");
    await until(async () => (await positions(target)).join() === "1,1");
    const { queues: [queue] } = await diagnosed(target);
    assertEquals([queue.verdict, queue.turn], ["driver not reaping", "driver"]);
    assert(queue.evidence.join().includes("used is 1 past the driver's used_event 0"));
    await monitor(guest.qmp, "cont");
    await until(async () => (await diagnosed(target)).queues[0].verdict !== "driver not reaping");
  },
);

/** Available and used index; NaN while there is no ring. */
async function positions(target: string): Promise<number[]> {
  const { code, out } = await guestmem(["dump", "ring", target, "--json"]);
  if (code !== 0) return [NaN, NaN];
  const { available, used } = JSON.parse(out);
  return [available?.index ?? NaN, used?.index ?? NaN];
}

async function until(done: () => Promise<boolean>, seconds = 90): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !await done();) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Sets Function Mask in the disk's MSI-X capability (PCI 3.0, 6.8.2.3): its interrupts stay pending. */
async function maskInterrupts(guest: LinuxGuest): Promise<void> {
  const found = await guest.run("dirname $(readlink -f /sys/bus/virtio/devices/virtio0)");
  const folder = found.text.trim();
  const at = await msixCapability(guest, folder);
  await guest.run(`printf '\\300' | dd of=${folder}/config bs=1 seek=${at + 3} conv=notrunc`);
}

/** Where the capability stands. A busy serial line garbles an answer now and then: asked again. */
async function msixCapability(guest: LinuxGuest, folder: string): Promise<number> {
  for (let tries = 0; tries < 8; tries++) {
    const { text } = await guest.run(`head -c 256 ${folder}/config | od -An -v -tx1`);
    const digits = text.replace(/[^0-9a-f]/g, "");
    if (digits.length !== 512) continue;
    const config = Uint8Array.fromHex(digits);
    let at = config[0x34];
    for (let n = 0; n < 48 && config[at] !== 0x11; n++) at = config[at + 1];
    if (config[0] === 0xf4 && config[1] === 0x1a && config[at] === 0x11) return at;
  }
  throw new Error("no MSI-X capability");
}
