import { assertEquals } from "@std/assert";
import { setColorEnabled } from "../../cli/render/colors.ts";
import { ringPicture, ringStrip } from "../../cli/render/ring_picture.ts";
import type { RingFormat, RingPosition } from "../../lib/ring/config.ts";
import type { RingSnapshot } from "../../lib/ring/snapshot.ts";

setColorEnabled(false);

interface Stand {
  readonly format?: RingFormat;
  readonly size: number;
  readonly used: number;
  readonly available: number;
  readonly inFlight: number;
  readonly fetched?: RingPosition;
  readonly exact?: boolean;
}

function picture({ format = "split", exact = true, ...stand }: Stand): string[] {
  const side = (index: number) => ({ index, flags: 0, event: null, wrap: null, eventWrap: null });
  const { size, fetched } = stand;
  const areas = { descriptor: 0n, driver: 0n, device: 0n, addressSpace: "guest" as const };
  const snapshot: RingSnapshot = {
    config: { format, size, ...areas, features: 0n, fetched },
    available: side(stand.available),
    used: side(stand.used),
    inFlight: stand.inFlight,
    exact,
    raced: false,
    time: 0,
    suppression: { kickWanted: true, callWanted: true, by: "flags" },
    chainCount: 0,
    totals: { descriptors: 0, readable: 0, writable: 0 },
    chain: () => {
      throw new RangeError("no chains");
    },
    findings: [],
  };
  return ringPicture(snapshot).split("\n");
}

Deno.test("an empty ring", () => {
  assertEquals(picture({ size: 8, used: 19, available: 19, inFlight: 0 }), [
    "        v available 19",
    "  0 |........| 7",
    "        ^ used 19",
    "  = 0 buffers with the device   . 8 with the driver",
  ]);
});

Deno.test("what is with the device goes round the end of the ring", () => {
  assertEquals(picture({ size: 8, used: 6, available: 9, inFlight: 3 }), [
    "      v available 9",
    "  0 |=.....==| 7",
    "    used 6 ^",
    "  = 3 buffers with the device   . 5 with the driver",
  ]);
});

Deno.test("what the device fetched is told from what waits for it, where that is known", () => {
  const fetched = { index: 4, wrap: false };
  assertEquals(picture({ size: 8, used: 2, available: 7, inFlight: 5, fetched }), [
    "            v available 7",
    "  0 |..##===.| 7",
    "       ^ used 2",
    "  # 2 fetched   = 3 not fetched yet   . 3 with the driver",
  ]);
});

Deno.test("one buffer is seen in the largest ring", () => {
  const [, line] = picture({ size: 32768, used: 20_000, available: 20_001, inFlight: 1 });
  assertEquals(line.length, "  0 |".length + 64 + "| 32767".length);
  assertEquals(line.indexOf("="), 5 + Math.floor(20_000 * 64 / 32768));
});

Deno.test("a full ring, and one that claims to hold more than it has", () => {
  const full = picture({ size: 4, used: 2, available: 6, inFlight: 4 })[1];
  assertEquals(full, "  0 |====| 3");
  assertEquals(picture({ size: 4, used: 2, available: 900, inFlight: 898 })[1], full);
});

Deno.test("a packed ring's device position may be derived, and is said to be", () => {
  const lines = picture({
    format: "packed",
    size: 8,
    used: 1,
    available: 3,
    inFlight: 2,
    exact: false,
  });
  assertEquals(lines[2], "      ^ used 1 or later");
  assertEquals(lines[3], "  = 2 slots with the device   . 6 with the driver");
});

Deno.test("a size that is none is not drawn", () => {
  for (const size of [0, -1, NaN, 1 << 20]) {
    assertEquals(picture({ size, used: 0, available: 0, inFlight: 0 }), [""]);
  }
});

function strip(
  width: number,
  { fetched = 0, waiting = 0, recent = 0, ...stand }: {
    size: number;
    used: number;
    fetched?: number;
    waiting?: number;
    recent?: number;
  },
): string {
  const available = (stand.used + fetched + waiting) % stand.size;
  return ringStrip({ available, fetched, waiting, recent, ...stand }, width);
}

Deno.test("a strip: used a moment ago, fetched, available, free, in the order of slots", () => {
  assertEquals(
    strip(16, { size: 16, used: 5, fetched: 2, waiting: 3, recent: 4 }),
    ".::::##===......",
  );
  assertEquals(strip(99, { size: 8, used: 6, fetched: 1, waiting: 3, recent: 2 }), "==..::#=");
  assertEquals(strip(8, { size: 8, used: 3, waiting: 8 }), "========");
  assertEquals(strip(8, { size: 8, used: 3, recent: 8 }), ":::|::::");
  assertEquals(strip(8, { size: 8, used: 0 }), "|.......");
});

Deno.test("a cell of a strip is as busy as the busiest of its slots", () => {
  assertEquals(strip(4, { size: 64, used: 16, fetched: 1 }), ".#..");
  assertEquals(strip(4, { size: 64, used: 31, fetched: 1, waiting: 1, recent: 16 }), ":#=.");
  assertEquals(strip(4, { size: 65536, used: 65535, waiting: 2 }), "=..=");
  // From the middle of a cell all the way round to its beginning.
  assertEquals(strip(4, { size: 64, used: 24, waiting: 60 }), "====");
  assertEquals(strip(4, { size: 64, used: 24, waiting: 8 }), ".=..");
});
