/**
 * A real QEMU whose monitor is taken, missing, hidden or another's.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SourceError } from "../../lib/errors.ts";
import { connectMonitor } from "../../lib/source/qemu_monitor.ts";
import { holdings, sys } from "../support/host.ts";
import { liveTest } from "../support/linux_guest.ts";
import { qemuMissing, startBootSector } from "../support/qemu.ts";
import { attachTo, findGuest, moves, present } from "../support/qemu_target.ts";

const missing = qemuMissing();
const MIB = 1n << 20n;

/** What the boot sector reads to 0x8000, through whatever was attached. */
function proof(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

liveTest(
  "monitor taken: find says so, memory alone is attached, a device is busy",
  missing,
  async () => {
    await using guest = await startBootSector();
    using _holder = await connectMonitor(guest.qmp, { sys });
    const start = performance.now();
    const found = await findGuest(guest.pid);
    assert(performance.now() - start < 2000, "find must not wait long for a monitor that is taken");
    assertEquals([found.devices.length, found.memory, found.state], [0, 256n * MIB, ""]);
    assertStringIncludes(found.note, "another client holds it");
    assertStringIncludes(found.note, "-qmp unix:PATH,server=on,wait=off");
    for (const what of [guest.pid, guest.qmp]) {
      await using attachment = await attachTo(what);
      assertEquals(attachment.devices.length, 0);
      assertStringIncludes(present(attachment.note), "another client holds it");
      assertEquals(proof(attachment.memory.bytes(0x8000n, 8)), "guestmem");
      const error = await assertRejects(
        () => attachTo(what, { device: "virtio-blk0" }),
        SourceError,
      );
      assertEquals(error.kind, "busy");
      assertStringIncludes(error.message, guest.qmp);
    }
  },
);

liveTest("monitor taken, but there are two: the free one is used", missing, async () => {
  const monitor = ["first", "second"].flatMap((name) => [
    ...["-chardev", `socket,id=${name},path=$DIR/${name}.sock,server=on,wait=off`],
    ...["-mon", `chardev=${name},mode=control`],
  ]);
  await using guest = await startBootSector({ monitor });
  using _holder = await connectMonitor(`${guest.directory}/first.sock`, { sys });
  const start = performance.now();
  await using attachment = await attachTo(guest.pid, { device: "virtio-blk0" });
  assert(performance.now() - start < 1500, "the free monitor is tried first");
  assertEquals(attachment.devices.map(({ name }) => name), ["virtio-blk0"]);
});

liveTest("the monitor is free again after attach", missing, async () => {
  await using guest = await startBootSector();
  await using attachment = await attachTo(guest.pid);
  using other = await connectMonitor(guest.qmp, { sys });
  const { status } = await other.execute("query-status") as { status: string };
  assertEquals(status, "running");
  const refresh = await assertRejects(() => attachment.refresh(), SourceError);
  assertEquals(refresh.kind, "busy");
  // What was attached stays as it was.
  assertEquals(attachment.devices.length, 1);
  assertEquals(proof(attachment.memory.bytes(0x8000n, 8)), "guestmem");
});

liveTest(
  "no monitor: memory from /proc alone, shared or private, split at 4 GiB",
  missing,
  async () => {
    for (
      const [memory, size] of [["memfd", "256M"], ["plain", "256M"], ["memfd", "6G"], ["shm", "6G"]]
    ) {
      const kind = memory as "memfd" | "plain" | "shm";
      await using guest = await startBootSector({ monitor: [], memory: kind, size });
      await using attachment = await attachTo(guest.pid);
      assertStringIncludes(present(attachment.note), "no QMP monitor that we can see");
      const read = () => proof(attachment.memory.bytes(0x8000n, 8));
      // Without a monitor nobody tells when the boot sector runs.
      for (let n = 0; n < 500 && read() !== "guestmem"; n++) {
        await new Promise((r) => setTimeout(r, 10));
      }
      assertEquals(read(), "guestmem", memory);
      const starts = attachment.memory.table.regions.map((region) => region.guest);
      assertEquals(starts, size === "6G" ? [0n, 1n << 32n] : [0n]);
      const found = await findGuest(guest.pid);
      assertStringIncludes(found.note, "devices and rings are unknown");
      assertStringIncludes(found.note, "Start it with -qmp unix:PATH,server=on,wait=off");
      const device = await assertRejects(
        () => attachTo(guest.pid, { device: "blk0" }),
        SourceError,
      );
      assertEquals(device.kind, "unsupported");
    }
  },
);

liveTest("a monitor that the command line hides is found by its socket", missing, async () => {
  // QEMU takes options from a file: then its arguments say nothing of the monitor.
  const directory = await Deno.makeTempDir({ prefix: "guestmem-config-" });
  const config = `[chardev "q"]\nbackend = "socket"\npath = "${directory}/qmp.sock"\n` +
    `server = "on"\nwait = "off"\n[mon "m"]\nmode = "control"\nchardev = "q"\n`;
  await Deno.writeTextFile(`${directory}/vm.cfg`, config);
  try {
    await using guest = await startBootSector({
      monitor: ["-readconfig", `${directory}/vm.cfg`],
    });
    const found = await findGuest(guest.pid);
    assertEquals([found.note, found.devices.length], ["", 1]);
    await using bySocket = await attachTo(`${directory}/qmp.sock`);
    assertEquals(bySocket.devices.length, 1);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

liveTest("a human monitor is told from a QMP one", missing, async () => {
  const monitor = ["-monitor", "unix:$DIR/hmp.sock,server=on,wait=off"];
  await using guest = await startBootSector({ monitor });
  const path = `${guest.directory}/hmp.sock`;
  const error = await assertRejects(() => connectMonitor(path, { sys }), SourceError);
  assertEquals(error.kind, "unsupported");
  assertStringIncludes(error.message, "is a human monitor");
});

liveTest("QEMU killed while it is asked: a clear error, nothing left open", missing, async () => {
  await using guest = await startBootSector({ memory: "shm" });
  const name = present(guest.directory.split("/").at(-1));
  const attaching = attachTo(guest.pid);
  const killing = guest.kill();
  const result = await attaching.then((one) => one, (error) => error);
  await killing;
  if (result instanceof Error) {
    assertEquals([result.name, (result as SourceError).kind], ["SourceError", "not-found"]);
  } else await result[Symbol.asyncDispose]();
  assertEquals(holdings(name), { fds: 0, maps: 0 });
});

liveTest("a stopped QEMU: the ring stands still and is read all the same", missing, async () => {
  await using guest = await startBootSector();
  await using attachment = await attachTo(guest.pid);
  const ring = present(attachment.devices[0].queues[0].ring);
  const monitor = present(attachment.monitor);
  await monitor.execute("stop");
  assertEquals((await findGuest(guest.pid)).state, "paused");
  assertEquals(await moves(attachment.memory, ring, 0.2), false);
  await monitor.execute("cont");
  assert(await moves(attachment.memory, ring));
});
