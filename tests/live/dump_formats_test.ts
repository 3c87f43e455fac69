/**
 * Dumps that a real QEMU writes, in every form that it has, against the memory that it has.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { coreSource } from "../../lib/source/core.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { dumpGuest } from "../support/dump_guest.ts";
import { liveTest } from "../support/linux_guest.ts";
import { qemuMissing, startBootSector } from "../support/qemu.ts";
import { attachOptions, attachTo, present } from "../support/qemu_target.ts";

const missing = qemuMissing();
const PAGE = 4096;

function attachCore(path: string, layout: string | null = null): Promise<Attachment> {
  const target = { scheme: "core", what: path, device: null, queue: null, text: `core:${path}` };
  return coreSource.attach(target, { ...attachOptions(), layout });
}

/** Compares all regions of a dump with live memory. Gives bytes compared and pages that differ. */
function compare(dumped: GuestMemory, live: GuestMemory): { bytes: number; different: number } {
  const [ours, theirs] = [new Uint8Array(1 << 20), new Uint8Array(1 << 20)];
  let [bytes, different] = [0, 0];
  for (const { guest, length } of dumped.table.regions) {
    for (let at = 0n; at < length; at += 1n << 20n) {
      const size = Number(length - at < 1n << 20n ? length - at : 1n << 20n);
      assertEquals(dumped.copy(guest + at, ours.subarray(0, size)), null);
      assertEquals(live.copy(guest + at, theirs.subarray(0, size)), null);
      for (let page = 0; page < size; page += PAGE) {
        if (!alike(ours, theirs, page)) different++;
      }
      bytes += size;
    }
  }
  return { bytes, different };
}

function alike(a: Uint8Array, b: Uint8Array, start: number): boolean {
  for (let n = start; n < start + PAGE; n++) if (a[n] !== b[n]) return false;
  return true;
}

const FORMS = [
  { name: "elf", args: { format: "elf", detach: false } },
  { name: "elf, detached", args: { format: "elf" } },
  { name: "elf with paging", args: { format: "elf", paging: true } },
  { name: "kdump-zlib", args: { format: "kdump-zlib", detach: false } },
  { name: "kdump-zlib, detached", args: { format: "kdump-zlib" } },
] as const;

for (const memory of ["memfd", "unshared"] as const) {
  liveTest(`dump-guest-memory of ${memory} RAM: every byte in every form`, missing, async () => {
    await using guest = await startBootSector({ memory, size: "64M" });
    await using live = await attachTo(guest.pid);
    const monitor = present(live.monitor);
    await monitor.execute("stop");
    for (const { name, args } of FORMS) {
      const path = `${guest.directory}/dump`;
      const start = performance.now();
      await dumpGuest(monitor, path, args);
      const wrote = performance.now() - start;
      await using core = await attachCore(path);
      const { bytes, different } = compare(core.memory, live.memory);
      const size = (Deno.statSync(path).size / 2 ** 20).toFixed(1);
      console.log(`${name}: ${size} MiB in ${wrote.toFixed(0)} ms, ${bytes} bytes compared`);
      assertEquals(different, 0, name);
      // All of RAM, and the firmware below 4 GiB.
      assertEquals(bytes >= (64 << 20) + (256 << 10), true, `${name}: ${bytes}`);
      await Deno.remove(path);
    }
  });
}

liveTest("a dump of a part of memory, one cut short, and its rings", missing, async () => {
  await using guest = await startBootSector({ size: "64M" });
  await using live = await attachTo(guest.pid);
  const monitor = present(live.monitor);
  const ring = present(live.devices[0].queues[0].ring);
  await monitor.execute("stop");
  const path = `${guest.directory}/part`;
  const range = { begin: 0x8000, length: 0x10000 };
  await dumpGuest(monitor, path, range);
  {
    await using core = await attachCore(path);
    const [first] = core.memory.table.regions;
    assertEquals([first.guest, first.length], [0x8000n, 0x10000n]);
    const text = new TextDecoder().decode(core.memory.bytes(0x8000n, 25));
    assertEquals(text, "guestmem boot sector test");
    assertEquals([...core.memory.read(0x7000n, 16n)].map(({ state }) => state), ["hole"]);
  }

  const whole = `${guest.directory}/whole`;
  await dumpGuest(monitor, whole);
  const layout = `${guest.directory}/layout.json`;
  const area = (address: bigint) => `0x${address.toString(16)}`;
  const { descriptor, driver, device, size } = ring;
  const queue = { layout: "split", queue_size: size, features: "0x100000000" };
  const places = { desc: area(descriptor), avail: area(driver), used: area(device) };
  const memory = [{ file: "whole", gpa: "0x0", size: 64 << 20, offset: 0 }];
  const devices = [{ type: "blk", queues: [{ ...queue, ...places }] }];
  await Deno.writeTextFile(
    layout,
    JSON.stringify({ format: "ring-image/1", memory, devices }),
  );
  {
    await using core = await attachCore(whole, layout);
    const dumped = openRing(core.memory, present(core.devices[0].queues[0].ring)).snapshot();
    const now = openRing(live.memory, ring).snapshot();
    assertEquals([dumped.available.index, dumped.used.index], [
      now.available.index,
      now.used.index,
    ]);
    assertEquals([dumped.findings, dumped.inFlight], [[], now.inFlight]);
    assert(dumped.used.index > 0);
  }

  // Cut in the middle of RAM: the beginning is there, the end is unreadable and not zeros.
  await Deno.truncate(whole, 32 << 20);
  const lines: string[] = [];
  const target = { scheme: "core", what: whole, device: null, queue: null, text: "" };
  const options = { ...attachOptions(), log: (line: string) => void lines.push(line) };
  await using cut = await coreSource.attach(target, options);
  assertEquals(cut.memory.bytes(0x8000n, 25), live.memory.bytes(0x8000n, 25));
  const [end] = cut.memory.read(40n << 20n, 4096n);
  assertEquals([end.state, end.length], ["unreadable", 4096n]);
  assertStringIncludes(lines.join("\n"), "are in the file, the rest is unreadable");
});
