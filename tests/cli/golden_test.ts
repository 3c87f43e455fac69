/**
 * What every verb says about everything that is recorded, held against `tests/golden`: ring images,
 * the same memory as dumps, vhost-user conversations, what QEMU's monitor told. Time stands still, so
 * that the only thing that can change an output is the code.
 *
 * `deno task golden --update` writes the files anew.
 */
import { assertEquals } from "@std/assert";
import { configText } from "../../cli/render/config.ts";
import { setColorEnabled } from "../../cli/render/colors.ts";
import { memorySummary, memoryTable } from "../../cli/render/memory_table.ts";
import { renderTable } from "../../cli/render/table.ts";
import { guestAddress } from "../../lib/address.ts";
import { typeOf } from "../../lib/guest/ring_report.ts";
import type { Backing } from "../../lib/memory/backing.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { readDevices } from "../../lib/source/qemu_devices.ts";
import { connectMonitor } from "../../lib/source/qemu_monitor.ts";
import { parseFlatView } from "../../lib/wire/qmp/mtree.ts";
import { messageJson } from "../../lib/wire/vhost_user/vhost_user.ts";
import { temporaryFolder } from "../support/cli.ts";
import { conversation, CONVERSATIONS } from "../support/conversations.ts";
import { cut, elfCore, flattened, kdump, PAGE } from "../support/core_files.ts";
import { abridged, checkGolden, goldenNames } from "../support/golden.ts";
import { sys } from "../support/host.ts";
import { type Image, image, IMAGE_NAMES, writeImage } from "../support/images.ts";
import { runInProcess } from "../support/in_process.ts";
import { fixture, recording, replay } from "../support/monitor.ts";
import { virtualTime } from "../support/virtual_time.ts";

/** The moment at which all transcripts are made. */
const EPOCH = Date.UTC(2026, 10, 21, 6, 42);

/** Rings larger than this are not printed whole: a hundred thousand lines say no more than a hundred. */
const LARGE = 1024;

/** A file system that keeps holes page by page: outputs say how much data was read. */
const SPARSE = "/dev/shm";

/** Names of all files that tests here compare. */
const NAMES: string[] = [];

function golden(name: string, text: () => Promise<string>): void {
  NAMES.push(name);
  Deno.test(`golden: ${name}`, async () => {
    setColorEnabled(false);
    await checkGolden(name, await text());
  });
}

/** A golden transcript of commands that are run in a folder of their own. */
function commands(name: string, prepare: (folder: string) => Promise<readonly string[]>): void {
  golden(name, async () => {
    await using folder = await temporaryFolder(SPARSE);
    const list = await prepare(folder.path);
    const before = Deno.cwd();
    // Paths in the outputs are then short and the same everywhere.
    Deno.chdir(folder.path);
    try {
      return await transcript(list);
    } finally {
      Deno.chdir(before);
    }
  });
}

async function transcript(list: readonly string[]): Promise<string> {
  using _ = virtualTime(EPOCH, sys);
  const parts: string[] = [];
  for (const command of list) {
    const { code, text } = await runInProcess(command.split(" "));
    const end = code === 0 ? "" : `\n[exit code ${code}]`;
    parts.push(`$ guestmem ${command}\n${await abridged(text)}${end}\n`);
  }
  return parts.join("\n");
}

// --- Ring images ------------------------------------------------------------------------------------

/** The layout of an image with a device around its ring, so that its requests are decoded. */
async function writeTyped({ name }: Image, folder: string): Promise<string> {
  const { format, memory, name: _, ...ring } = JSON.parse(
    await Deno.readTextFile(`${folder}/${name}.json`),
  );
  const type = name.startsWith("dpdk") ? "net" : "blk";
  const index = Number(/_q([0-9])$/.exec(name)?.[1] ?? 0);
  const device = { name: `${type}0`, type, features: ring.features };
  const devices = [{ ...device, queues: [{ ...ring, index }] }];
  await Deno.writeTextFile(`${folder}/typed.json`, JSON.stringify({ format, memory, devices }));
  return "--layout typed.json";
}

async function imageQuestions(one: Image, folder: string): Promise<readonly string[]> {
  const { name, config } = one;
  const { raw } = await writeImage(name, folder);
  const file = `file:${raw.slice(folder.length + 1)}`;
  const target = `${file} --layout ${name}.json`;
  const typed = `${file} ${await writeTyped(one, folder)}`;
  const area = (address: bigint) => `0x${address.toString(16)}`;
  const whole = config.size > LARGE ? [`dump ring ${target} --limit 4 --check`] : [
    `dump ring ${target} --limit 0 --check`,
    `dump ring ${target} --json`,
    `dump ring ${target} --plain`,
  ];
  return [
    ...whole,
    `dump ring ${typed} --limit 4`,
    `map ${target}`,
    `dump table ${target} --json`,
    `dump config ${typed}`,
    `dump mem ${target} ${area(config.descriptor)} 64`,
    `dump mem ${target} ${area(config.device)} 16 --format json`,
    `dump search ${target} --bytes 0004000001 --limit 3`,
    `diagnose ${typed}`,
  ];
}

/** One verb over all images: a change of what it prints is then one file's. */
async function overAll(folder: string, ask: (target: string) => string): Promise<string[]> {
  const asked: string[] = [];
  for (const name of IMAGE_NAMES) {
    const { raw } = await writeImage(name, folder);
    asked.push(ask(`file:${raw.slice(folder.length + 1)} --layout ${name}.json`));
  }
  return asked;
}

for (const name of IMAGE_NAMES) {
  commands(name, (folder) => imageQuestions(image(name), folder));
}

commands("watch", (folder) => overAll(folder, (target) => `watch ${target} --count 1`));
commands("find_carve", (folder) => overAll(folder, (target) => `find --carve ${target} --plain`));

commands("kick_without_a_way", async (folder) => {
  const one = image("split_256_chain3");
  await writeImage(one.name, folder);
  const target = `file:${one.name}.raw/blk0:0 ${await writeTyped(one, folder)}`;
  return [`kick ${target} --list`, `kick ${target} --dry-run`, `kick ${target}`];
});

// --- The same memory as dumps -----------------------------------------------------------------------

/** A dump of an image's first regions, and its layout. Pages of zeros are left out of a kdump. */
async function writeDump(folder: string, bytes: (memory: Uint8Array) => Uint8Array) {
  const one = image("split_256_two_regions");
  await writeImage(one.name, folder);
  await writeTyped(one, folder);
  await Deno.writeFile(`${folder}/vm.core`, bytes(new Uint8Array(one.buffer)));
  return [
    "map core:vm.core",
    "map core:vm.core --json",
    "dump ring core:vm.core --layout typed.json --limit 2",
    "dump mem core:vm.core 0x100000 32",
    "diagnose core:vm.core --layout typed.json",
    "find --carve core:vm.core",
    "dump ring core:vm.core",
  ];
}

function elfOf(memory: Uint8Array): Uint8Array {
  const { layout } = image("split_256_two_regions");
  return elfCore(layout.memory.map(({ gpa, offset, size }) => ({
    address: gpa,
    bytes: memory.subarray(offset, offset + Number(size)),
  })));
}

function kdumpOf(memory: Uint8Array): Uint8Array {
  const [{ size }] = image("split_256_two_regions").layout.memory;
  const count = Number(size) / PAGE;
  const pages = Array.from({ length: count }, (_, number) => ({
    number,
    bytes: memory.subarray(number * PAGE, (number + 1) * PAGE),
  })).filter(({ bytes }) => bytes.some((byte) => byte !== 0));
  return kdump(pages, count);
}

commands("core_elf", (folder) => writeDump(folder, elfOf));
commands(
  "core_elf_cut",
  async (folder) => {
    const asked = await writeDump(folder, (bytes) => elfOf(bytes).subarray(0, 1 << 20));
    const typed = "core:vm.core --layout typed.json";
    return [
      ...asked,
      ...["--json", "--plain"].map((form) => `diagnose ${typed} ${form}`),
      `dump ring ${typed} --json`,
      `watch ${typed} --count 1`,
      `watch ${typed} --count 1 --json`,
    ];
  },
);
commands("core_kdump", (folder) => writeDump(folder, kdumpOf));
commands(
  "core_kdump_flattened",
  (folder) => writeDump(folder, (bytes) => flattened(cut(kdumpOf(bytes), 5000))),
);
commands("core_nothing", async (folder) => {
  await writeDump(folder, () => new TextEncoder().encode("no dump"));
  return ["map core:vm.core", "map core:absent.core"];
});

// --- vhost-user conversations -----------------------------------------------------------------------

for (const file of CONVERSATIONS) {
  // What `tap --log` has of each message.
  golden(`vhost_user_${file.replace(".jsonl", "")}`, async () => {
    const lines: string[] = [];
    for await (const [, , message] of conversation(file)) {
      const { name, reply, payload, ...more } = messageJson(message);
      lines.push(`${reply ? "  reply " : ""}${name} ${JSON.stringify(payload)}`);
      assertEquals(Object.keys(more), ["origin", "request", "needReply"]);
    }
    return lines.join("\n") + "\n";
  });
}

// --- QEMU's monitor ---------------------------------------------------------------------------------

for (const name of ["split", "packed-noevent-noind", "q10-packed", "microvm", "vhost-user-blk"]) {
  // `dump config` of the devices that the monitor told.
  golden(`qemu_${name.replaceAll("-", "_")}`, async () => {
    await using socket = await replay(recording(name));
    using monitor = await connectMonitor(socket.path, { sys });
    const { devices } = await readDevices(monitor, {});
    const parts: string[] = [];
    for (const device of devices) {
      parts.push(configText({ guest: "qemu:4242", device, type: await typeOf(device) }));
    }
    return parts.join("\n\n") + "\n";
  });
}

/** Nothing is read of it. */
const NOWHERE: Backing = {
  length: Number.MAX_SAFE_INTEGER,
  label: "QEMU",
  pageSize: 4096,
  copy: () => ({ length: 0, errno: "EFAULT" }),
  live: () => null,
  nextData: () => null,
};

golden("qemu_memory", () => {
  // `dump table` of the ranges that the monitor told.
  const texts = ["memfd6g", "memfd6g-pc", "numa", "dimm", "whole"].map((name) => {
    const ranges = parseFlatView(fixture(`mtree-${name}.txt`)) ?? [];
    const table = new RegionTable(ranges.map(({ start, end, name, offset, writable }) => ({
      guest: guestAddress(start),
      length: end - start,
      backing: NOWHERE,
      offset: Number(offset),
      access: writable ? "rw" : "ro",
      name,
      user: null,
    })));
    return `${name}\n${renderTable(memoryTable(table, null))}\n${memorySummary(table)}\n`;
  });
  return Promise.resolve(texts.join("\n"));
});

Deno.test("there is no golden file that nothing is compared with", () => {
  assertEquals(goldenNames(), NAMES.toSorted());
});
