/** Device types told by requests: those that the standard's structs make, and no other. */
import { assert, assertEquals } from "@std/assert";
import { guess } from "../../lib/carve/guess.ts";
import { Look } from "../../lib/carve/look.ts";
import { type Sample, sampleOf } from "../../lib/carve/sample.ts";
import type { ChainDescriptor, DescriptorChain } from "../../lib/ring/snapshot.ts";
import { carveMemory, HIGH } from "../support/carve_guest.ts";
import { hexBytes, type Vector } from "../support/device_vectors.ts";
import { VECTORS } from "../support/device_vectors_all.ts";

const memory = carveMemory();
const look = new Look(memory);

/** One chain in memory: readable buffers, then writable ones, of these lengths. */
function sample(
  out: Uint8Array,
  reply: Uint8Array,
  options: { state?: "used" | "available"; written?: number; cut?: number } = {},
): Sample {
  const parts: ChainDescriptor[] = [];
  const put = (bytes: Uint8Array, address: bigint, writable: boolean) => {
    if (bytes.length === 0) return;
    memory.write(address, bytes);
    const index = parts.length;
    parts.push({ index, address, length: bytes.length, writable, next: null, status: "ok" });
  };
  const cut = options.cut ?? out.length;
  put(out.subarray(0, cut), HIGH, false);
  put(out.subarray(cut), HIGH + 0x10000n, false);
  put(reply, HIGH + 0x20000n, true);
  const chain: DescriptorChain = {
    ...{ head: 0, slot: 0, id: 0, indirect: false, findings: [], descriptors: parts },
    ...{ readable: out.length, writable: reply.length },
    state: options.state ?? "used",
    written: options.state === "available" ? null : options.written ?? reply.length,
  };
  return sampleOf(memory, chain);
}

function guessed(samples: readonly Sample[]): string {
  const found = guess(samples.map((one) => [one]), look);
  return found === null ? "nothing" : `${found.type.name} ${found.queue}`;
}

function fromVector(vector: Vector): Sample {
  const reply = hexBytes(vector.in ?? "");
  const written = vector.written ?? reply.length;
  return sample(hexBytes(vector.out ?? ""), reply, { written });
}

/** What speaks for another device as loudly: chains too short to tell. */
const SHORT = new Set(["console", "rng", "pmem", "input", "balloon"]);

Deno.test("no request is taken for another device's, and most are known", () => {
  const known = new Map<string, number>();
  for (const vector of VECTORS) {
    if (vector.bigEndian) continue;
    const found = guess([[fromVector(vector)]], look);
    if (found === null) continue;
    const right = found.type.name === vector.device || SHORT.has(found.type.name);
    assert(right, `${vector.device} ${vector.summary}: taken for ${found.type.name}`);
    if (found.type.name !== vector.device) continue;
    known.set(vector.device, (known.get(vector.device) ?? 0) + 1);
  }
  for (const device of ["blk", "net", "scsi", "vsock", "fs", "gpu", "9p", "mem", "console"]) {
    assert((known.get(device) ?? 0) > 0, `no ${device} among ${[...known].join(" ")}`);
  }
});

Deno.test("posted buffers alone tell little, and console pages from frames", () => {
  const posted = (length: number) =>
    sample(new Uint8Array(0), new Uint8Array(length), { state: "available" });
  const many = (length: number) => Array.from({ length: 24 }, () => posted(length));
  assertEquals(guessed(many(1536)), "net 0");
  assertEquals(guessed(many(4096)), "console 0");
  assertEquals(guessed(many(8)), "input 0");
  assertEquals(guessed(many(16)), "scsi 1");
  assertEquals(guessed(many(100)), "nothing");
});

Deno.test("a chain that is with the device and does not fit outweighs stale ones that do", () => {
  const header = hexBytes("00000000 00000000 0800000000000000");
  const read = (state: "used" | "available") => sample(header, new Uint8Array(513), { state });
  assertEquals(guessed([read("used")]), "blk 0");
  assertEquals(guessed([read("used"), read("available")]), "blk 0");
  const odd = sample(new Uint8Array(40).fill(0xee), new Uint8Array(77), { state: "available" });
  assertEquals(guessed([read("used"), odd, odd]), "nothing");
});

Deno.test("text is console output, random bytes are entropy, neither is the other", () => {
  const text = new TextEncoder().encode("guestmem console line 42\r\n");
  assertEquals(guessed([sample(text, new Uint8Array(0))]), "console 1");
  const noise = Uint8Array.from({ length: 64 }, (_, n) => (n * 151 + 43) & 0xff);
  assertEquals(guessed([sample(new Uint8Array(0), noise)]), "rng 0");
  assertEquals(guessed([sample(new Uint8Array(0), new Uint8Array(64).fill(7))]), "nothing");
});

Deno.test("a command of the control queue is told by how it is cut", () => {
  const command = hexBytes("01 01 525400123456");
  const answer = new Uint8Array(1);
  assertEquals(guessed([sample(command, answer, { cut: 2 })]), "net 2");
  assertEquals(guessed([sample(command, answer, { cut: 3 })]), "nothing");
});

Deno.test("page numbers of the balloon name memory", () => {
  const pages = new Uint32Array([0x100, 0x101, 0x1ff, 0x100000]);
  assertEquals(guessed([sample(new Uint8Array(pages.buffer), new Uint8Array(0))]), "balloon 0");
  const far = new Uint32Array([0x100, 0x101, 0x1ff, 0x200000]);
  assertEquals(guessed([sample(new Uint8Array(far.buffer), new Uint8Array(0))]), "nothing");
});

Deno.test("requests of every length from 0 up are weighed without a fault", () => {
  for (let length = 0; length < 160; length++) {
    for (const fill of [0, 1, 0xff]) {
      const bytes = new Uint8Array(length).fill(fill);
      guessed([sample(bytes, new Uint8Array(length % 9)), sample(new Uint8Array(0), bytes)]);
      guessed([sample(bytes, bytes, { written: 0 }), sample(bytes, bytes, { written: 1 << 30 })]);
    }
  }
});
