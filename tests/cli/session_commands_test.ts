/** Sessions as an operator has them: in one terminal a session, in others what uses it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { guestmem, type Run, type Running, startGuestmem } from "../support/cli.ts";
import { temporaryFolder } from "../support/cli.ts";
import { look } from "../../lib/session/folder.ts";
import { startSink } from "../../lib/tap/sink.ts";
import { sys } from "../support/host.ts";
import { frontEnd } from "../support/vhost_front_end.ts";
import { connectPeer } from "../support/vhost_peer.ts";
import { writeImage } from "../support/images.ts";

/** A folder, an image in it, and a session; runs of this have its runtime directory. */
interface Stage extends AsyncDisposable {
  readonly folder: string;
  readonly raw: string;
  readonly layout: string;
  readonly session: Running;
  run(...args: string[]): Promise<Run>;
  start(...args: string[]): Running;
}

async function stage(image = "split_256_chain3"): Promise<Stage> {
  const folder = await temporaryFolder();
  const env = { XDG_RUNTIME_DIR: folder.path };
  const paths = await writeImage(image, folder.path);
  const session = startGuestmem(["session", "start", "s"], { env });
  await session.line(/^session s: process \d+/);
  return {
    ...{ folder: folder.path, ...paths, session },
    run: (...args) => guestmem(args, { env }),
    start: (...args) => startGuestmem(args, { env }),
    async [Symbol.asyncDispose]() {
      await session.end("SIGTERM");
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("map into a session, use it with every verb, unmap", async () => {
  await using on = await stage();
  const mapped = await on.run("map", `file:${on.raw}`, "--layout", on.layout, "--session", "s");
  assertEquals(mapped, { code: 0, out: "m1@s\n", err: "" });

  const direct = await on.run("dump", "ring", `file:${on.raw}`, "--layout", on.layout, "--json");
  const held = await on.run("dump", "ring", "m1@s/ring0:0", "--json");
  const bare = (text: string) => ({ ...JSON.parse(text), target: "", time: "" });
  assertEquals(bare(held.out), bare(direct.out));
  assertEquals(JSON.parse(held.out).target, "m1@s/ring0:0");

  for (
    const args of [
      ["map", "m1@s"],
      ["dump", "table", "m1@s"],
      ["dump", "config", "m1@s"],
      ["dump", "mem", "m1@s", "0", "64"],
      ["dump", "search", "m1@s", "--bytes", "55aa"],
      ["diagnose", "m1@s", "--for", "20ms"],
      ["watch", "m1@s", "--count", "1", "--interval", "50ms"],
      ["kick", "m1@s/ring0:0", "--dry-run"],
    ]
  ) {
    const { code, err } = await on.run(...args);
    // An image has nobody to kick, and says so by itself.
    assertEquals(code, args[0] === "kick" ? 1 : 0, `${args.join(" ")}: ${err}`);
  }
  const list = JSON.parse((await on.run("session", "list", "--json")).out);
  assertEquals([list.sessions.length, list.sessions[0].held.length], [1, 1]);
  assertEquals(list.sessions[0].held[0].target, "m1@s");
  assertEquals((await on.run("unmap", "m1@s")).code, 0);
  const again = await on.run("unmap", "m1@s");
  assertEquals(again.code, 4);
  assertStringIncludes(again.err, 'session s holds no "m1"');
});

Deno.test("relative paths are those of who asks, names those that were given", async () => {
  await using on = await stage();
  const name = on.raw.slice(on.raw.lastIndexOf("/") + 1);
  Deno.symlinkSync(on.raw, new URL(`../../${name}`, import.meta.url));
  try {
    const { out, err } = await on.run("map", `file:${name}`, "--session", "s", "--name", "ram");
    assertEquals([out, err], ["ram@s\n", ""]);
    const twice = await on.run("map", `file:${name}`, "--session", "s", "--name", "ram");
    assertEquals(twice.code, 1);
    assertStringIncludes(twice.err, "ram@s is there already");
  } finally {
    Deno.removeSync(new URL(`../../${name}`, import.meta.url));
  }
});

Deno.test("a tap that a session runs, and its rings held by the same", async () => {
  await using on = await stage();
  const [listen, back] = [`${on.folder}/tap.sock`, `${on.folder}/back.sock`];
  await using _sink = startSink({ sys, listen: back });
  const tap = await on.run("tap", listen, back, "--session", "s");
  assertEquals(tap, { code: 0, out: "t1@s\n", err: "" });
  {
    using peer = connectPeer(listen);
    using guest = await frontEnd(peer);
    guest.add(0);
    const ring = await on.run("dump", "ring", `vhost:${listen}`, "--json");
    assertEquals(JSON.parse(ring.out).inFlight, 1, ring.err);
    const mapped = await on.run("map", `vhost:${listen}`, "--session", "s");
    assertEquals([mapped.code, mapped.out], [0, "m1@s\n"], mapped.err);
    const held = await on.run("dump", "ring", "m1@s", "--json");
    assertEquals(JSON.parse(held.out).chains, JSON.parse(ring.out).chains);
    const list = await on.run("session", "list");
    assertMatch(list.out, /t1@s +tap +vhost:/);
    assertStringIncludes((await on.run("dump", "ring", "t1@s")).err, "t1 is a tap");
  }
  assertEquals((await on.run("unmap", "t1@s")).code, 0);
  assertEquals((await on.run("session", "stop", "s")).code, 0);
  assertEquals([...Deno.readDirSync(on.folder)].some(({ name }) => name === "tap.sock"), false);
});

Deno.test("doorbells of an ivshmem peer that a session is", async () => {
  await using on = await stage();
  const path = `${on.folder}/iv`;
  const server = on.start("ivshmem-server", path, "--size", "4K");
  try {
    await server.line(/./);
    assertEquals((await on.run("map", `ivshmem:${path}`, "--session", "s")).code, 0);
    const watch = on.start("watch", "m1@s", "--json", "--for", "20s");
    try {
      // From another peer to the session's, and from the session's to nobody else than itself.
      assertEquals((await on.run("kick", `ivshmem:${path}/0:0`)).code, 0);
      const event = JSON.parse(await watch.line(/"kind":"interrupt"/));
      assertEquals([event.vector, event.total, event.target], [0, 1, "m1@s"]);
      const kick = await on.run("kick", "m1@s/0:0", "--json");
      assertEquals(JSON.parse(kick.out).way, "doorbell", kick.err);
      await watch.line(/"total":2/);
    } finally {
      await watch.end("SIGINT");
    }
    assertEquals((await on.run("unmap", "m1@s")).code, 0);
  } finally {
    await server.end("SIGINT");
  }
});

Deno.test("Ctrl-C while a session attaches for us ends that, and nothing is held", async () => {
  await using on = await stage();
  const socket = `${on.folder}/nobody.sock`;
  const map = on.start("map", `vhost:${socket}`, "--session", "s");
  while (look(socket) === null) await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals((await map.end("SIGINT")).code, 130);
  for (let looks = 0; look(socket) !== null; looks++) {
    assert(looks < 100, "the session still waits there");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const list = JSON.parse((await on.run("session", "list", "--json")).out);
  assertEquals(list.sessions[0].held, []);
});

Deno.test("stop ends it with 0, and leaves nothing", async () => {
  await using on = await stage();
  await on.run("map", `file:${on.raw}`, "--session", "s");
  assertEquals(await on.run("session", "stop", "s"), { code: 0, out: "", err: "" });
  assertEquals((await on.session.end()).code, 0);
  assertEquals([...Deno.readDirSync(`${on.folder}/guestmem`)], []);
  const { code, err } = await on.run("dump", "table", "m1@s");
  assertEquals(code, 4);
  assertStringIncludes(err, 'no session "s"');
});

Deno.test("killed under a client: the client says so; the list calls it stale", async () => {
  await using on = await stage("split_256_live_wrap");
  await on.run("map", `file:${on.raw}`, "--layout", on.layout, "--session", "s");
  const watch = on.start("watch", "m1@s", "--interval", "100ms", "--plain");
  await watch.line(/m1@s/);
  on.session.process.kill("SIGKILL");
  await on.session.end();
  const { code, err } = await watch.end();
  assertEquals(code, 4);
  assertStringIncludes(err, 'session "s" has ended, and with it all that it held');
  assertStringIncludes(err, "remedy: ");
  const list = await on.run("session", "list", "--plain");
  assertMatch(list.out, /^s\tstale\t/);
  const next = on.start("session", "start", "s");
  await next.line(/^session s: process \d+/);
  assertEquals((await next.end("SIGINT")).code, 130);
  assertEquals([...Deno.readDirSync(`${on.folder}/guestmem`)], []);
});

Deno.test("a second session of the name, and one that is stopped by a signal", async () => {
  await using on = await stage();
  const second = await on.run("session", "start", "s");
  assertEquals(second.code, 1);
  assertMatch(second.err, /a session "s" runs already .*\nremedy: `guestmem session stop s`/);
  on.session.process.kill("SIGSTOP");
  try {
    const silent = await on.run("unmap", "m1@s");
    assertEquals(silent.code, 1);
    assertStringIncludes(silent.err, 'session "s" does not answer within 3 s');
    const list = await on.run("session", "list");
    assertMatch(list.out, /^s +unknown/m);
    assertStringIncludes(list.out, "does not answer");
  } finally {
    on.session.process.kill("SIGCONT");
  }
});

Deno.test({
  name: "a socket of another user's is not used",
  ignore: sys.uid !== 0,
  async fn() {
    await using on = await stage();
    Deno.chownSync(`${on.folder}/guestmem/s.sock`, 65534, null);
    const { code, err } = await on.run("dump", "table", "m1@s");
    assertEquals(code, 5);
    assertStringIncludes(err, "belongs to user 65534, not to 0");
  },
});

Deno.test("a client that is killed in the middle leaves the session as it was", async () => {
  await using on = await stage();
  await on.run("map", `file:${on.raw}`, "--layout", on.layout, "--session", "s");
  const pid = on.session.process.pid;
  const count = () => sys.readdir(`/proc/${pid}/fd`).length;
  await on.run("dump", "table", "m1@s");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const before = count();
  for (let n = 0; n < 4; n++) {
    const watch = on.start("watch", "m1@s", "--interval", "50ms", "--plain");
    await watch.line(/m1@s/);
    assert(count() > before, "it is connected");
    await watch.end("SIGKILL");
  }
  for (let looks = 0; count() > before && looks < 40; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(count(), before);
  assertEquals((await on.run("dump", "table", "m1@s")).code, 0);
});

Deno.test("what does not go together with a session is a usage error", async () => {
  for (
    const args of [
      ["map", "file:x", "--name", "a"],
      ["map", "file:x", "--session", "s", "--hold"],
      ["map", "--offer", "1", "--session", "s"],
      ["map", "xen:1", "--grants", "8", "--frames", "9", "--session", "s"],
      ["map", "xen:1", "--grants", "8-", "--session", "s"],
      ["map", "xen:1", "--grants", "8", "--notify-on-unmap", "3", "--session", "s"],
      ["unmap", "m1"],
      ["unmap", "a/b@s"],
      ["session", "start"],
      ["session", "dance"],
      ["session", "start", "a/b"],
      ["session", "start", "this"],
      ["tap", "/a", "/b", "--session", "s", "--log", "x"],
    ]
  ) {
    const { code, err } = await guestmem(args);
    assertEquals(code, 2, `${args.join(" ")}: ${err}`);
  }
});
