import { assertEquals, assertRejects } from "@std/assert";
import {
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
} from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import { libc } from "../../ffi/libc.ts";
import { Poller } from "../../ffi/poller.ts";
import { deviceCalls } from "../../ffi/sys_memory.ts";
import { errnoFrom, sys } from "../support/host.ts";

const event = (initial = 0, flags = EFD_NONBLOCK) => new Fd(sys, sys.eventfd(initial, flags));

Deno.test("an eventfd adds up and is drained at once", () => {
  using fd = event(2);
  sys.signal(fd.number);
  sys.signal(fd.number, 0x1_0000_0000n);
  assertEquals(sys.drain(fd.number), 0x1_0000_0003n);
  assertEquals(sys.drain(fd.number), 0n);
  using semaphore = event(2, EFD_NONBLOCK | EFD_SEMAPHORE);
  assertEquals([1, 2, 3].map(() => sys.drain(semaphore.number)), [1n, 1n, 0n]);
});

Deno.test("a peer's blocking eventfd hangs neither drain nor signal", () => {
  using fd = event(0, 0);
  assertEquals(sys.drain(fd.number), 0n);
  sys.signal(fd.number, 0xffff_ffff_ffff_fffen);
  assertEquals(errnoFrom(() => sys.signal(fd.number)), "EAGAIN");
});

Deno.test("a counter that a peer takes between poll and read hangs nobody", () => {
  // Says ready, whatever is: the peer's read comes right after it.
  const { drain } = deviceCalls(libc(), () => [POLLIN]);
  using blocking = event(0, 0);
  assertEquals(drain(blocking.number), 0n);
  const [near, far] = sys.socketpair();
  sys.sendmsg(far, new Uint8Array(new BigUint64Array([7n]).buffer), []);
  assertEquals(drain(near), 7n, "what is no eventfd is read, too");
  assertEquals(drain(near), 0n);
  closeAll(sys, [near, far]);
});

Deno.test("pollNow tells each fd's state", () => {
  using ready = event(1);
  using idle = event(0);
  const [near, far] = sys.socketpair();
  sys.close(far);
  const entries = [
    { fd: ready.number, events: POLLIN | POLLOUT },
    { fd: idle.number, events: POLLIN },
    { fd: near, events: 0 },
    { fd: 99_999, events: POLLIN },
  ];
  assertEquals(sys.pollNow(entries), [POLLIN | POLLOUT, 0, POLLHUP, POLLNVAL]);
  assertEquals(sys.pollNow([]), []);
  sys.close(near);
});

Deno.test("poll waits as long as it is told, and not longer than it must", async () => {
  using fd = event();
  const entries = [{ fd: fd.number, events: POLLIN }];
  const start = performance.now();
  assertEquals(await sys.poll(entries, 30), [0]);
  assertEquals(performance.now() - start >= 29, true);
  assertEquals(await sys.poll(entries, 0), [0]);
  const waiting = sys.poll(entries, -1);
  sys.signal(fd.number);
  assertEquals(await waiting, [POLLIN]);
});

Deno.test("an error of poll on the other thread has its name", async () => {
  const tooMany = Array.from({ length: 1 << 21 }, () => ({ fd: -1, events: 0 }));
  await assertRejects(() => sys.poll(tooMany, 0), Error, "EINVAL");
});

Deno.test("a poller serves a hundred fds with one thread, and picks up changes while it waits", async () => {
  await using poller = new Poller(sys);
  const events = Array.from({ length: 100 }, () => event());
  const counts = events.map(() => 0n);
  const all = Promise.withResolvers<void>();
  const watch = (fd: Fd, index: number) =>
    poller.add(fd.number, POLLIN, () => {
      counts[index] += sys.drain(fd.number);
      if (counts.every((count) => count > 0n)) all.resolve();
    });
  events.slice(0, 50).forEach(watch);
  const running = poller.run();
  events.slice(50).forEach((fd, index) => watch(fd, index + 50));
  await new Promise((resolve) => setTimeout(resolve, 5));
  events.forEach((fd) => sys.signal(fd.number, 3n));
  await all.promise;
  assertEquals(counts.every((count) => count === 3n), true);
  events.forEach((fd) => poller.remove(fd.number));
  assertEquals(poller.size, 0);
  poller.stop();
  await running;
  closeAll(sys, events.map((fd) => fd.take()));
});

Deno.test("once gives the readiness, or 0 when the time is up", async () => {
  await using poller = new Poller(sys);
  using fd = event();
  const running = poller.run();
  assertEquals(await poller.once(fd.number, POLLIN, 10), 0);
  const waiting = poller.once(fd.number, POLLIN);
  sys.signal(fd.number);
  assertEquals(await waiting, POLLIN);
  assertEquals(poller.size, 0);
  await poller.close();
  await running;
});

Deno.test("a removed fd is let go: its peer sees the end although a poll was waiting on it", async () => {
  await using poller = new Poller(sys);
  const [near, far] = sys.socketpair();
  poller.add(near, POLLIN, () => {});
  const running = poller.run();
  await new Promise((resolve) => setTimeout(resolve, 5));
  poller.remove(near);
  sys.close(near);
  const ended = await sys.poll([{ fd: far, events: POLLIN }], 2000);
  assertEquals(ended[0] & POLLHUP, POLLHUP);
  sys.close(far);
  poller.stop();
  await running;
});

Deno.test("change turns interest in writing on and off", async () => {
  await using poller = new Poller(sys);
  const [near, far] = sys.socketpair();
  const seen: number[] = [];
  const first = Promise.withResolvers<void>();
  poller.add(near, POLLIN, (bits) => {
    seen.push(bits);
    poller.change(near, 0);
    first.resolve();
  });
  const running = poller.run();
  poller.change(near, POLLOUT);
  await first.promise;
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(seen, [POLLOUT]);
  poller.stop();
  await running;
  closeAll(sys, [near, far]);
});
