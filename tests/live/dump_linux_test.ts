/**
 * Dumps of a real Linux guest: those that QEMU writes, and what makedumpfile makes of one, as a crash
 * kernel would. Every ring in them, with its requests, against the guest itself, which stands still.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Device } from "../../lib/guest/guest.ts";
import { isReadable, reportRing, typeOf } from "../../lib/guest/ring_report.ts";
import { selectQueues } from "../../lib/guest/select.ts";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { coreSource } from "../../lib/source/core.ts";
import type { Attachment, Monitor } from "../../lib/source/source.ts";
import {
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  onPath,
  startLinuxGuest,
} from "../support/linux_guest.ts";
import { attachOptions, attachTo, present, qemuTarget } from "../support/qemu_target.ts";

const missing = await linuxGuestMissing();
const unfiltered = onPath("makedumpfile") ? missing : missing ?? "no makedumpfile";

/** What one ring says: where it stands, its chains, and what they ask for. */
interface Said {
  readonly place: string;
  readonly text: string;
}

/** All rings of a guest's devices as `memory` has them. */
async function rings(memory: GuestMemory, devices: readonly Device[]): Promise<Said[]> {
  const said: Said[] = [];
  for (const selected of selectQueues(devices, qemuTarget(0))) {
    if (!isReadable(selected)) continue;
    const { device, queue } = selected;
    const report = reportRing(memory, selected, await typeOf(device), { chains: "recent" });
    const { available, used, findings, chainCount, totals } = report.snapshot;
    const chains = Array.from({ length: chainCount }, (_, n) => report.snapshot.chain(n));
    const all = { available, used, findings, totals, chains, requests: chains.map(report.request) };
    const text = JSON.stringify(
      all,
      (_, value) => typeof value === "bigint" ? `0x${value.toString(16)}` : value,
    );
    said.push({ place: `${device.name}:${queue.name}`, text });
  }
  return said;
}

/** Dumps and waits until the dump is complete, which `detach` leaves to us. */
async function dump(monitor: Monitor, path: string, args: Record<string, unknown>): Promise<void> {
  await monitor.execute("dump-guest-memory", { paging: false, protocol: `file:${path}`, ...args });
  for (let tries = 0; tries < 1500; tries++) {
    const { status } = await monitor.execute("query-dump") as { status: string };
    if (status === "completed") return;
    assert(status === "active", status);
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("the dump did not end");
}

/** Holds all rings of a dump against `expected`. */
async function check(
  path: string,
  devices: readonly Device[],
  expected: readonly Said[],
): Promise<GuestMemory> {
  const target = { scheme: "core", what: path, device: null, queue: null, text: `core:${path}` };
  await using core = await coreSource.attach(target, attachOptions());
  const said = await rings(core.memory, devices);
  assertEquals(said.map(({ place }) => place), expected.map(({ place }) => place));
  said.forEach(({ place, text }, n) => assertEquals(text, expected[n].text, place));
  return core.memory;
}

/** A guest that has just been busy, stopped, with what its rings say. */
async function stopped(guest: LinuxGuest, live: Attachment): Promise<Said[]> {
  await guest.run("ping -c 2 -W 2 10.0.2.2");
  await present(live.monitor).execute("stop");
  await live.refresh();
  const said = await rings(live.memory, live.devices);
  const requests = said.filter(({ text }) => text.includes('"summary"')).map(({ place }) => place);
  for (const place of ["blk0:request0", "net0:rx0", "net0:tx0", "scsi0:request0"]) {
    assert(requests.includes(place), `${place} is not among ${requests}`);
  }
  return said;
}

const FORMS = [
  { name: "elf", args: { format: "elf" } },
  { name: "elf with paging", args: { format: "elf", paging: true } },
  { name: "elf, detached", args: { format: "elf", detach: true } },
  { name: "kdump-zlib", args: { format: "kdump-zlib" } },
  { name: "kdump-zlib, detached", args: { format: "kdump-zlib", detach: true } },
];

liveTest("a Linux guest's rings are the same in every dump that QEMU writes", missing, async () => {
  await using guest = await startLinuxGuest({ tick: 0.05 });
  await using live = await attachTo(guest.pid);
  const expected = await stopped(guest, live);
  const monitor = present(live.monitor);
  const { formats } = await monitor.execute("query-dump-guest-memory-capability") as {
    formats: string[];
  };
  console.log(`${expected.length} rings; QEMU can write ${formats.join(", ")}`);
  const more = formats.filter((format) => /^kdump-/.test(format) && format !== "kdump-zlib")
    .map((format) => ({ name: format, args: { format } }));
  for (const { name, args } of [...FORMS, ...more]) {
    const path = `${guest.directory}/vm.dump`;
    await dump(monitor, path, args);
    await check(path, live.devices, expected);
    console.log(`${name}: ${(Deno.statSync(path).size / 2 ** 20).toFixed(1)} MiB`);
    await Deno.remove(path);
  }
});

/** The note that Linux keeps for crash kernels: the 12 bytes of an ELF note's header, its name, text. */
async function vmcoreinfo(guest: LinuxGuest, live: Attachment): Promise<string> {
  const { text } = await guest.run("cat /sys/kernel/vmcoreinfo");
  const [address, size] = text.split(" ").map((word) => Number.parseInt(word, 16));
  const note = live.memory.bytes(BigInt(address), size);
  const view = new DataView(note.buffer);
  const start = 12 + Math.ceil(view.getUint32(0, true) / 4) * 4;
  return new TextDecoder().decode(note.subarray(start, start + view.getUint32(4, true)));
}

async function makedumpfile(args: readonly string[], stdout: string | null = null): Promise<void> {
  const command = new Deno.Command("makedumpfile", {
    args: ["--message-level", "0", ...args],
    stdout: stdout === null ? "null" : "piped",
    stderr: "piped",
  });
  const output = await command.output();
  assert(output.success, `makedumpfile ${args}: ${new TextDecoder().decode(output.stderr)}`);
  if (stdout !== null) await Deno.writeFile(stdout, output.stdout);
}

/** How makedumpfile packs pages: as they are, zlib, LZO. Debian's has neither snappy nor zstd. */
const PACKED = { none: [], zlib: ["-c"], lzo: ["-l"] };

liveTest("… and in what makedumpfile makes of one", unfiltered, async () => {
  await using guest = await startLinuxGuest({ tick: 0.05 });
  await using live = await attachTo(guest.pid);
  const info = `${guest.directory}/vmcoreinfo`;
  await Deno.writeTextFile(info, await vmcoreinfo(guest, live));
  const expected = await stopped(guest, live);
  const [elf, path] = [`${guest.directory}/vm.elf`, `${guest.directory}/vm.dump`];
  await dump(present(live.monitor), elf, { format: "elf" });
  const pages = (memory: GuestMemory) => Number(memory.table.size / 4096n);
  const sizes = new Map<string, number>();
  for (const [name, packed] of Object.entries(PACKED)) {
    // 31: no pages of zeros, of caches, of processes, nor free ones. Rings are the kernel's own.
    for (const level of ["0", "1", "31"]) {
      await makedumpfile([...packed, "-d", level, "-i", info, elf, path]);
      const memory = await check(path, live.devices, expected);
      sizes.set(level, pages(memory));
      const size = (Deno.statSync(path).size / 2 ** 20).toFixed(1);
      console.log(`${name} -d ${level}: ${pages(memory)} pages, ${size} MiB`);
      await Deno.remove(path);
    }
  }
  assert(present(sizes.get("31")) < present(sizes.get("0")) / 2, [...sizes].join());
  await makedumpfile(["-F", "-l", "-d", "31", "-i", info, elf], path);
  await check(path, live.devices, expected);
});
