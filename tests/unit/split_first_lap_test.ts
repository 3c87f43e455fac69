/** Whether used_event 0 can be where a driver waits: it took nothing back, as far as the ring shows. */
import { assertEquals } from "@std/assert";
import { isPolled } from "../../lib/device/polled.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { drawnConfig, DrawnRing } from "../support/ring_memory.ts";

const EVENT_IDX = 1n << 29n;

/** Heads made available from index `from` on, and as many of them used. */
function ring(heads: readonly number[], { from = 0, used = heads.length } = {}): DrawnRing {
  const drawn = new DrawnRing(drawnConfig("split", 8, { features: EVENT_IDX }));
  const elements = heads.slice(0, used).map((id) => ({ id, length: 1 }));
  return drawn.available(from, heads).used(from, elements);
}

const armed = ({ memory, config }: DrawnRing) => openRing(memory, config).isArmedAtZero();

Deno.test("the first answers of a ring: each head is another one", () => {
  //  available  0 3 6 . . . . .   used  0 3 . . . . . .
  assertEquals(armed(ring([0])), true);
  assertEquals(armed(ring([0, 3, 6], { used: 2 })), true);
  assertEquals(armed(ring([0, 1, 2, 3, 4, 5, 6, 7])), true);
});

Deno.test("a head that is there again was taken back in between", () => {
  //  available  0 0 . . . . . .
  assertEquals(armed(ring([0, 0])), false);
  assertEquals(armed(ring([0, 3, 6, 3], { used: 3 })), false);
});

Deno.test("more were made available than there are descriptors", () => {
  assertEquals(armed(ring([7, 6, 5, 4, 3, 2, 1, 0], { from: 1 })), false);
  assertEquals(armed(ring([0], { from: 500 })), false);
});

Deno.test("indices that came round at 65536: the lap before stands in the used ring", () => {
  const lap = Array.from({ length: 8 }, (_, id) => ({ id, length: 1 }));
  const drawn = ring([0, 1]).used(65_528, lap).used(0, [{ id: 0, length: 1 }, {
    id: 1,
    length: 1,
  }]);
  assertEquals(armed(drawn), false);
});

Deno.test("a ring that can not be read is not said to be armed", () => {
  const { memory, config } = ring([0]);
  assertEquals(openRing(memory, { ...config, device: 0x7777_0000n }).isArmedAtZero(), false);
});

Deno.test("queues that Linux polls, and others of the same name", () => {
  const [net, console, gpu, block] = [1, 3, 16, 2];
  assertEquals([isPolled(net, "ctrl"), isPolled(console, "tx1"), isPolled(23, "request")], [
    ...[true, true, true],
  ]);
  assertEquals([isPolled(gpu, "ctrl"), isPolled(net, "tx0"), isPolled(block, "request0")], [
    ...[false, false, false],
  ]);
});
