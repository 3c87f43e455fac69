/**
 * What it costs to show a full ring of a disk: attach a RAM file, walk the ring, decode every request,
 * make the JSON. Processor time beyond start-up, of all threads: of a new process whose modules were
 * loaded by dumping an empty ring, as `dump ring --json` has it; and the same again and again, as a
 * sampler has it.
 *
 * All figures are milliseconds of processor time. A machine that does much else makes all of them
 * larger: the last column says how many starts of an empty program a first dump is.
 *
 * `deno task bench decode` runs it.
 */
import process from "node:process";
import { ringJson } from "../../cli/render/ring_json.ts";
import { isReadable, reportRing, typeOf } from "../../lib/guest/ring_report.ts";
import { selectQueues } from "../../lib/guest/select.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { image, writeImage } from "../support/images.ts";

/** Processes started, and dumps in a warm one. */
const [PROCESSES, WARM] = [15, 200];

const IMAGES = ["split_256_chain3", "split_256_indirect8", "packed_256_chain3"];

/** Milliseconds of processor time so far, of all threads. */
function spent(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function dump(folder: string, name = "disk"): Promise<{ text: string; chains: number }> {
  await using guest = await openTarget(`file:${folder}/disk.raw`, {
    layout: `${folder}/${name}.json`,
  });
  const [selected] = selectQueues(guest.devices, guest.target);
  if (!isReadable(selected)) throw new Error(selected.queue.note);
  const report = reportRing(guest.memory, selected, await typeOf(selected.device), {});
  return { text: ringJson(report), chains: report.snapshot.chainCount };
}

/** An image as the ring of a disk: its chains begin with request headers (virtio 1.4, 5.2.6). */
async function prepare(name: string, folder: string): Promise<void> {
  const { memory, config } = image(name);
  const { raw, layout } = await writeImage(name, folder);
  const snapshot = openRing(memory, config).snapshot();
  using file = await Deno.open(raw, { write: true });
  for (let n = 0; n < snapshot.chainCount; n++) {
    const { descriptors: [{ address }] } = snapshot.chain(n);
    const header = new DataView(new ArrayBuffer(16));
    header.setUint32(0, n % 2, true);
    header.setBigUint64(8, BigInt(n * 8), true);
    file.seekSync(address, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(header.buffer));
  }
  const { format, memory: [{ file: _, ...part }], name: __, ...ring } = JSON.parse(
    await Deno.readTextFile(layout),
  );
  const devices = [{ name: "blk0", type: "blk", features: ring.features, queues: [ring] }];
  await Deno.rename(raw, `${folder}/disk.raw`);
  const disk = { format, memory: [{ file: "disk.raw", ...part }], devices };
  await Deno.writeTextFile(`${folder}/disk.json`, JSON.stringify(disk));
  // The same where there is nothing but zeros.
  const { desc: _desc, avail: _avail, used: _used, driver: _driver, device: _device, ...rest } =
    ring;
  const areas = { desc: "0x300000", driver: "0x340000", device: "0x350000" };
  const queues = [{ ...rest, ...areas }];
  const empty = { ...disk, devices: [{ ...devices[0], queues }] };
  await Deno.writeTextFile(`${folder}/empty.json`, JSON.stringify(empty));
}

/** What a new process prints: the first full ring, or an empty program, in ms of processor time. */
async function cold(...words: string[]): Promise<number> {
  const args = ["run", "--quiet", "--no-check", "-A", ...words];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return Number(new TextDecoder().decode(stdout));
}

async function warm(
  folder: string,
): Promise<{ milliseconds: number; chains: number; kib: number }> {
  for (let n = 0; n < WARM; n++) await dump(folder);
  const start = spent();
  for (let n = 0; n < WARM; n++) await dump(folder);
  const milliseconds = (spent() - start) / WARM;
  const { text, chains } = await dump(folder);
  return { milliseconds, chains, kib: text.length / 1024 };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Prints one line of the table. */
async function measure(name: string, folder: string): Promise<void> {
  await prepare(name, folder);
  const empty = `${folder}/empty.ts`;
  const text = 'const { user, system } = (await import("node:process")).default.cpuUsage();\n' +
    "console.log((user + system) / 1000);";
  await Deno.writeTextFile(empty, text);
  const rounds: { start: number; first: number }[] = [];
  for (let n = 0; n < PROCESSES; n++) {
    const start = await cold(empty);
    rounds.push({ start, first: await cold(import.meta.filename as string, folder) });
  }
  const { milliseconds, chains, kib } = await warm(folder);
  const number = (value: number, digits: number, width: number) =>
    value.toFixed(digits).padStart(width);
  const first = rounds.map(({ first }) => first);
  console.log(
    name.padEnd(22) + number(chains, 0, 8) + number(kib, 0, 6) + number(median(first), 1, 12) +
      number(Math.min(...first), 1, 8) + number(milliseconds, 2, 13) +
      number(median(rounds.map(({ start }) => start)), 1, 13) +
      number(median(rounds.map(({ start, first }) => first / start)), 2, 14),
  );
}

async function main(): Promise<void> {
  const [folder] = Deno.args;
  if (folder !== undefined) {
    const { chains } = await dump(folder, "empty");
    if (chains !== 0) throw new Error(`${chains} chains in an empty ring`);
    const start = spent();
    const { text } = await dump(folder);
    const milliseconds = spent() - start;
    if (!text.includes('"summary":"OUT sector 8')) throw new Error(text.slice(0, 2000));
    return console.log(milliseconds);
  }
  console.log(
    "a ring of 256         requests   KiB  first dump   least  later dumps  empty program  first/empty",
  );
  for (const name of IMAGES) {
    const folder = await Deno.makeTempDir();
    try {
      await measure(name, folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
}

if (import.meta.main) await main();
