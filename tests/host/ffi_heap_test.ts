import { assert } from "@std/assert";
import { sys } from "../support/host.ts";
import { residentOf } from "../support/resident.ts";

const { symbols: c } = Deno.dlopen("libc.so.6", {
  // void *calloc(size_t count, size_t size)
  calloc: { parameters: ["u64", "u64"], result: "u64" },
  // void *memset(void *at, int value, size_t length)
  memset: { parameters: ["u64", "i32", "u64"], result: "u64" },
  // void free(void *at)
  free: { parameters: ["u64"], result: "void" },
});

const KIB = 1024;
// Below what malloc maps on its own, so that it comes from the heap.
const SIZE = 64 * KIB;
const COUNT = 512;

Deno.test("free pages of the heap go back to the system", () => {
  const blocks = Array.from({ length: COUNT }, () => c.calloc(1n, BigInt(SIZE)));
  for (const block of blocks) c.memset(block, 1, BigInt(SIZE));
  // The last one keeps the heap's end where it is: free() alone shrinks it from there.
  const last = blocks.pop()!;
  for (const block of blocks) c.free(block);
  const before = residentOf(sys.pid).own;
  sys.trimHeap();
  const after = residentOf(sys.pid).own;
  c.free(last);
  assert(before - after > (COUNT * SIZE) / KIB / 2, `${before} KiB before, ${after} after`);
});
