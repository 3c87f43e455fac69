import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type DeviceQueue,
  readFrom,
  type TakenBuffer,
  writeTo,
} from "../../lib/ring/device_queue.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import type { Segment } from "../../lib/ring/driver_queue.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { type Pair, type PairOptions, PLACE, queuePair, random } from "../support/queue_pair.ts";

/** What the driver knows of a buffer it added. */
interface Sent {
  readonly number: number;
  readonly segments: readonly Segment[];
}

const SLOT = 64;

/** 1 to 6 segments of 4 to 64 bytes: the first is readable, the last writable, sometimes alone. */
function buffer(pick: (limit: number) => number, place: number): Segment[] {
  const count = 1 + pick(6);
  const readable = count === 1 ? pick(2) : 1 + pick(count - 1);
  return Array.from({ length: count }, (_, n) => ({
    address: (pick(2) === 0 ? PLACE.low : PLACE.high) + BigInt((place * 6 + n) * SLOT),
    length: 4 + pick(61),
    writable: n >= readable,
  }));
}

/** Writes its number into the first readable bytes; the device is to copy it to the writable ones. */
function send(pair: Pair<Sent>, pick: (limit: number) => number, number: number): boolean {
  const segments = buffer(pick, number % 1024);
  if (!segments[0].writable) pair.memory.write(segments[0].address, bytesOf(number));
  return pair.driver.add(segments, { number, segments }, { indirect: pick(2) === 0 });
}

function serve(pair: Pair<Sent>, taken: TakenBuffer): void {
  assertEquals(taken.findings, []);
  const bytes = new Uint8Array(4);
  readFrom(pair.memory, taken, 0, bytes);
  const written = taken.writable > 0 ? writeTo(pair.memory, taken, 0, bytes) : 0;
  pair.device.giveBack(taken, written);
}

function bytesOf(number: number): Uint8Array {
  return new Uint8Array(new Uint32Array([number]).buffer);
}

function checkReply(pair: Pair<Sent>, sent: Sent, written: number | null): void {
  const writable = sent.segments.filter((segment) => segment.writable);
  assertEquals(written, writable.length > 0 ? 4 : 0);
  if (writable.length === 0 || sent.segments[0].writable) return;
  assertEquals(pair.memory.bytes(writable[0].address, 4), bytesOf(sent.number));
}

/** Both sides in turn, in random portions, out of order unless the ring asks for order. */
function run(options: PairOptions, total: number): Pair<Sent> {
  const pair = queuePair<Sent>(options);
  const pick = random(total + options.size);
  const seen = new Uint8Array(total);
  const held: TakenBuffer[] = [];
  let sent = 0;
  for (let reaped = 0; reaped < total;) {
    for (let n = pick(options.size); n > 0 && sent < total && send(pair, pick, sent); n--) sent++;
    pair.driver.publish();
    for (let n = pick(options.size); n > 0; n--) {
      held.push(...[pair.device.take()].filter((one) => one !== null));
    }
    for (let n = pick(options.size); n > 0 && held.length > 0; n--) {
      serve(pair, held.splice(pick(held.length), 1)[0]);
    }
    pair.device.publish();
    for (let back = pair.driver.reap(); back !== null; back = pair.driver.reap()) {
      assertEquals(seen[back.token.number]++, 0);
      checkReply(pair, back.token, back.written);
      reaped++;
    }
    assertEquals([pair.driver.broken, pair.device.broken], [null, null]);
    assert(pair.driver.inFlight <= options.size);
  }
  assertEquals(pair.driver.inFlight, 0);
  assertEquals(pair.driver.free, options.size);
  return pair;
}

const SHAPES: PairOptions[] = [
  { format: "split", size: 256 },
  { format: "split", size: 8, eventIndex: true },
  { format: "split", size: 64, inOrder: true, start: { index: 65500, wrap: true } },
  { format: "split", size: 16, copied: true, addressSpace: "user" },
  { format: "packed", size: 256 },
  { format: "packed", size: 7, eventIndex: true },
  { format: "packed", size: 100, inOrder: true },
  { format: "packed", size: 13, copied: true, addressSpace: "user" },
];

for (const options of SHAPES) {
  const total = options.copied ? 2_000 : 17_000;
  Deno.test(`queue: ${total} buffers come back once, ${JSON.stringify(options)}`, () => {
    const { driver, device, config, memory } = run(options, total);
    assertEquals(device.inFlight, 0);
    const indices = openRing(memory, { ...config, ...walkStart(device) }).snapshot();
    assertEquals(indices.inFlight, 0);
    if (options.format === "split") {
      const expected = ((options.start?.index ?? 0) + total) & 0xffff;
      assertEquals([indices.available.index, indices.used.index], [expected, expected]);
    }
    assertEquals(driver.reap(), null);
  });
}

for (const format of ["split", "packed"] as const) {
  Deno.test(`queue: the walker sees what is in flight on a ${format} ring`, () => {
    const pair = queuePair<number>({ format, size: 16, eventIndex: true });
    const pick = random(3);
    const expected: Segment[][] = [];
    for (let round = 0; round < 200; round++) {
      const segments = buffer(pick, round);
      if (pair.driver.add(segments, round, { indirect: pick(2) === 0 })) expected.push(segments);
      if (pick(2) === 0) {
        pair.driver.publish();
        checkWalk(pair, expected);
      }
      const taken = pick(3) === 0 ? pair.device.take() : null;
      if (taken === null) continue;
      pair.device.giveBack(taken, 0);
      pair.device.publish();
      assertEquals(pair.driver.reap()?.written, 0);
      expected.shift();
    }
  });
}

/** A packed ring's memory does not tell the device's position: the test does. */
function walkStart(device: DeviceQueue): Pick<RingConfig, "start" | "used"> {
  const { used } = device.position;
  return { start: used, used };
}

function checkWalk(pair: Pair<number>, expected: Segment[][]): void {
  const config = { ...pair.config, ...walkStart(pair.device) };
  const snapshot = openRing(pair.memory, config).snapshot();
  assertEquals(snapshot.findings, []);
  const chains = Array.from({ length: snapshot.chainCount }, (_, n) => snapshot.chain(n));
  const walked = chains.map((chain) =>
    chain.descriptors.map(({ address, length, writable }) => ({ address, length, writable }))
  );
  assertEquals(walked, expected);
}

for (const format of ["split", "packed"] as const) {
  for (const eventIndex of [false, true]) {
    const name = `${format}, ${eventIndex ? "event index" : "flags"}`;
    Deno.test(`queue: no wake-up is lost and some are saved (${name})`, () => {
      const pair = queuePair<number>({ format, size: 16, eventIndex });
      const pick = random(11);
      let [kicked, called, reaped, sent, publishes, kicks] = [false, false, 0, 0, 0, 0];
      pair.device.enableKicks();
      // Each side acts only when it was woken; a lost wake-up ends in a standstill.
      for (let idle = 0; reaped < 20_000;) {
        const before = reaped + sent;
        for (let n = pick(4); n > 0 && send(pair as unknown as Pair<Sent>, pick, sent); n--) sent++;
        if (pair.driver.publish()) [kicked, kicks] = [true, kicks + 1];
        publishes++;
        if (kicked && pick(3) === 0) [kicked, called] = [false, serveAll(pair, pick) || called];
        if (called) [called, reaped] = [false, reaped + reapAll(pair)];
        idle = reaped + sent === before ? idle + 1 : 0;
        assert(idle < 100, `standstill after ${sent} sent, ${reaped} reaped`);
      }
      // Flags stay as they are until the device looks; an event index asks for one kick.
      assert(
        kicks < publishes * (eventIndex ? 0.5 : 0.8),
        `${kicks} kicks for ${publishes} publishes`,
      );
    });
  }
}

/** A device polls with kicks off until nothing is left, then asks for kicks and looks again. */
function serveAll(pair: Pair<number>, pick: (limit: number) => number): boolean {
  let call = false;
  do {
    pair.device.disableKicks();
    for (let taken = pair.device.take(); taken !== null; taken = pair.device.take()) {
      pair.device.giveBack(taken, 0);
      if (pick(2) === 0) call = pair.device.publish() || call;
    }
    call = pair.device.publish() || call;
  } while (pair.device.enableKicks());
  return call;
}

function reapAll(pair: Pair<number>): number {
  let count = 0;
  do {
    pair.driver.disableCalls();
    while (pair.driver.reap() !== null) count++;
  } while (pair.driver.enableCalls());
  return count;
}

for (const format of ["split", "packed"] as const) {
  Deno.test(`queue: nothing is visible before it is published (${format})`, () => {
    const pair = queuePair<string>({ format, size: 8 });
    const segment = { address: PLACE.low, length: 16, writable: true };
    pair.driver.add([segment], "a");
    pair.driver.add([segment, segment], "b");
    assertEquals(pair.device.take(), null);
    assertEquals(openRing(pair.memory, pair.config).snapshot().chainCount, 0);
    assertEquals(pair.driver.publish(), true);
    assertEquals(pair.driver.publish(), false);
    const [first, second] = [pair.device.take()!, pair.device.take()!];
    assertEquals([first.writable, second.writable], [16, 32]);
    pair.device.giveBack(second, 32);
    assertEquals(pair.driver.reap(), null);
    pair.device.publish();
    assertEquals(pair.driver.reap(), { token: "b", written: 32 });
    assertEquals(pair.driver.reap(), null);
    assertEquals(pair.driver.inFlight, 1);
  });

  Deno.test(`queue: in order, a buffer waits for those before it (${format})`, () => {
    const pair = queuePair<string>({ format, size: 8, inOrder: true });
    const segment = { address: PLACE.low, length: 16, writable: true };
    for (const token of ["a", "b", "c"]) pair.driver.add([segment, segment], token);
    pair.driver.publish();
    const [a, b, c] = [pair.device.take()!, pair.device.take()!, pair.device.take()!];
    pair.device.giveBack(c, 3);
    pair.device.giveBack(b, 2);
    assertEquals(pair.device.publish(), false);
    pair.device.giveBack(a, 1);
    pair.device.publish();
    const back = [pair.driver.reap(), pair.driver.reap(), pair.driver.reap()];
    assertEquals(back.map((one) => `${one?.token}${one?.written}`), ["a1", "b2", "c3"]);
  });

  Deno.test(`queue: a driver that hands over nonsense is told so (${format})`, () => {
    const pair = queuePair<number>({ format, size: 4 });
    const at = (length: number, writable: boolean) => ({ address: PLACE.low, length, writable });
    assertThrows(() => pair.driver.add([], 1), RangeError, "one at least");
    assertThrows(() => pair.driver.add([at(0, false)], 1), RangeError, "length 0");
    assertThrows(
      () => pair.driver.add([at(1, true), at(1, false)], 1),
      RangeError,
      "readable after",
    );
    const five = Array.from({ length: 5 }, () => at(1, false));
    assertThrows(() => pair.driver.add(five, 1), RangeError, "at most 4 fit");
    assertEquals(pair.driver.add([at(1, false), at(1, false), at(1, false)], 1), true);
    assertEquals(pair.driver.add([at(1, false), at(1, false)], 2), false);
    assertEquals(pair.driver.free, 1);
    assertEquals(pair.driver.add([at(1, false), at(1, false)], 2, { indirect: true }), true);
  });

  Deno.test(`queue: a device gives back only what it holds (${format})`, () => {
    const pair = queuePair<number>({ format, size: 4 });
    pair.driver.add([{ address: PLACE.low, length: 8, writable: true }], 1);
    pair.driver.publish();
    const taken = pair.device.take()!;
    assertThrows(() => pair.device.giveBack(taken, 9), RangeError, "9 bytes written");
    assertThrows(() => pair.device.giveBack({ ...taken }, 0), RangeError, "not held");
    pair.device.giveBack(taken, 8);
    assertThrows(() => pair.device.giveBack(taken, 8), RangeError, "not held");
  });
}

Deno.test("queue: one used element may stand for an in-order batch (split)", () => {
  const pair = queuePair<string>({ format: "split", size: 8, inOrder: true });
  const segment = { address: PLACE.low, length: 16, writable: true };
  for (const token of ["a", "b", "c"]) pair.driver.add([segment], token);
  pair.driver.publish();
  // used: idx 3, element 0 names head 2
  pair.memory.write(PLACE.device, new Uint8Array(new Uint16Array([0, 3, 2, 0, 9, 0]).buffer));
  const back = [pair.driver.reap(), pair.driver.reap(), pair.driver.reap(), pair.driver.reap()];
  assertEquals(back.map((one) => one?.token), ["a", "b", "c", undefined]);
  assertEquals(back.map((one) => one?.written), [null, null, 9, undefined]);
  assertEquals(pair.driver.free, 8);
});

Deno.test("queue: one used descriptor may stand for an in-order batch (packed)", () => {
  const pair = queuePair<string>({ format: "packed", size: 8, inOrder: true });
  const segment = { address: PLACE.low, length: 16, writable: true };
  for (const token of ["a", "b"]) pair.driver.add([segment, segment], token);
  pair.driver.publish();
  const ids = [pair.device.take()!, pair.device.take()!].map((taken) => taken.id);
  const words = new Uint32Array([0, 0, 7, ids[1] | 0x8082 << 16]);
  pair.memory.write(PLACE.descriptor, new Uint8Array(words.buffer));
  assertEquals(pair.driver.reap(), { token: "a", written: null });
  assertEquals(pair.driver.reap(), { token: "b", written: 7 });
  assertEquals(pair.driver.free, 8);
});

Deno.test("queue: a device that uses what it was not given breaks the driver's side", () => {
  for (const format of ["split", "packed"] as const) {
    const pair = queuePair<string>({ format, size: 8 });
    pair.driver.add([{ address: PLACE.low, length: 16, writable: true }], "a");
    pair.driver.publish();
    if (format === "split") {
      pair.memory.write(PLACE.device, new Uint8Array(new Uint16Array([0, 1, 5, 0]).buffer));
    } else {
      pair.memory.write(PLACE.descriptor + 12n, new Uint8Array([5, 0, 0x80, 0x80]));
    }
    assertEquals(pair.driver.reap(), null);
    assertEquals(pair.driver.broken?.code, "id-out-of-range");
  }
  const pair = queuePair<string>({ format: "split", size: 8 });
  pair.memory.write(PLACE.device + 2n, new Uint8Array([1, 0]));
  assertEquals(pair.driver.reap(), null);
  assertEquals(pair.driver.broken?.code, "used-ahead");
});
