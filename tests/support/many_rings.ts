/**
 * Many split rings that move, for what is to be watched at scale. Run, it is a process of its own
 * that holds them in a sealed memfd, as a QEMU would, until it is killed:
 *
 * usage: deno run -A many_rings.ts COUNT MOVING LAYOUT
 *
 * LAYOUT is written for `proc:PID --layout LAYOUT`. MOVING of the rings take some 1,000 buffers a
 * second each; all have a few in flight, in valid chains of one descriptor.
 *
 * @module
 */
import { Mapping } from "../../ffi/mapping.ts";
import { sealedMemfd } from "../../ffi/memfd.ts";
import { openSys } from "../../ffi/sys.ts";

/** Entries of each ring. */
export const RING_SIZE = 256;

/** Bytes of one ring with its areas: descriptors, then available, then used ring (virtio 1.4, 2.7.2). */
const STRIDE = 8192;
const AVAILABLE = RING_SIZE * 16;
const USED = AVAILABLE + 1024;
/** Queues of a device. */
const QUEUES = 50;
const NAME = "many-rings";

/** Milliseconds between two steps of the rings that move, and buffers in a step. */
const STEP = 10;
const BUFFERS = 10;
/** Buffers that are with the device. */
const IN_FLIGHT = 4;

/** A layout of so many rings in devices of 50 queues. */
export function manyRingsLayout(count: number): string {
  const queues = Array.from({ length: count }, (_, ring) => {
    const at = ring * STRIDE;
    const hex = (offset: number) => `0x${(at + offset).toString(16)}`;
    return { queue_size: RING_SIZE, desc: hex(0), avail: hex(AVAILABLE), used: hex(USED) };
  });
  const devices = [];
  for (let first = 0; first < count; first += QUEUES) {
    devices.push({ name: `d${first / QUEUES}`, queues: queues.slice(first, first + QUEUES) });
  }
  const memory = [{ memfd: NAME, gpa: "0x0", size: count * STRIDE }];
  return JSON.stringify({
    format: "ring-image/1",
    memory,
    layout: "split",
    features: "0x100000000",
    devices,
  });
}

/** Puts rings into memory that is all zero. */
function draw(words: Uint16Array, count: number): void {
  for (let ring = 0; ring < count; ring++) {
    const at = ring * STRIDE / 2;
    for (let n = 0; n < RING_SIZE; n++) {
      words[at + n * 8 + 4] = 64;
      words[at + n * 8 + 6] = 2;
      words[at + AVAILABLE / 2 + 2 + n] = n;
    }
  }
}

/** Both indices of a ring go on. */
function step(words: Uint16Array, ring: number): void {
  const at = ring * STRIDE / 2;
  const used = words[at + USED / 2 + 1] += BUFFERS;
  words[at + AVAILABLE / 2 + 1] = used + IN_FLIGHT;
}

if (import.meta.main) {
  const [count, moving] = Deno.args.map(Number);
  const sys = openSys();
  const fd = sealedMemfd(sys, NAME, count * STRIDE);
  const length = count * STRIDE;
  const mapping = Mapping.open({ sys, fd: fd.number, length, writable: true, label: NAME });
  const words = new Uint16Array(mapping.liveWritable() as ArrayBuffer);
  draw(words, count);
  await Deno.writeTextFile(Deno.args[2], manyRingsLayout(count));
  console.log(`proc:${Deno.pid}`);
  setInterval(() => {
    for (let n = 0; n < moving; n++) step(words, Math.floor(n * count / moving));
  }, STEP);
}
