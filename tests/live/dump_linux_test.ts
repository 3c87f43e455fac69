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
import type { Attachment } from "../../lib/source/source.ts";
import {
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  onPath,
  startLinuxGuest,
} from "../support/linux_guest.ts";
import { dumpGuest } from "../support/dump_guest.ts";
import { attachOptions, attachTo, present, qemuTarget } from "../support/qemu_target.ts";

const missing = await linuxGuestMissing();
const unfiltered = onPath("makedumpfile") ? missing : missing ?? "no makedumpfile";

/** What one ring says: where it stands, its chains, and what they ask for. */
interface Said {
  readonly place: string;
  readonly text: string;
}

/** Also what was used last, or only what is with the device. */
type Chains = "recent" | "outstanding";

/** All rings of a guest's devices as `memory` has them. */
async function rings(
  memory: GuestMemory,
  devices: readonly Device[],
  chains: Chains,
): Promise<Said[]> {
  const said: Said[] = [];
  for (const selected of selectQueues(devices, qemuTarget(0))) {
    if (!isReadable(selected)) continue;
    const { device, queue } = selected;
    const { snapshot, request } = reportRing(memory, selected, await typeOf(device), { chains });
    const { available, used, findings, chainCount, totals } = snapshot;
    const list = Array.from({ length: chainCount }, (_, n) => snapshot.chain(n));
    const all = { available, used, findings, totals, chains: list, requests: list.map(request) };
    const text = JSON.stringify(
      all,
      (_, value) => typeof value === "bigint" ? `0x${value.toString(16)}` : value,
    );
    said.push({ place: `${device.name}:${queue.name}`, text });
  }
  return said;
}

/** Holds all rings of a dump against those of the guest. Gives how many pages of it can be read. */
async function check(path: string, live: Attachment, chains: Chains): Promise<number> {
  const target = { scheme: "core", what: path, device: null, queue: null, text: `core:${path}` };
  await using core = await coreSource.attach(target, attachOptions());
  const expected = await rings(live.memory, live.devices, chains);
  const said = await rings(core.memory, live.devices, chains);
  assertEquals(said.map(({ place }) => place), expected.map(({ place }) => place));
  said.forEach(({ place, text }, n) => assertEquals(text, expected[n].text, place));
  const pages = [...core.memory.read(0n, 1n << 33n, 4096)].filter(({ state }) => state === "bytes");
  return pages.length;
}

/** A guest that has just been busy, stopped. */
async function stop(guest: LinuxGuest, live: Attachment): Promise<void> {
  await guest.run("ping -c 2 -W 2 10.0.2.2");
  await present(live.monitor).execute("stop");
  await live.refresh();
  const said = await rings(live.memory, live.devices, "recent");
  const busy = said.filter(({ text }) => text.includes('"summary"')).map(({ place }) => place);
  for (const place of ["blk0:request0", "net0:rx0", "net0:tx0", "scsi0:request0"]) {
    assert(busy.includes(place), `${place} is not among ${busy}`);
  }
  console.log(`${said.length} rings, requests in ${busy.length}`);
}

const GUEST = { megabytes: 128, tick: 0.05 };

const FORMS = [
  { name: "elf", args: { format: "elf" } },
  { name: "elf, waited for", args: { format: "elf", detach: false } },
  { name: "elf with paging", args: { format: "elf", paging: true } },
  { name: "kdump-zlib", args: { format: "kdump-zlib" } },
];

liveTest("a Linux guest's rings are the same in every dump that QEMU writes", missing, async () => {
  await using guest = await startLinuxGuest(GUEST);
  await using live = await attachTo(guest.pid);
  await stop(guest, live);
  const monitor = present(live.monitor);
  const { formats } = await monitor.execute("query-dump-guest-memory-capability") as {
    formats: string[];
  };
  console.log(`QEMU can write ${formats.join(", ")}`);
  const more = formats.filter((format) => /^kdump-/.test(format) && format !== "kdump-zlib")
    .map((format) => ({ name: format, args: { format } }));
  for (const { name, args } of [...FORMS, ...more]) {
    const path = `${guest.directory}/vm.dump`;
    await dumpGuest(monitor, path, args);
    const pages = await check(path, live, "recent");
    console.log(`${name}: ${pages} pages, ${(Deno.statSync(path).size / 2 ** 20).toFixed(1)} MiB`);
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

/**
 * makedumpfile wants the program headers right behind the ELF header, as the kernel writes them; QEMU
 * 7.2 puts its section headers there, which it needs for more than 65534 segments only.
 */
async function asKernelWrites(path: string): Promise<void> {
  await Deno.chmod(path, 0o600);
  using file = await Deno.open(path, { read: true, write: true });
  const bytes = new Uint8Array(4096);
  await file.read(bytes);
  const view = new DataView(bytes.buffer);
  const [from, size] = [Number(view.getBigUint64(32, true)), 56 * view.getUint16(56, true)];
  bytes.copyWithin(64, from, from + size);
  view.setBigUint64(32, 64n, true);
  view.setBigUint64(40, 0n, true);
  view.setUint16(52, 64, true);
  for (const at of [58, 60, 62]) view.setUint16(at, 0, true);
  await file.seek(0, Deno.SeekMode.Start);
  await file.write(bytes.subarray(0, 64 + size));
}

async function makedumpfile(args: readonly string[], stdout: string | null = null): Promise<void> {
  const command = new Deno.Command("makedumpfile", {
    args: ["--message-level", "4", ...args],
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
  await using guest = await startLinuxGuest(GUEST);
  await using live = await attachTo(guest.pid);
  const info = `${guest.directory}/vmcoreinfo`;
  await Deno.writeTextFile(info, await vmcoreinfo(guest, live));
  await stop(guest, live);
  const [elf, path] = [`${guest.directory}/vm.elf`, `${guest.directory}/vm.dump`];
  await dumpGuest(present(live.monitor), elf, { format: "elf" });
  await asKernelWrites(elf);
  const kept = new Map<string, number>();
  for (const [name, packed] of Object.entries(PACKED)) {
    // 31: no pages of zeros, of caches, of processes, nor free ones. What is with the device is the
    // kernel's own; what was used may have been freed since.
    for (const level of name === "lzo" ? ["0", "1", "31"] : ["0", "31"]) {
      await makedumpfile([...packed, "-d", level, "-i", info, elf, path]);
      const pages = await check(path, live, level === "0" ? "recent" : "outstanding");
      kept.set(level, pages);
      console.log(
        `${name} -d ${level}: ${pages} pages, ${
          (Deno.statSync(path).size / 2 ** 20).toFixed(1)
        } MiB`,
      );
      await Deno.remove(path);
    }
  }
  assert(present(kept.get("31")) < 0.9 * present(kept.get("0")), [...kept].join());
  await makedumpfile(["-F", "-l", "-d", "31", "-i", info, elf], path);
  assertEquals(await check(path, live, "outstanding"), kept.get("31"));
});
