/**
 * Rings of a real Linux guest, found without being told: in the memory of the live QEMU and in dumps
 * of it. What QEMU's monitor says of the same rings decides on what is true.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { carve, type Carving } from "../../lib/carve/carve.ts";
import type { NamedRing } from "../../lib/carve/names.ts";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { coreSource } from "../../lib/source/core.ts";
import { procSource } from "../../lib/source/proc.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { guestmem } from "../support/cli.ts";
import { dumpGuest } from "../support/dump_guest.ts";
import { sys } from "../support/host.ts";
import {
  type GuestOptions,
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
} from "../support/linux_guest.ts";
import { attachOptions, attachTo, present } from "../support/qemu_target.ts";

const missing = await linuxGuestMissing();

/** A ring as the monitor has it, and where it is in a target. */
interface Told {
  readonly name: string;
  readonly type: number;
  readonly ring: RingConfig;
}

/** Virtio device ids of those whose every live queue must be found. */
const MUST = new Map([[1, "net"], [2, "blk"], [3, "console"]]);

function run(memory: GuestMemory): { carving: Carving; seconds: number } {
  const start = performance.now();
  const steps = carve(memory);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return { carving: step.value, seconds: (performance.now() - start) / 1000 };
}

/** Queues in which the driver has made something available. */
function liveQueues({ devices, memory }: Attachment): Told[] {
  return devices.flatMap(({ name, type, queues }) =>
    queues.flatMap(({ name: queue, ring }) =>
      ring !== null && isUsed(memory, ring) ? [{ name: `${name}:${queue}`, type, ring }] : []
    )
  );
}

/** Split: the available index. Packed: slot 0. */
function isUsed(memory: GuestMemory, ring: RingConfig): boolean {
  const [address, length] = ring.format === "split" ? [ring.driver + 2n, 2] : [ring.descriptor, 16];
  return memory.bytes(address, length).some((byte) => byte !== 0);
}

/** Checks what was found against what the monitor told, and prints it. */
function compare(what: string, { rings }: Carving, told: readonly Told[]): void {
  const found = new Map(rings.map((ring) => [ring.config.descriptor, ring]));
  const lines: string[] = [];
  for (const { name, type, ring } of told) {
    const ours = found.get(ring.descriptor);
    lines.push(
      `  ${ours?.score.toFixed(2) ?? "----"} ${name} ${ours === undefined ? "" : said(ours)}`,
    );
    assert(ours !== undefined || !MUST.has(type), `${what}: ${name} was not found`);
    if (ours !== undefined) checkConfig(`${what}: ${name}`, ours, ring);
  }
  const true_ = told.flatMap(({ ring }) => found.get(ring.descriptor) ?? []);
  const false_ = rings.filter((ring) => !true_.includes(ring));
  for (const ring of false_) lines.push(`  ${ring.score.toFixed(2)} (false) ${said(ring)}`);
  console.log([`${what}: ${true_.length} of ${told.length} live queues`, ...lines].join("\n"));
  assertEquals(true_.length, told.length, what);
  const least = Math.min(...true_.map(({ score }) => score));
  for (const ring of false_) {
    assert(ring.score < least, `${what}: ${said(ring)} scores ${ring.score}, a true one ${least}`);
    assert(ring.certainty === "possible");
  }
}

function said({ config, sizeKnown, device, queueName, request }: NamedRing): string {
  const size = `${config.format} ${config.size}${sizeKnown ? "" : "?"}`;
  return `${size} ${device} ${queueName} ${request?.summary ?? ""}`;
}

function checkConfig(what: string, found: NamedRing, ring: RingConfig): void {
  const { config, sizeKnown, guess, certainty } = found;
  assertEquals(config.format, ring.format, what);
  if (sizeKnown) assertEquals(config.size, ring.size, what);
  if (ring.format === "packed") return;
  assertEquals([config.driver, config.device], [ring.driver, ring.device], what);
  // Of a ring at rest the requests may be another's by now.
  if (guess === null || certainty !== "certain") return;
  const type = NAMES[guess.type.name] ?? guess.type.name;
  assert(what.includes(type), `${what} was taken for ${type}`);
}

/** QEMU's names of what we call otherwise. */
const NAMES: Record<string, string> = { console: "serial" };

/** Device types that must be told right: where requests are in flight or have just been. */
function checkTypes(what: string, { rings }: Carving, told: readonly Told[]): void {
  for (const [name, wanted] of [["blk0:request0", "blk"], ["net0:rx0", "net"]]) {
    const { ring } = present(told.find((one) => one.name === name));
    const ours = present(rings.find(({ config }) => config.descriptor === ring.descriptor));
    assertEquals(ours.guess?.type.name, wanted, `${what}: ${name}`);
  }
}

/** The command line of a process, and the one that it says to type next. */
async function checkCommands({ pid, directory }: LinuxGuest): Promise<void> {
  const layout = `${directory}/rings.json`;
  const found = await guestmem(["find", "--carve", `proc:${pid}`, "-o", layout]);
  assertEquals(found.code, 0, found.err);
  assertStringIncludes(found.err, "guest addresses are guessed");
  const { warnings } = JSON.parse(await Deno.readTextFile(layout));
  assertStringIncludes(warnings[0], "guest addresses are guessed");
  const next = present(/try guestmem (dump ring \S+ --layout \S+)/.exec(found.err))[1];
  const ring = await guestmem(next.split(" "));
  assertEquals(ring.code, 0, ring.err);
  assertStringIncludes(ring.out, " entries, features ");
}

const VARIANTS: { name: string; options: GuestOptions }[] = [
  { name: "split, virtio-pci", options: {} },
  { name: "packed, virtio-pci", options: { packed: true } },
  {
    name: "split, virtio-mmio, private memory",
    options: { machine: "microvm", memory: "private" },
  },
];

for (const { name, options } of VARIANTS) {
  liveTest(`Linux, ${name}: every live queue is found, live and in a dump`, missing, async () => {
    await using guest = await startLinuxGuest({ ...options, tick: 0.05, iops: 40 });
    await guest.run("ping -c 3 -W 2 10.0.2.2");
    // Buffers that nothing came into of late are other memory by the time they are looked at.
    await guest.run("ping 10.0.2.2 >/dev/null 2>&1 </dev/null &");
    await using live = await attachTo(guest.pid);
    const told = liveQueues(live);
    assert(told.filter(({ type }) => MUST.has(type)).length >= 6, `${told.length} live queues`);
    const { carving, seconds } = run(live.memory);
    const rate = Number(carving.scanned) / 2 ** 30 / seconds;
    console.log(`${name}: ${seconds.toFixed(2)} s, ${rate.toFixed(2)} GiB/s`);
    compare(`${name}, live`, carving, told);
    checkTypes(`${name}, live`, carving, told);

    // As a process of which nothing is known: addresses are guessed from its mappings.
    await using process = await procSource.attach(
      { scheme: "proc", what: `${guest.pid}`, device: null, queue: null, text: "" },
      { ...attachOptions(), guess: true },
    );
    const guessed = run(process.memory).carving;
    compare(`${name}, by process`, guessed, told);
    checkTypes(`${name}, by process`, guessed, told);
    await checkCommands(guest);

    const path = `${guest.directory}/vm.dump`;
    await dumpGuest(present(live.monitor), path);
    const target = { scheme: "core", what: path, device: null, queue: null, text: "" };
    await using dump = await coreSource.attach(target, attachOptions());
    const dumped = run(dump.memory).carving;
    compare(`${name}, dump`, dumped, told);
    checkTypes(`${name}, dump`, dumped, told);
  });
}

liveTest(
  "6 GiB of sparse memory: scanned where there is data, as sparse after",
  missing,
  async () => {
    const features = { eventIdx: false, indirect: false };
    await using guest = await startLinuxGuest({ memory: "memfd-6g", tick: 0.05, ...features });
    await guest.run("ping -c 3 -W 2 10.0.2.2");
    await using live = await attachTo(guest.pid);
    const fd = present(
      sys.readdir(`/proc/${guest.pid}/fd`).find((number) =>
        sys.readlink(`/proc/${guest.pid}/fd/${number}`).includes("memory-backend")
      ),
    );
    const allocated = () => sys.stat(`/proc/${guest.pid}/fd/${fd}`).blocks * 512;
    await present(live.monitor).execute("stop");
    const told = liveQueues(live);
    const before = allocated();
    const { carving, seconds } = run(live.memory);
    console.log(`6 GiB: ${Number(carving.scanned >> 20n)} MiB of data in ${seconds.toFixed(2)} s`);
    assertEquals(allocated(), before);
    assert(carving.scanned < 1n << 30n, `${carving.scanned} bytes were read`);
    compare("6 GiB", carving, told);
    checkTypes("6 GiB", carving, told);
  },
);
