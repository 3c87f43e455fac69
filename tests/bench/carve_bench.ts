/**
 * How fast memory is scanned for rings: what `find --carve` does with RAM files in /dev/shm. Seconds
 * are those of the processor, so that a machine that does much else does not count as much; it still
 * shares its caches.
 *
 * Memory as a guest has it (code, text, pages of one byte, rings), memory full of random bytes, and
 * memory most of which was never written.
 *
 * `deno task bench carve` runs it. The last columns compare with only
 * reading the same bytes, in turns, and tell what was found.
 */
import process from "node:process";
import { carve, type Carving } from "../../lib/carve/carve.ts";
import { readSpans } from "../../lib/dump/pieces.ts";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { writeImage } from "../support/images.ts";

const MIB = 1 << 20;
const GIB = 1 << 30;
/** Bytes of each file. */
const SIZE = GIB;
const ROUNDS = 5;
const CHUNK = 1 << 18;

/** What stands in a MiB of the file; null where nothing was ever written. */
type Fill = (mib: number) => Uint8Array | null;

/** Bytes that no page repeats: xorshift. */
function randomBytes(seed: number): Uint8Array {
  const words = new Uint32Array(MIB / 4);
  let state = (seed + 1) * 0x9e3779b1 >>> 0;
  for (let n = 0; n < words.length; n++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[n] = state;
  }
  return new Uint8Array(words.buffer);
}

/** A MiB of pages as guests have them: machine code, kernel structures, text, zeros. */
function guestLike(program: Uint8Array): Fill {
  return (mib) => {
    const bytes = new Uint8Array(MIB);
    for (let page = 0; page < MIB; page += 4096) {
      const from = (mib * MIB + page) * 7 % (program.length - 4096);
      if ((page >> 12) % 8 !== 7) bytes.set(program.subarray(from, from + 4096), page);
    }
    return bytes;
  };
}

function written(path: string, fill: Fill): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  file.truncateSync(SIZE);
  for (let mib = 0; mib < SIZE / MIB; mib++) {
    const bytes = fill(mib);
    if (bytes === null) continue;
    file.seekSync(mib * MIB, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  }
}

/** Seconds of processor time so far, of all threads. */
function spent(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function scan(memory: GuestMemory): { carving: Carving; seconds: number } {
  const start = spent();
  const steps = carve(memory);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return { carving: step.value, seconds: spent() - start };
}

function readOnly(memory: GuestMemory): number {
  const start = spent();
  for (const _ of readSpans(memory, 0n, BigInt(SIZE), new Uint8Array(CHUNK)));
  return spent() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Scans a file `ROUNDS` times, in turn with reading it alone. */
async function measure(name: string, path: string): Promise<void> {
  await using guest = await openTarget(`file:${path}`);
  const rounds = Array.from({ length: ROUNDS }, () => ({
    ...scan(guest.memory),
    reading: readOnly(guest.memory),
  }));
  const { scanned, rings } = rounds[0].carving;
  const gib = Number(scanned) / GIB;
  const seconds = median(rounds.map(({ seconds }) => seconds));
  const best = rings[0] === undefined ? "none" : rings[0].score.toFixed(2);
  const ratio = median(rounds.map(({ seconds, reading }) => reading / seconds));
  console.log(
    name.padEnd(14) + gib.toFixed(2).padStart(10) + seconds.toFixed(3).padStart(10) +
      (gib / seconds).toFixed(2).padStart(10) + (SIZE / GIB / seconds).toFixed(2).padStart(12) +
      ratio.toFixed(2).padStart(10) + String(rings.length).padStart(8) + best.padStart(8),
  );
}

async function main(): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "guestmem-carve-" });
  try {
    const program = Deno.readFileSync(Deno.execPath());
    const { raw } = await writeImage("split_256_live_wrap", folder);
    const ring = Deno.readFileSync(raw).subarray(0, 4 * MIB);
    const like = guestLike(program);
    const fills: [string, Fill][] = [
      ["like a guest's", (mib) => mib < 4 ? ring.subarray(mib * MIB, (mib + 1) * MIB) : like(mib)],
      ["random", randomBytes],
      ["6 % written", (mib) => mib % 16 === 0 ? like(mib) : null],
    ];
    console.log(
      "memory         read (GiB)  seconds     GiB/s  of all GiB/s  /reading  rings   best",
    );
    for (const [name, fill] of fills) {
      const path = `${folder}/ram`;
      written(path, fill);
      await measure(name, path);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await main();
