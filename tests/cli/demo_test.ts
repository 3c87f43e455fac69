/** Every command on the demo guest, from another process, as the README promises. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { guestmem, startGuestmem } from "../support/cli.ts";
import { startDemoCommand } from "../support/demo_command.ts";

/** Runs a command that is to succeed, and gives its lines of JSON. */
// deno-lint-ignore no-explicit-any
async function json(...words: string[]): Promise<any[]> {
  const { code, out, err } = await guestmem([...words, "--json"]);
  assertEquals([code, err], [0, ""], words.join(" "));
  return out.trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("find lists it; every target it prints is one that dump ring takes", async () => {
  await using demo = await startDemoCommand();
  const [found] = await json("find");
  assertEquals(found.schema, "guestmem/find/1");
  const guest = found.guests.find(({ target }: { target: string }) => target === demo.target);
  assertEquals([guest.kind, guest.state, guest.memory], ["demo", "running", 64 << 20]);
  // deno-lint-ignore no-explicit-any
  const queues = guest.devices.flatMap((device: any) => device.queues);
  const rings = await json("dump", "ring", demo.target);
  assertEquals(
    rings.map(({ target }) => target),
    queues.map(({ target }: { target: string }) => target),
  );
  for (const ring of rings) {
    assertEquals([ring.schema, ring.findings], ["guestmem/ring/1", []], ring.target);
  }
  assertEquals(new Set(rings.map(({ format }) => format)), new Set(["split", "packed"]));
  const { out } = await guestmem(["find"]);
  const own = out.split("\n").filter((line) => line.includes(demo.target));
  assertEquals(own.map((line) => line.split(/ +/).at(-1)), [
    demo.target,
    ...queues.map(({ target }: { target: string }) => target),
  ]);
});

Deno.test("find --carve finds every ring while it moves, and nothing else", async () => {
  await using demo = await startDemoCommand();
  const rings = await json("dump", "ring", demo.target);
  const names = rings.map(({ target }) => target.slice(demo.target.length + 1)).sort();
  // What it says beside its JSON is how fast it was.
  const carved = async () =>
    JSON.parse((await guestmem(["find", "--carve", demo.target, "--json"])).out).rings;
  // A ring in which nothing was made available yet is zeros.
  for (let tries = 0; tries < 20 && (await carved()).length < rings.length; tries++);
  for (let look = 0; look < 3; look++) {
    const found = await carved();
    assertEquals(found.map(({ knownAs }: { knownAs: string }) => knownAs).sort(), names);
    for (const { format, size, sizeKnown, knownAs } of found) {
      const ring = rings.find(({ target }) => target === `${demo.target}/${knownAs}`);
      assertEquals([knownAs, format], [knownAs, ring.format]);
      if (sizeKnown) assertEquals([knownAs, size], [knownAs, ring.size]);
    }
  }
});

Deno.test("requests are decoded, of disks and of network cards", async () => {
  for (const queue of ["blk0:0", "blk1:0"]) {
    // A device that takes nothing more leaves requests in the ring that nobody overwrites.
    const breaks = ["--break", "stop-device", "--break-after", "0s", "--break-queue", queue];
    await using demo = await startDemoCommand(...breaks);
    await stand(`${demo.target}/${queue}`);
    const [ring] = await json("dump", "ring", `${demo.target}/${queue}`);
    const types = ring.chains.map(({ request }: { request: { type: string } }) => request.type);
    assert(types.length > 1 && types.every((type: string) => /^(IN|OUT|FLUSH)$/.test(type)), types);
    if (queue !== "blk0:0") continue;
    const [received] = await json("dump", "ring", `${demo.target}/net0:0`);
    assertStringIncludes(received.chains[0].request.summary, "receive buffer");
  }
});

Deno.test("watch counts what moves, in JSON, in plain lines, and --count ends it", async () => {
  await using demo = await startDemoCommand("--rate", "100");
  const rows = await json("watch", `${demo.target}/blk0`, "--interval", "500ms", "--count", "3");
  assertEquals(rows.length, 3);
  for (const row of rows) {
    assertEquals([row.schema, row.target], ["guestmem/watch/1", `${demo.target}/blk0:0`]);
    assert(row.samples > 5 && row.elapsed >= 400, JSON.stringify(row));
    assert(row.usedRate > 20 && row.usedRate < 500, JSON.stringify(row));
  }
  assert(((rows[2].used - rows[0].used) & 0xffff) > 0);
  const words = ["watch", demo.target, "--interval", "100ms", "--for", "300ms"];
  const { code, out, err } = await guestmem(words);
  assertEquals(code, 0);
  const heads = err.trimEnd().replace(/^columns, a tab between two: /, "").split(", ");
  assertEquals([heads[0], heads[1]], ["TIME", "TARGET"], err);
  const lines = out.trimEnd().split("\n").map((line) => line.split("\t"));
  assertEquals(lines.length, 3 * 7);
  for (const line of lines) {
    assert(!Number.isNaN(Date.parse(line[0])) && line.length === heads.length, line.join());
  }
  assertEquals((await guestmem([...words, "--plain"])).err, "");
});

Deno.test("watch says what a queue is stuck on, since when, and why", async () => {
  await using demo = await startDemoCommand("--break", "lose-kick", "--break-after", "0s");
  const target = `${demo.target}/blk0:0`;
  await stand(target);
  const [, row] = await json("watch", target, "--interval", "1200ms", "--count", "2");
  assertEquals([row.verdict, row.guest], ["lost kick", { up: true, note: "" }]);
  assert(row.oldest > 2000 && row.waiting > 2000, JSON.stringify(row));
  assertStringIncludes(row.evidence.join("; "), "a kick was due");
  const { out } = await guestmem(["watch", target, "--count", "1", "--interval", "1s", "--plain"]);
  assertEquals(out.trimEnd().split("\t").at(-1), "lost kick");
});

Deno.test("Ctrl-C ends watch with 130, and the watched guest goes on", async () => {
  await using demo = await startDemoCommand();
  const watch = startGuestmem(["watch", demo.target, "--interval", "50ms", "--plain"]);
  await watch.line(/blk0/);
  assertEquals((await watch.end("SIGINT")).code, 130);
  assertEquals((await json("dump", "ring", `${demo.target}/blk0:0`)).length, 1);
});

Deno.test("a guest that ends while it is watched ends watch, with 4 and a word", async () => {
  await using demo = await startDemoCommand();
  const watch = startGuestmem(["watch", demo.target, "--interval", "50ms", "--plain"]);
  await watch.line(/blk0/);
  await demo.running.end("SIGKILL");
  const { code, err } = await watch.end();
  assertEquals(code, 4, err);
  assertStringIncludes(err, "remedy: ");
});

Deno.test("a kick revives a queue whose kick was lost, and says what it did", async () => {
  await using demo = await startDemoCommand("--break", "lose-kick", "--break-after", "0s");
  const target = `${demo.target}/blk0:0`;
  const dry = await guestmem(["kick", target, "--dry-run"]);
  assertStringIncludes(dry.out, "; nothing was sent");
  assertEquals(dry.code, 0);
  assertStringIncludes(dry.out, "eventfd");
  const stuck = await stand(target);
  const [kick] = await json("kick", target);
  assertEquals([kick.schema, kick.way, kick.sent, kick.side], [
    "guestmem/kick/1",
    "eventfd",
    true,
    "kick",
  ]);
  assert(kick.evidence[0].startsWith("eventfd "), kick.evidence[0]);
  assertEquals(kick.before.used, stuck);
  assert(kick.after.used !== kick.before.used, JSON.stringify(kick));
});

/** The used index once it does not move any more. */
async function stand(target: string): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const [first, second] = await json("watch", target, "--interval", "200ms", "--count", "2");
    if (first.used === second.used && second.inFlight > 0) return second.used;
  }
  throw new Error(`${target} does not stop`);
}

Deno.test("map, dump table, dump mem, dump search and dump config on it", async () => {
  await using demo = await startDemoCommand();
  const [table] = await json("map", demo.target);
  assertEquals(table.regions.map(({ read }: { read: string }) => read), ["ok", "ok"]);
  assertEquals((await json("dump", "table", demo.target))[0].holes.length, 1);
  const [config] = await json("dump", "config", `${demo.target}/net0`);
  assertEquals([config.schema, config.type], ["guestmem/config/1", 1]);
  for (const name of ["MAC", "RING_PACKED", "VERSION_1"]) {
    assert(config.featureNames.includes(name));
  }
  const { descriptor } = config.queues[0].ring;
  const [memory] = await json("dump", "mem", demo.target, descriptor, "64");
  assertEquals(memory.spans.map(({ state }: { state: string }) => state), ["bytes"]);
  const pattern = memory.spans[0].hex.slice(0, 16);
  const [search] = await json("dump", "search", demo.target, "--bytes", pattern, "--limit", "2000");
  assertEquals(search.schema, "guestmem/search/1");
});

Deno.test("it ends by itself, and says what it did", async () => {
  const { code, out } = await guestmem([
    "demo",
    "--for",
    "1s",
    "--break",
    "corrupt-chain",
    "--break-after",
    "200ms",
  ]);
  assertEquals(code, 0);
  assertStringIncludes(out, "broke blk0:0: corrupt-chain");
  const completed = Number(/([0-9]+) requests? completed; all closed/.exec(out)?.[1]);
  assert(completed > 10, out);
});

Deno.test("what it says to type works when it is typed", async () => {
  const running = startGuestmem(["demo", "--for", "60s"]);
  try {
    await running.line(/diagnose/);
    const { out } = await guestmem(["demo", "--help"]);
    assertStringIncludes(out, "lose-kick");
    const target = /proc:[0-9]+/.exec(await running.line(/^demo guest/))?.[0] as string;
    for (
      const words of [
        `dump ring ${target}/blk1:0`,
        `map ${target}`,
        `kick ${target}/blk0:0`,
        `diagnose ${target}`,
      ]
    ) {
      await running.line(new RegExp(words));
      const { code, err } = await guestmem(words.split(" "));
      assertEquals([code, err], [0, ""], words);
    }
  } finally {
    assertEquals((await running.end("SIGINT")).code, 130);
  }
});

Deno.test("a kind of break or a queue that there is not is a usage error", async () => {
  const kind = await guestmem(["demo", "--break", "gravity"]);
  assertEquals(kind.code, 2);
  assertStringIncludes(kind.err, "stop-device");
  const queue = await guestmem([
    "demo",
    "--for",
    "1s",
    "--break",
    "lose-kick",
    "--break-queue",
    "gpu0:0",
  ]);
  assertEquals(queue.code, 2);
  assertStringIncludes(queue.err, "blk0:0");
});
