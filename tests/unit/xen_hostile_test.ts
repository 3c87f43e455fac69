/** Shared rings full of noise: never an error, never more entries than the ring has slots. */
import { assert } from "@std/assert";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { asRing } from "../../lib/ring/xen/as_ring.ts";
import { openXenRing } from "../../lib/ring/xen/ring.ts";
import type { XenRingAbi, XenRingKind } from "../../lib/ring/xen/spec.ts";

const KINDS: readonly XenRingKind[] = ["blkif", "netif-tx", "netif-rx", "console", "xenstore"];
const ABIS: readonly XenRingAbi[] = ["x86_64-abi", "x86_32-abi", "arm-abi"];

/** xorshift32: the same noise each time. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

Deno.test("noise in a ring's page", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const next = noise(seed);
    const words = Uint32Array.from({ length: 1024 }, next);
    // Half of the pages have indices that make sense, so that their entries are looked at.
    if (seed % 2 === 0) {
      words[2] = words[0] - next() % 40;
      for (const at of [768, 770, 512, 514]) words[at + 1] = words[at] + next() % 1024;
    }
    const pages = new BufferBacking(words.buffer);
    for (const kind of KINDS) {
      const ring = openXenRing({ kind, abi: ABIS[seed % 3], pages });
      const snapshot = ring.snapshot({ recentCount: 1000 });
      assert(snapshot.entries.length <= 2 * snapshot.size, `${kind} ${snapshot.entries.length}`);
      asRing(ring).snapshot();
      JSON.stringify(snapshot);
    }
  }
});
