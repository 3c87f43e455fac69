import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Poller } from "../../ffi/poller.ts";
import type { Sys } from "../../ffi/sys.ts";
import { fakeSys } from "../support/fake_sys.ts";

const script: Partial<Sys> = {
  eventfd: () => 3,
  signal: () => {},
  drain: () => 0n,
  close: () => {},
  poll: (entries) => Promise.resolve(entries.map(({ fd }) => fd === 3 ? 0 : 1)),
};

Deno.test("a failing poll ends run with its error, and tells who waits for an fd", async () => {
  const fake = fakeSys({ script, fail: [{ call: "poll", errno: "ENOMEM", nth: 0 }] });
  await using poller = new Poller(fake.sys);
  const waiting = poller.once(7, 1);
  const running = poller.run();
  await assertRejects(() => running, Error, "ENOMEM");
  await assertRejects(() => waiting, Error, "ended");
  await assertRejects(() => poller.once(8, 1), Error, "ended");
});

Deno.test("a throwing callback ends run with its error", async () => {
  const fake = fakeSys({ script });
  await using poller = new Poller(fake.sys);
  poller.add(7, 1, () => {
    throw new TypeError("bug");
  });
  await assertRejects(() => poller.run(), TypeError, "bug");
});

Deno.test("an fd that a callback removes is not called back in the same round", async () => {
  const fake = fakeSys({ script });
  await using poller = new Poller(fake.sys);
  const called: number[] = [];
  poller.add(7, 1, () => {
    called.push(7);
    poller.remove(8);
    poller.add(8, 1, () => called.push(-8));
  });
  poller.add(8, 1, () => called.push(8));
  poller.add(9, 1, () => poller.stop());
  await poller.run();
  assertEquals(called, [7]);
});

Deno.test("one watch per fd, one run per poller", async () => {
  const fake = fakeSys({ script });
  const poller = new Poller(fake.sys);
  poller.add(7, 1, () => poller.stop());
  assertThrows(() => poller.add(7, 4, () => {}), Error, "watched already");
  assertThrows(() => poller.change(8, 4), Error, "not watched");
  await poller.run();
  assertThrows(() => poller.run(), Error, "runs already");
  await poller.close();
  await poller.close();
  assertEquals(fake.names().filter((name) => name === "close"), ["close"]);
});

Deno.test("a wake is taken, or the next poll would return at once for ever", async () => {
  const woken = { ...script, poll: () => Promise.resolve([1, 1]) };
  const fake = fakeSys({ script: woken });
  await using poller = new Poller(fake.sys);
  poller.add(7, 1, () => poller.stop());
  await poller.run();
  assertEquals(fake.names(), ["eventfd", "poll", "drain", "signal"]);
});
