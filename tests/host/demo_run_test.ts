import { assert, assertEquals, assertRejects } from "@std/assert";
import { startDemo } from "../../lib/demo/demo.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import type { RingSnapshot } from "../../lib/ring/snapshot.ts";
import { procSource } from "../../lib/source/proc.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { attachProc, ownDemo, pause } from "../support/demo.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { holdings, runAlone, sys, uniqueName } from "../support/host.ts";

/** What a moving ring shows may be torn: only what three looks find is there. */
function lookAt(guest: Attachment, ring: RingConfig): RingSnapshot {
  const looks = Array.from({ length: 3 }, () => openRing(guest.memory, ring).snapshot());
  return looks.find(({ findings }) => findings.length === 0) ?? looks[0];
}

Deno.test("demo: all queues move, and what comes back is what should", async () => {
  await using demo = await ownDemo();
  await using guest = await attachProc(demo.target);
  const rings = guest.devices.flatMap(({ queues }) => queues.map((one) => one.ring!));
  assertEquals(rings.map(({ format }) => format), [
    ..."split packed packed packed packed split split".split(" "),
  ]);
  const looks = [];
  for (const end = Date.now() + 2000; Date.now() < end;) {
    looks.push(rings.map((ring) => lookAt(guest, ring)));
    await pause(50);
  }
  for (const snapshot of looks.flat()) {
    assertEquals(snapshot.findings, []);
    assert(snapshot.inFlight <= snapshot.config.size);
  }
  const stats = demo.stats();
  for (const { device, index, size, completed, errors, kicks, calls, mostInFlight } of stats) {
    const queue = `${device}:${index}`;
    assertEquals(errors, 0, queue);
    assert(completed >= (queue === "net0:2" ? 1 : 100), `${queue} completed ${completed}`);
    assert(kicks > 0 && calls > 0, `${queue} had ${kicks} kicks, ${calls} calls`);
    assert(mostInFlight <= size, queue);
  }
  // Several are in flight at most looks: that is what a demonstration is to show.
  const disks = looks.map(([blk0]) => blk0.inFlight);
  assert(disks.filter((count) => count >= 2).length > disks.length / 4, `in flight: ${disks}`);
});

Deno.test("demo: is found, attached and read by another process", async () => {
  await using demo = await ownDemo();
  const guests = await procSource.find!({
    sys,
    write: false,
    layout: null,
    signal: null,
    log: () => {},
  });
  const found = guests.find((guest) => guest.name === demo.name);
  assertEquals(found?.kind, "demo");
  assertEquals(found?.memory, 64n << 20n);
  assertEquals(found?.pid, sys.pid);
  const source = new URL("../../lib/source/attach.ts", import.meta.url);
  const ring = new URL("../../lib/ring/ring.ts", import.meta.url);
  const output = await runAlone(
    `
    import { openTarget } from "${source}";
    import { openRing } from "${ring}";
    await using guest = await openTarget("${demo.target}");
    const [blk] = guest.devices;
    const { inFlight, config } = openRing(guest.memory, blk.queues[0].ring).snapshot();
    console.log(blk.name, config.size, inFlight <= 128, blk.queues[0].notifier.pid);
  `,
    ["--allow-all", "--config", new URL("../../deno.json", import.meta.url).pathname],
  );
  assertEquals(output, `blk0 128 true ${sys.pid}`);
});

Deno.test("demo: nothing is left when it was disposed", async () => {
  const log = fakeSys({ real: sys });
  const count = (...names: string[]) => log.names().filter((name) => names.includes(name)).length;
  const demo = await ownDemo({ sys: log.sys });
  const { fds, maps } = holdings(demo.name);
  // Each side has two: the mapping's own description of the file and the region.
  assert(fds >= 3 && maps >= 2, `${fds} fds, ${maps} maps`);
  await pause(100);
  await demo[Symbol.asyncDispose]();
  await demo.finished;
  assertEquals(holdings(demo.name), { fds: 0, maps: 0 });
  assertEquals(count("close"), count("memfd", "eventfd"));
  await assertRejects(() => attachProc(demo.target), Error, "publishes");
});

Deno.test("demo: disposed at once, it ends as well", async () => {
  const demo = await ownDemo();
  await demo[Symbol.asyncDispose]();
  assertEquals(holdings(demo.name), { fds: 0, maps: 0 });
});

for (const nth of [1, 2, 9]) {
  Deno.test(`demo: where eventfd ${nth} can not be had, nothing stays open`, async () => {
    const log = fakeSys({ real: sys, fail: [{ call: "eventfd", errno: "EMFILE", nth }] });
    await assertRejects(() => ownDemo({ sys: log.sys }), Error, "EMFILE");
    const names = log.names();
    assertEquals(names.filter((name) => name === "close").length, nth);
  });
}

Deno.test("demo: where a worker fails, the start does, and nothing stays open", async () => {
  const name = uniqueName();
  // A guest without a byte of memory.
  const log = fakeSys({ real: sys, script: { ftruncate: () => {} } });
  const start = () => startDemo({ name, sys: log.sys });
  const error = await assertRejects(start) as Error;
  assert(error.message.startsWith("demo worker: "), error.message);
  assertEquals(holdings(name), { fds: 0, maps: 0 });
  const opened = log.names().filter((call) => call === "memfd" || call === "eventfd").length;
  assertEquals(log.names().filter((call) => call === "close").length, opened);
});

Deno.test("demo: options that make no sense are refused", async () => {
  await assertRejects(() => startDemo({ rate: 0 }), RangeError, "rate 0");
  await assertRejects(() => startDemo({ breakQueue: "blk0:1" }), RangeError, 'no queue "blk0:1"');
  await assertRejects(() => startDemo({ breakQueue: "net0:0" }), RangeError, "net0:1");
});
