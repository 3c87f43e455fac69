/** The test guest itself: it boots on every machine kind, makes traffic and takes commands. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
} from "../support/linux_guest.ts";

const missing = await linuxGuestMissing();

/** Waits until a file of the host contains a text. */
async function eventually(path: string, text: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (Deno.readTextFileSync(path).includes(text)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${path} never said "${text}"`);
}

/** Waits until a device has interrupted since: its traffic comes by ticks of 200 ms. */
async function eventuallyInterrupted(
  guest: LinuxGuest,
  before: ReadonlyMap<string, number>,
): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const now = await guest.interrupts();
    if ([...now].some(([name, count]) => count > (before.get(name) ?? 0))) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`no interrupt since ${JSON.stringify([...before])}`);
}

const DRIVERS = [
  "virtio_balloon",
  "virtio_blk",
  "virtio_console",
  "virtio_net",
  "virtio_rng",
  "virtio_scsi",
];

for (const machine of ["q35", "microvm"] as const) {
  liveTest(`${machine} guest drives every device and answers commands`, missing, async () => {
    await using guest = await startLinuxGuest({ machine });
    const log = Deno.readTextFileSync(guest.serialLog);
    const drivers = [...log.matchAll(/driver=(\w+) status=0x0000000f/g)].map((match) => match[1]);
    assertEquals(drivers.sort(), DRIVERS);
    const bus = machine === "q35"
      ? /at=pci0000:00\/0000:00:0/
      : /at=platform\/(LNRO0005|virtio-mmio)/;
    assertMatch(log, bus);

    await eventually(guest.consoleLog, "guestmem console line 3");
    await eventually(guest.diskImage, "guestmem traffic page 3");
    const before = await guest.interrupts();
    assert(before.size >= 6, [...before.keys()].join());
    assertEquals(await guest.run("echo a; echo b >&2; false"), { status: 1, text: "a\nb" });
    await eventuallyInterrupted(guest, before);
    const ping = await guest.run("ping -c 1 -W 2 10.0.2.2");
    assertEquals(ping.status, 0, ping.text);
  });
}

liveTest("a guest leaves no process and no file behind", missing, async () => {
  const guest = await startLinuxGuest({ devices: ["rng"], memory: "shm", wait: false });
  const { pid, directory } = guest;
  await guest[Symbol.asyncDispose]();
  for (const path of [`/proc/${pid}`, directory, `/dev/shm/${directory.split("/").at(-1)}`]) {
    assertEquals(await Deno.stat(path).then(() => path, () => null), null);
  }
});
