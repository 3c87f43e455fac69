/**
 * How fast rings are walked, as a ratio to the same walk in C (`ring_walk.c`, gcc -O2) over the same
 * images. The two take turns, so that a busy machine slows both.
 *
 * `deno task bench` runs it; it wants gcc. The last column is library / C.
 */
import { assertEquals } from "@std/assert";
import type { RingConfig } from "../../lib/ring/config.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { PackedRing } from "../../lib/ring/packed_ring.ts";
import { PackedWalk } from "../../lib/ring/packed_walk.ts";
import { SplitRing } from "../../lib/ring/split_ring.ts";
import { SplitWalk } from "../../lib/ring/split_walk.ts";
import type { Ring, RingSnapshot } from "../../lib/ring/snapshot.ts";
import { type Image, image as loadImage, writeImage } from "../support/images.ts";

const ALL = [
  "split_256_chain1",
  "split_256_chain3",
  "split_256_indirect8",
  "split_32768_chain1",
  "split_32768_chain3",
  "split_32768_indirect8",
  "packed_256_chain1",
  "packed_256_chain3",
  "packed_256_indirect8",
  "packed_32768_chain1",
  "packed_32768_chain3",
  "packed_32768_indirect8",
];
/** Names given as arguments narrow the run. */
const IMAGES = Deno.args.length === 0 ? ALL : ALL.filter((name) => Deno.args.includes(name));
const ROUNDS = 7;
const SECONDS = 0.15;

/** Chains per second of both, round by round. */
interface Round {
  readonly ours: number;
  readonly peer: number;
}

/** The public walker with its columns reused, as a sampler uses it. */
function walker(ring: Ring, image: Image): () => RingSnapshot {
  if (ring instanceof SplitRing) {
    const walk = new SplitWalk(image.memory, image.config);
    return () => ring.snapshotInto(walk);
  }
  if (!(ring instanceof PackedRing)) throw new TypeError(`${image.name} can not be walked`);
  const walk = new PackedWalk(image.memory, image.config);
  return () => ring.snapshotInto(walk);
}

function timeOurs(walk: () => RingSnapshot, batch: number): number {
  const start = performance.now();
  let [chains, now] = [0, start];
  do {
    for (let n = 0; n < batch; n++) chains += walk().chainCount;
    now = performance.now();
  } while (now < start + SECONDS * 1000);
  return chains / ((now - start) / 1000);
}

function peerArguments(image: Image, raw: string): string[] {
  const { format, size, descriptor, driver, device, features, start } = image.config as RingConfig;
  const areas = [descriptor, driver, device, features].map((value) => "0x" + value.toString(16));
  const from = [String(start?.index ?? 0), start?.wrap === false ? "0" : "1", String(SECONDS)];
  const regions = image.memory.table.regions
    .flatMap(({ guest, length, offset }) => [String(guest), String(length), String(offset)]);
  return [raw, format, String(size), ...areas, ...from, ...regions];
}

function timePeer(program: string, args: string[], image: Image): number {
  const { stdout, code } = new Deno.Command(program, { args }).outputSync();
  const numbers = new TextDecoder().decode(stdout).trim().split(" ").map(Number);
  assertEquals(code, 0, `${program} found fault with ${image.name}`);
  const { chains, descriptors, readable_bytes, writable_bytes } = image.expect!;
  assertEquals(numbers.slice(0, 4), [chains, descriptors, readable_bytes, writable_bytes]);
  return numbers[4];
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

async function measure(name: string, folder: string, program: string): Promise<Round[]> {
  const image = loadImage(name);
  const { raw } = await writeImage(name, folder);
  const walk = walker(openRing(image.memory, image.config), image);
  const args = peerArguments(image, raw);
  const batch = image.config.size > 1024 ? 2 : 64;
  timeOurs(walk, batch);
  return Array.from({ length: ROUNDS }, () => ({
    peer: timePeer(program, args, image),
    ours: timeOurs(walk, batch),
  }));
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  try {
    const program = `${folder}/ring_walk`;
    const source = new URL("./ring_walk.c", import.meta.url).pathname;
    const built = new Deno.Command("gcc", { args: ["-O2", "-o", program, source] }).outputSync();
    if (!built.success) throw new Error(new TextDecoder().decode(built.stderr));
    console.log("image                        library   C -O2   ratio   (M chains/s, medians)");
    for (const name of IMAGES) {
      const rounds = await measure(name, folder, program);
      const ratio = median(rounds.map(({ ours, peer }) => ours / peer));
      const [ours, peer] = [
        median(rounds.map((round) => round.ours)),
        median(rounds.map((round) => round.peer)),
      ];
      const millions = (value: number) => (value / 1e6).toFixed(1).padStart(8);
      console.log(name.padEnd(26), millions(ours), millions(peer), ratio.toFixed(2).padStart(7));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
