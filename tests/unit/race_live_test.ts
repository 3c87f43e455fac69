/**
 * Rings that are written while they are read: by a lawful driver and device in a worker, as fast as
 * they can, and by one that scribbles. What is not marked raced must have been so.
 */
import { assert, assertEquals } from "@std/assert";
import { guestAddress } from "../../lib/address.ts";
import { type Backing, BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import type { Region } from "../../lib/memory/region.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { DescriptorChain, RingSnapshot } from "../../lib/ring/snapshot.ts";
import { RACE, raceCount, raceIndirect, type RaceJob } from "../support/race_writer.ts";

/** Snapshots of each kind of ring, in all 100,000. */
const LOOKS = 6000;

/** Milliseconds to wait for enough of those that were raced, and of those that were not. */
const PATIENCE = 30_000;

/** Where buffers are: memory that is there, and is never to be read. */
const BUFFERS: Backing = {
  length: Number(RACE.length),
  label: "buffers",
  pageSize: 4096,
  copy: () => ({ length: 0, errno: "EFAULT" }),
  live: () => null,
  nextData: () => null,
};

function memoryOver(backing: Backing): GuestMemory {
  const region = (guest: bigint, length: bigint, backing: Backing): Region => ({
    guest: guestAddress(guest),
    length,
    backing,
    offset: 0,
    access: "ro",
    name: backing.label,
    user: null,
  });
  const ring = region(0n, BigInt(RACE.memory), backing);
  return new GuestMemory(
    new RegionTable([ring, region(RACE.buffers, RACE.length, BUFFERS)]),
  );
}

function configOf(work: RaceJob["work"], size: number): RingConfig {
  return {
    format: work === "packed" ? "packed" : "split",
    size,
    descriptor: BigInt(RACE.descriptor),
    driver: BigInt(RACE.driver),
    device: BigInt(RACE.device),
    addressSpace: "guest",
    // In order, so that every outstanding entry is one that the device has.
    features: (1n << 32n) | (1n << 28n) | (1n << 35n),
  };
}

/** The same bytes without being read in place. */
function copied(whole: BufferBacking): Backing {
  return {
    ...whole,
    length: whole.length,
    label: "copied",
    pageSize: 4096,
    copy: (offset, target) => whole.copy(offset, target),
    live: () => null,
    nextData: (offset) => whole.nextData(offset),
  };
}

/** A worker at its work; disposing stops it. */
async function writer(job: Omit<RaceJob, "memory" | "control">) {
  const memory = new SharedArrayBuffer(RACE.memory);
  const control = new SharedArrayBuffer(8);
  const signals = new Int32Array(control);
  const worker = new Worker(new URL("../support/race_writer.ts", import.meta.url), {
    type: "module",
  });
  const stopped = new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = (event) => reject(new Error(event.message));
  });
  worker.postMessage({ ...job, memory, control } satisfies RaceJob);
  while (Atomics.load(signals, 1) === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return {
    memory,
    control,
    async [Symbol.asyncDispose]() {
      Atomics.store(signals, 0, 1);
      await stopped;
      worker.terminate();
    },
  };
}

/** Number of the buffer that a chain is, where all of it is of one buffer; else throws. */
function numberOf(chain: DescriptorChain, indirect: boolean): number {
  const places = chain.descriptors.map(({ address }) => Number(address - RACE.buffers));
  const number = Math.floor(places[0] / RACE.each);
  const expected = Array.from({ length: raceCount(number) }, (_, n) => number * RACE.each + 16 * n);
  assertEquals(places, expected, `a chain of ${chain.descriptors.length} is not one buffer's`);
  assertEquals(chain.indirect, raceIndirect(number, indirect));
  return number;
}

/** What was seen must be the buffers from one number on, without a gap. Gives the first. */
function checkRun(snapshot: RingSnapshot, indirect: boolean, from: number): number | null {
  const count = snapshot.chainCount;
  let first: number | null = null;
  for (let n = from; n < count; n++) {
    const number = numberOf(snapshot.chain(n), indirect);
    first ??= number - (n - from);
    assertEquals(number, first + n - from);
  }
  return first;
}

function checkSplit(snapshot: RingSnapshot, indirect: boolean): void {
  assertEquals(snapshot.findings, []);
  assertEquals(snapshot.chainCount, snapshot.inFlight);
  const first = checkRun(snapshot, indirect, 0);
  if (first !== null) assertEquals(first & 0xffff, snapshot.used.index);
}

/** Where the device's position is a guess the first list may be the rest of one that was used. */
function checkPacked(snapshot: RingSnapshot, indirect: boolean): void {
  assertEquals(snapshot.findings, []);
  const guess = snapshot.exact ? 0 : 1;
  checkRun(snapshot, indirect, Math.min(guess, snapshot.chainCount));
  for (let n = guess; n < snapshot.chainCount; n++) {
    const chain = snapshot.chain(n);
    assertEquals(chain.id, numberOf(chain, indirect) % snapshot.config.size);
  }
}

const RINGS = [
  ["split", 8],
  ["split", 256],
  ["packed", 5],
  ["packed", 64],
] as const;

for (const [work, size] of RINGS) {
  for (const indirect of [false, true]) {
    for (const live of [true, false]) {
      const name = `${work} ${size}${indirect ? ", indirect" : ""}${live ? "" : ", by copies"}`;
      Deno.test(`what is not raced was so: ${name}`, async () => {
        await using writing = await writer({ work, size, indirect });
        const whole = new BufferBacking(writing.memory);
        const memory = memoryOver(live ? whole : copied(whole));
        const ring = openRing(memory, configOf(work, size));
        const seen = { looks: 0, raced: 0, still: 0, chains: 0 };
        const enough = () => Math.min(seen.looks / 50, seen.raced, seen.still) >= LOOKS / 50;
        for (const end = performance.now() + PATIENCE; !enough() && performance.now() < end;) {
          const snapshot = ring.snapshot();
          seen.looks++;
          if (snapshot.raced) seen.raced++;
          else {
            seen.still++;
            seen.chains += snapshot.chainCount;
            if (work === "split") checkSplit(snapshot, indirect);
            else checkPacked(snapshot, indirect);
          }
        }
        assert(enough() && seen.chains > 0, JSON.stringify(seen));
      });
    }
  }
}

/** Reads everything that a caller can, of a ring that is rubbish and moves. */
function readAll(snapshot: RingSnapshot): number {
  let descriptors = 0;
  for (let n = 0; n < Math.min(snapshot.chainCount, 32); n++) {
    descriptors += snapshot.chain(n).descriptors.length;
  }
  return descriptors + snapshot.findings.length;
}

for (const format of ["split", "packed"] as const) {
  for (const live of [true, false]) {
    const name = `${format}${live ? "" : ", by copies"}`;
    Deno.test(`scribbled over while it is read, no walk throws or lasts: ${name}`, async () => {
      await using writing = await writer({ work: "scribble", size: 64, indirect: true });
      const whole = new BufferBacking(writing.memory);
      const memory = memoryOver(live ? whole : copied(whole));
      const ring = openRing(memory, configOf(format, 64));
      const signals = new Int32Array(writing.control);
      const begun = Atomics.load(signals, 1);
      const end = performance.now() + PATIENCE;
      let [longest, read, looks] = [0, 0, 0];
      const enough = () =>
        looks > LOOKS / 4 && read > 0 && Atomics.load(signals, 1) >= begun + 1000;
      while (!enough() && performance.now() < end) {
        const started = performance.now();
        read += readAll(ring.snapshot({ chains: looks++ % 3 === 0 ? "recent" : "outstanding" }));
        longest = Math.max(longest, performance.now() - started);
      }
      assert(enough(), `${looks} looks, ${read} descriptors and findings`);
      assert(longest < 5000, `one took ${Math.round(longest)} ms`);
    });
  }
}
