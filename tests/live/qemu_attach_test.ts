/**
 * A real QEMU from outside: discovery, memory layout and rings of the boot-sector guest.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { GuestMemoryError, SourceError } from "../../lib/errors.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { qemuSource } from "../../lib/source/qemu.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { holdings, runAlone, sys } from "../support/host.ts";
import { liveTest } from "../support/linux_guest.ts";
import {
  attachOptions,
  attachTo,
  availableIndex,
  findGuest,
  moves,
  present,
  qemuTarget,
} from "../support/qemu_target.ts";
import { qemuMissing, startBootSector } from "../support/qemu.ts";

const missing = qemuMissing();
const MIB = 1n << 20n;
const GIB = 1n << 30n;

function ringOf(attachment: Attachment): RingConfig {
  return present(attachment.devices[0].queues[0].ring);
}

/** `guest+length name@offset access` of every region. */
function table({ memory }: Attachment): string[] {
  return memory.table.regions.map((region) =>
    `${region.guest.toString(16)}+${region.length.toString(16)} ` +
    `${region.name}@${region.offset.toString(16)} ${region.access}`
  );
}

liveTest("boot sector: found, attached, its ring is right and moves", missing, async () => {
  await using guest = await startBootSector({ extra: ["-name", "guest=web"] });
  const found = await findGuest(guest.pid);
  assertEquals([found.target, found.name, found.state], [`qemu:${guest.pid}`, "web", "running"]);
  assertEquals([found.memory, found.note], [256n * MIB, ""]);
  assertEquals(found.devices.map(({ name, bus, status }) => [name, bus.id, status]), [
    ["virtio-blk0", "0000:00:01.0", 15],
  ]);
  for (const what of [guest.pid, guest.qmp]) {
    await using attachment = await attachTo(what);
    assertEquals(table(attachment), [
      "0+10000000 m@0 ro",
      "fffc0000+40000 pc.bios@0 ro",
    ]);
    const [device] = attachment.devices;
    assertEquals([device.type, device.vhost, device.note], [2, null, ""]);
    const ring = ringOf(attachment);
    assertEquals([ring.format, ring.size, ring.addressSpace], ["split", 256, "guest"]);
    // SeaBIOS takes VERSION_1, BLK_SIZE and SEG_MAX, and nothing of the ring's.
    assertEquals(ring.features, 1n << 32n | 1n << 6n | 1n << 2n);
    assertEquals(ring.descriptor % 16n, 0n);
    assert(ring.device > ring.driver && ring.driver === ring.descriptor + 4096n);
    assert(await moves(attachment.memory, ring));
    assertEquals(attachment.writable, null);
    // What the boot sector reads, over and over, to 0x8000; and the reset vector in ROM.
    const read = new TextDecoder().decode(attachment.memory.bytes(0x8000n, 25));
    assertEquals(read, "guestmem boot sector test");
    assertEquals(attachment.memory.bytes(0xffff_fff0n, 1)[0], 0xea);
  }
});

liveTest("boot sector: attach is a few round trips", missing, async () => {
  await using guest = await startBootSector();
  const times: number[] = [];
  const lines: string[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await using _ = await qemuSource.attach(qemuTarget(guest.pid), attachOptions(false, lines));
    times.push(performance.now() - start);
  }
  const trips = Number(
    lines.find((line) => line.includes("round trips"))?.match(/(\d+) round/)?.[1],
  );
  console.log(`attach: ${trips} round trips, ms ${times.map((ms) => ms.toFixed(1)).join(" ")}`);
  assert(trips > 0 && trips <= 8, `${trips} round trips`);
});

liveTest("6 GiB: two regions of one file where the machine splits it", missing, async () => {
  for (const [machine, low] of [["q35", 2n * GIB], ["pc", 3n * GIB]] as const) {
    await using guest = await startBootSector({ machine, size: "6G" });
    await using attachment = await attachTo(guest.pid);
    const [first, bios, second] = attachment.memory.table.regions;
    assertEquals([first.guest, first.length, first.offset], [0n, low, 0], machine);
    assertEquals(bios.name, "pc.bios");
    assertEquals([second.guest, second.length, second.offset], [
      4n * GIB,
      6n * GIB - low,
      Number(low),
    ]);
    assert(first.backing === second.backing, "one mapping per file");
    assert(await moves(attachment.memory, ringOf(attachment)));
    // Sparse stays sparse: a look at what nobody wrote allocates nothing.
    const file = `/proc/${guest.pid}/fd/${memfdOf(guest.pid)}`;
    const before = sys.stat(file).blocks;
    attachment.memory.bytes(5n * GIB, 1 << 20);
    assert(sys.stat(file).blocks - before < 2048, "1 MiB of holes was allocated");
  }
});

/** The fd of the RAM. */
function memfdOf(pid: number): string {
  const fds = sys.readdir(`/proc/${pid}/fd`);
  return present(
    fds.find((fd) => sys.readlink(`/proc/${pid}/fd/${fd}`).includes("memory-backend")),
  );
}

liveTest("RAM in /dev/shm, unshared memfd, plain RAM", missing, async () => {
  for (const memory of ["shm", "unshared", "plain"] as const) {
    await using guest = await startBootSector({ memory });
    await using attachment = await attachTo(guest.pid);
    const [ram] = attachment.memory.table.regions;
    assertEquals([ram.guest, ram.length], [0n, 256n * MIB], memory);
    const shared = ram.backing.label.startsWith("/dev/shm/");
    assertEquals(shared, memory === "shm", ram.backing.label);
    assert(await moves(attachment.memory, ringOf(attachment)), memory);
    const read = new TextDecoder().decode(attachment.memory.bytes(0x8000n, 8));
    assertEquals(read, "guestmem", memory);
  }
});

liveTest(
  "writing: only where asked for, never to ROM, shared and private alike",
  missing,
  async () => {
    for (const memory of ["memfd", "plain"] as const) {
      await using guest = await startBootSector({ memory });
      await using attachment = await attachTo(guest.pid, { write: true });
      const writable = present(attachment.writable);
      const note = new TextEncoder().encode("written from outside");
      writable.write(0x9000n, note);
      assertEquals(attachment.memory.bytes(0x9000n, note.length), note);
      await using reader = await attachTo(guest.pid);
      assertEquals(reader.memory.bytes(0x9000n, note.length), note);
      const rom = () => writable.write(0xffff_fff0n, note.subarray(0, 1));
      assertStringIncludes(assertThrows(rom, GuestMemoryError).message, "read-only");
    }
  },
);

liveTest(
  "refresh: same layout keeps the mapping, a hot-plugged DIMM makes a new table",
  missing,
  async () => {
    await using guest = await startBootSector({ extra: ["-m", "256M,slots=2,maxmem=1G"] });
    await using attachment = await attachTo(guest.pid);
    const { memory } = attachment;
    await attachment.refresh();
    assert(attachment.memory === memory);
    const monitor = present(attachment.monitor);
    await monitor.execute("object-add", {
      "qom-type": "memory-backend-memfd",
      id: "extra",
      size: 134217728,
      share: true,
    });
    await monitor.execute("device_add", { driver: "pc-dimm", id: "dimm0", memdev: "extra" });
    await attachment.refresh();
    assert(attachment.memory !== memory);
    assertEquals(table(attachment).at(-1), "100000000+8000000 extra@0 ro");
    assert(await moves(attachment.memory, ringOf(attachment)));
  },
);

liveTest("QEMU killed midway: a clear error, no crash, nothing left", missing, async () => {
  await using guest = await startBootSector({ memory: "shm" });
  const name = guest.directory.split("/").at(-1) ?? "";
  {
    await using attachment = await attachTo(guest.pid);
    assertEquals(holdings(name), { fds: 1, maps: 1 });
    const ring = ringOf(attachment);
    await guest.kill();
    // The file outlives its QEMU; ROM went with the process.
    availableIndex(attachment.memory, ring);
    const rom = [...attachment.memory.read(0xffff_fff0n, 16n)];
    assertEquals(rom.map((span) => span.state === "unreadable" && span.errno), ["ESRCH"]);
    const error = await assertRejects(() => attachment.refresh(), SourceError);
    assertEquals(error.kind, "not-found");
    assertStringIncludes(error.message, `QEMU ${guest.pid} has ended`);
    const execute = () => present(attachment.monitor).execute("query-status");
    assertEquals((await assertRejects(execute, SourceError)).kind, "not-found");
  }
  assertEquals(holdings(name), { fds: 0, maps: 0 });
  const gone = await assertRejects(() => attachTo(guest.pid), SourceError);
  assertEquals(gone.kind, "not-found");
  assertStringIncludes(gone.message, `no process ${guest.pid}`);
  assertEquals((await assertRejects(() => attachTo(guest.qmp), SourceError)).kind, "not-found");
});

liveTest("a pid that is no guest, and a socket that is none", missing, async () => {
  const self = await assertRejects(() => attachTo(Deno.pid), SourceError);
  assertEquals(self.kind, "not-found");
  assertStringIncludes(self.message, `process ${Deno.pid} (`);
  assertStringIncludes(self.message, "is no QEMU");
  const none = await assertRejects(() => attachTo("/nowhere/qmp.sock"), SourceError);
  assertEquals(none.kind, "not-found");
  assertStringIncludes(none.message, "no monitor socket /nowhere/qmp.sock");
});

liveTest("another user's QEMU: permission, with the remedy", missing, async () => {
  if (sys.uid !== 0) return console.log("skipped: only root can become another user");
  await using guest = await startBootSector();
  const module = (path: string) => new URL(`../../${path}`, import.meta.url);
  // A process of its own, as the whole process changes its user.
  const error = await runAlone(
    `import { openSys } from "${module("ffi/sys.ts")}";
     import { qemuSource } from "${module("lib/source/qemu.ts")}";
     const libc = Deno.dlopen("libc.so.6", {
       setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
     });
     const sys = openSys();
     const options = { sys, write: false, layout: null, signal: null, log: () => {} };
     const target = { scheme: "qemu", what: "${guest.pid}", device: null, queue: null, text: "" };
     libc.symbols.setresuid(65534, 65534, 65534);
     await qemuSource.attach(target, options).then(
       () => console.log("attached"),
       (error) => console.log(JSON.stringify([error.kind, error.message, error.remedy])),
     );
     const row = (await qemuSource.find(options)).find(({ pid }) => pid === ${guest.pid});
     console.log(JSON.stringify([row.target, row.note]));`,
    ["-A"],
  );
  const [attached, found] = error.split("\n").map((line) => JSON.parse(line));
  assertEquals(attached[0], "permission");
  assertStringIncludes(attached[1], `memory map of QEMU ${guest.pid}`);
  assertStringIncludes(attached[2], "CAP_SYS_PTRACE");
  assertEquals(found[0], `qemu:${guest.pid}`);
  assertStringIncludes(found[1], "Run as the user of QEMU, or as root");
});

liveTest("find reads command lines and asks monitors, never memory", missing, async () => {
  await using guest = await startBootSector();
  const fake = fakeSys({ real: sys });
  const guests = await present(qemuSource.find)({ ...attachOptions(), sys: fake.sys });
  assert(guests.some(({ pid, devices }) => pid === guest.pid && devices.length === 1));
  const opened = fake.log.flatMap(({ call, args }) =>
    ["open", "readText", "readFile"].includes(call) ? [String(args[0])] : []
  );
  assertEquals(opened.filter((path) => /\/(maps|smaps|mem|pagemap|map_files)/.test(path)), []);
  const names = new Set(fake.names());
  for (const call of ["processVmReadv", "mmap", "pidfdOpen", "pidfdGetfd"] as const) {
    assertEquals(names.has(call), false, call);
  }
  const count = (call: string) => fake.names().filter((name) => name === call).length;
  assertEquals(count("connectUnix"), count("close"), "every socket is closed again");
});
