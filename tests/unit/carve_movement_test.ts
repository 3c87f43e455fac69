/** What moves as a ring does, and what merely changes. */
import { assertEquals } from "@std/assert";
import { movedSplit } from "../../lib/carve/movement.ts";
import type { SplitShape } from "../../lib/carve/split_shape.ts";
import type { Ring, RingIndices } from "../../lib/ring/snapshot.ts";

type Stand = readonly [available: number, used: number];

/** Whether a ring of 256 moved, that stood at the first of `stands` and then shows the others. */
function moved([scanned, ...later]: Stand[]): boolean {
  const [available, used] = scanned;
  const shape = { size: 256, available, used } as SplitShape;
  const side = (index: number) => ({ index, flags: 0, event: null, wrap: null, eventWrap: null });
  const indices = () => {
    const [available, used] = later.shift() ?? [0, 0];
    return { available: side(available), used: side(used) } as RingIndices;
  };
  return movedSplit(shape, { indices } as Ring);
}

Deno.test("indices that count on, over the end of their 16 bits too", () => {
  assertEquals(moved([[10, 8], [11, 10], [11, 10]]), true);
  assertEquals(moved([[65535, 65530], [3, 65535], [3, 65535]]), true);
  assertEquals(moved([[10, 8], [10, 9], [10, 9]]), true);
});

Deno.test("a fast ring has gone round since the scan, and is seen to move now", () => {
  assertEquals(moved([[10, 8], [40010, 40008], [40012, 40010]]), true);
});

Deno.test("what stands still does not move, nor what jumps, goes back, or has too much in flight", () => {
  assertEquals(moved([[10, 8], [10, 8], [10, 8]]), false);
  assertEquals(moved([[10, 8], [5000, 4990], [9000, 8990]]), false);
  assertEquals(moved([[10, 8], [9, 8], [9, 8]]), false);
  assertEquals(moved([[10, 8], [300, 8], [301, 8]]), false);
});
