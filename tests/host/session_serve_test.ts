/** The session's socket: whose it is, who may, several at once, and what is left behind. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { POLLIN, POLLOUT } from "../../ffi/constants.ts";
import { closeAll } from "../../ffi/fd.ts";
import { isSyscallFailure, ProtocolError, SourceError } from "../../lib/errors.ts";
import { connectSession } from "../../lib/session/connect.ts";
import { checkName, makeFolder, sessionFolder } from "../../lib/session/folder.ts";
import { unixPath } from "../../lib/source/unix_listener.ts";
import { startSession } from "../../lib/session/server.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { looseMemfd, pattern, sys } from "../support/host.ts";
import { attachFrom, type SessionProcess, startSessionProcess } from "../support/session.ts";

/** A folder for XDG_RUNTIME_DIR that is gone afterwards. */
async function runtimeFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A client that speaks for itself, past its greeting. */
async function rawClient(session: SessionProcess): Promise<number> {
  const fd = sys.connectUnix(`${session.folder}/${session.name}.sock`);
  await sys.poll([{ fd, events: POLLIN }], 5000);
  assert((sys.recvmsg(fd, new Uint8Array(4096), 0)?.length ?? 0) > 0, "no greeting");
  return fd;
}

/**
 * Looks until no connection is left (the session learns a moment later that a client is gone), and
 * gives what else it has open: files and eventfds. The runtime's own pipes and sockets come and go.
 */
async function openAtRest(session: SessionProcess): Promise<string[]> {
  const accepted = () => unixPath(sys, `${session.folder}/${session.name}.sock`).accepted;
  for (let looks = 0; accepted().length > 0; looks++) {
    assert(looks < 60, `${accepted().length} connections are left`);
    await rest(50);
  }
  return session.fds().filter((link) => !/^(socket|pipe):/.test(link));
}

async function rest(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

Deno.test("folder and socket are the user's alone", async () => {
  await using runtime = await runtimeFolder();
  const folder = `${runtime.path}/guestmem`;
  {
    await using session = startSession({ sys, folder, name: "mine" });
    assertEquals(Deno.lstatSync(folder).mode! & 0o777, 0o700);
    assertEquals(Deno.lstatSync(session.socket).mode! & 0o777, 0o600);
  }
  assertEquals([...Deno.readDirSync(folder)], [], "nothing is left behind");
});

Deno.test("two sessions of one name: the second is refused, the first goes on", async () => {
  await using runtime = await runtimeFolder();
  const folder = `${runtime.path}/guestmem`;
  await using first = startSession({ sys, folder, name: "s" });
  const error = assertThrows(() => startSession({ sys, folder, name: "s" }), SourceError);
  assertEquals(error.kind, "busy");
  assert(error.message.includes('a session "s" runs already'), error.message);
  using client = await connectSession({ sys, folder, name: "s" });
  assertEquals(client.greeting.pid, first.pid);
});

Deno.test("of many that start with one name at once exactly one wins", async () => {
  await using runtime = await runtimeFolder();
  const starts = Array.from(
    { length: 4 },
    () => startSessionProcess(runtime.path, "race").catch(() => null),
  );
  const started = (await Promise.all(starts)).filter((session) => session !== null);
  try {
    assertEquals(started.length, 1);
    assertEquals(await started[0].list(), []);
  } finally {
    await Promise.all(started.map((session) => session.kill("SIGKILL")));
  }
});

Deno.test("what a killed session left behind is told apart, and replaced", async () => {
  await using runtime = await runtimeFolder();
  const killed = await startSessionProcess(runtime.path);
  await killed.kill("SIGKILL");
  assertEquals([...Deno.readDirSync(killed.folder)].map(({ name }) => name), ["s.sock"]);
  const gone = await assertRejects(() => killed.connect(), SourceError);
  assertEquals(gone.kind, "not-found");
  assert(gone.message.includes('session "s" has ended without removing'), gone.message);
  await using session = await startSessionProcess(runtime.path);
  assertEquals(await session.list(), []);
});

Deno.test("a file that is no socket is neither used nor removed", async () => {
  await using runtime = await runtimeFolder();
  const folder = `${runtime.path}/guestmem`;
  makeFolder(sys, folder);
  Deno.writeTextFileSync(`${folder}/s.sock`, "precious");
  const start = assertThrows(() => startSession({ sys, folder, name: "s" }), SourceError);
  assertEquals(start.kind, "busy");
  const use = await assertRejects(() => connectSession({ sys, folder, name: "s" }), SourceError);
  assert(use.message.includes("is no socket"), use.message);
  assertEquals(Deno.readTextFileSync(`${folder}/s.sock`), "precious");
});

Deno.test("a folder that others may enter, or that is a link, is refused", async () => {
  await using runtime = await runtimeFolder();
  const folder = `${runtime.path}/guestmem`;
  Deno.mkdirSync(folder);
  Deno.chmodSync(folder, 0o755);
  const open = assertThrows(() => startSession({ sys, folder, name: "s" }), SourceError);
  assertEquals(open.kind, "permission");
  assert(open.message.includes("has mode 0755"), open.message);
  Deno.chmodSync(folder, 0o700);
  Deno.symlinkSync(folder, `${runtime.path}/link`);
  const link = `${runtime.path}/link`;
  const error = assertThrows(() => startSession({ sys, folder: link, name: "s" }), SourceError);
  assert(error.message.includes("is no folder"), error.message);
});

Deno.test({
  name: "a folder or a socket of another user's is not used",
  // Only root can give a file away.
  ignore: sys.uid !== 0,
  async fn() {
    await using runtime = await runtimeFolder();
    const folder = `${runtime.path}/guestmem`;
    await using session = startSession({ sys, folder, name: "s" });
    Deno.chownSync(session.socket, 65534, null);
    const socket = await assertRejects(
      () => connectSession({ sys, folder, name: "s" }),
      SourceError,
    );
    assertEquals(socket.kind, "permission");
    assert(socket.message.includes("belongs to user 65534, not to 0"), socket.message);
    Deno.chownSync(folder, 65534, null);
    const all = await assertRejects(() => connectSession({ sys, folder, name: "s" }), SourceError);
    assertEquals(all.kind, "permission");
    assert(all.message.includes(`${folder} belongs to user 65534`), all.message);
  },
});

Deno.test("who listens is asked of the kernel, not of the file", async () => {
  await using runtime = await runtimeFolder();
  const folder = `${runtime.path}/guestmem`;
  await using _session = startSession({ sys, folder, name: "s" });
  const script = { peerCredentials: () => ({ pid: 77, uid: 4242, gid: 4242 }) };
  const fake = fakeSys({ real: sys, script });
  const error = await assertRejects(
    () => connectSession({ sys: fake.sys, folder, name: "s" }),
    SourceError,
  );
  assertEquals(error.kind, "permission");
  assert(error.message.includes("is run by user 4242 (process 77)"), error.message);
  assertEquals(fake.names().filter((name) => name === "sendmsg"), [], "nothing was sent");
});

Deno.test("the folder is the runtime directory's, if that is ours", async () => {
  await using runtime = await runtimeFolder();
  const own = (value: string) => sessionFolder(sys, () => value);
  assertEquals(own(runtime.path), `${runtime.path}/guestmem`);
  const fallback = own("/nonexistent");
  assert([`/run/user/${sys.uid}/guestmem`, `/tmp/guestmem-${sys.uid}`].includes(fallback));
  assertEquals(own("relative"), fallback);
  assertEquals(sessionFolder({ uid: sys.uid + 1 }, () => runtime.path).includes("guestmem"), true);
  assert(!sessionFolder({ uid: sys.uid + 1 }, () => runtime.path).startsWith(runtime.path));
});

Deno.test("names that could leave the folder, or mean something else, are refused", () => {
  for (const name of ["", "..", "a/b", "-x", ".hidden", "a b", "this", "x".repeat(49)]) {
    assertThrows(() => checkName(name), SourceError);
  }
  for (const name of ["a", "inc-4711", "A.b_c"]) checkName(name);
});

Deno.test("a client that does not read delays nobody, and is sent away", async () => {
  await using runtime = await runtimeFolder();
  await using session = await startSessionProcess(runtime.path, "s", { stallMs: 700 });
  for (let n = 0; n < 20; n++) {
    await Deno.writeFile(`${runtime.path}/ram${n}`, pattern(4096));
    await session.map(`file:${runtime.path}/ram${n}`);
  }
  const before = await openAtRest(session);
  const slow = await rawClient(session);
  const question = new TextEncoder().encode('{"do":"list"}\n'.repeat(500));
  while (sys.sendmsg(slow, question, []) !== null);
  await rest(100);
  const start = performance.now();
  for (let n = 0; n < 5; n++) assertEquals((await session.list()).length, 20);
  const took = performance.now() - start;
  assert(took < 600, `${took} ms while another client does not read`);
  // Its socket becomes readable to the end, and then is closed.
  await rest(900);
  assertEquals(await openAtRest(session), before);
  const [revents] = sys.pollNow([{ fd: slow, events: POLLOUT }]);
  assert((revents & ~POLLOUT) !== 0, "hung up");
  closeAll(sys, [slow]);
});

Deno.test("clients that are killed leave the session as it was", async () => {
  await using runtime = await runtimeFolder();
  await using session = await startSessionProcess(runtime.path);
  await Deno.writeFile(`${runtime.path}/ram`, pattern(8192));
  await session.map(`file:${runtime.path}/ram`);
  const before = await openAtRest(session);
  const attach = new URL("../../lib/source/attach.ts", import.meta.url).href;
  const clients = Array.from({ length: 6 }, () =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--no-config",
        "--quiet",
        `import { openTarget } from "${attach}";
         const held = await openTarget("m1@s");
         held.memory.bytes(0n, 16);
         console.log("attached");
         await new Promise(() => setTimeout(() => {}, 1e6));`,
      ],
      env: { XDG_RUNTIME_DIR: runtime.path },
      stdout: "piped",
      stdin: "null",
    }).spawn());
  for (const [n, client] of clients.entries()) {
    const reader = client.stdout.getReader();
    // Half of them are killed wherever they are, the others while they are attached.
    if (n % 2 === 0) await reader.read();
    client.kill("SIGKILL");
    await reader.cancel();
    await client.status;
  }
  assertEquals(await openAtRest(session), before);
  await using held = await attachFrom(session, "m1@s");
  assertEquals(held.memory.bytes(0n, 16), pattern(16));
});

Deno.test("nonsense is answered or ends its client, and leaks nothing", async () => {
  await using runtime = await runtimeFolder();
  await using session = await startSessionProcess(runtime.path);
  const before = await openAtRest(session);
  const send = async (text: string, fds: number[] = []) => {
    const fd = await rawClient(session);
    sys.sendmsg(fd, new TextEncoder().encode(text), fds);
    await sys.poll([{ fd, events: POLLIN }], 5000);
    const buffer = new Uint8Array(4096);
    let got: { length: number } | null = null;
    try {
      got = sys.recvmsg(fd, buffer, 0);
    } catch (error) {
      // It may be closed with bytes of ours unread.
      if (!isSyscallFailure(error) || error.errno !== "ECONNRESET") throw error;
    }
    closeAll(sys, [fd]);
    return new TextDecoder().decode(buffer.subarray(0, got?.length ?? 0));
  };
  assert((await send("no json\n")).includes('"error"'));
  assert((await send("null\n")).includes('"error"'));
  assert((await send('{"do":"dance","name":"m1"}\n')).includes('"error"'));
  assert((await send('{"do":"read"}\n')).includes("not-found"));
  assertEquals(await send("x".repeat(70_000)), "", "a line without end");
  using file = looseMemfd(4096, "smuggled");
  assert((await send('{"do":"list"}\n', [file.number])).includes('"ok":[]'));
  assertEquals(await openAtRest(session), before);
});

Deno.test("another version is told apart by its greeting", async () => {
  await using runtime = await runtimeFolder();
  const folder = `${runtime.path}/guestmem`;
  makeFolder(sys, folder);
  const listener = sys.listenUnix(`${folder}/old.sock`, 4);
  const connecting = connectSession({ sys, folder, name: "old" });
  await rest(20);
  const peer = sys.accept(listener)!;
  sys.sendmsg(peer, new TextEncoder().encode('{"protocol":99,"session":"old"}\n'), []);
  await assertRejects(() => connecting, ProtocolError, "protocol 1 of session old");
  closeAll(sys, [peer, listener]);
});

Deno.test("eight clients read at once, each what it asked for", async () => {
  await using runtime = await runtimeFolder();
  await using session = await startSessionProcess(runtime.path);
  const bytes = pattern(1 << 20, 3);
  await Deno.writeFile(`${runtime.path}/ram`, bytes);
  await session.map(`file:${runtime.path}/ram`);
  const attachments = [];
  for (let n = 0; n < 8; n++) attachments.push(await attachFrom(session, "m1@s"));
  await Promise.all(attachments.map(async (held, n) => {
    for (let round = 0; round < 10; round++) {
      const at = (n * 7919 + round * 104729) % (1 << 19);
      assertEquals(held.memory.bytes(BigInt(at), 4096), bytes.subarray(at, at + 4096));
      await held.refresh();
    }
  }));
  for (const held of attachments) await held[Symbol.asyncDispose]();
});

Deno.test("no more clients than there is room for", async () => {
  await using runtime = await runtimeFolder();
  const folder = `${runtime.path}/guestmem`;
  await using session = startSession({ sys, folder, name: "s", maxClients: 1 });
  using _first = await connectSession({ sys, folder, name: "s" });
  const error = await assertRejects(() => connectSession({ sys, folder, name: "s" }), SourceError);
  assertEquals(error.kind, "busy");
  assertEquals(session.clients, 1);
});

Deno.test("stop lets go of everything, after the answer", async () => {
  await using runtime = await runtimeFolder();
  const folder = `${runtime.path}/guestmem`;
  await using session = startSession({ sys, folder, name: "s" });
  {
    using client = await connectSession({ sys, folder, name: "s" });
    await Deno.writeFile(`${runtime.path}/ram`, pattern(4096));
    const target = `file:${runtime.path}/ram`;
    const how = { name: "x", write: false, layout: null, add: [], replace: false };
    await client.ask({ do: "map", target, ...how });
    const again = client.ask({ do: "map", target, ...how });
    assertEquals((await assertRejects(() => again, SourceError)).kind, "busy");
    assert(sys.readText("/proc/self/maps").includes(`${runtime.path}/ram`));
    await client.ask({ do: "stop" });
  }
  await session.done;
  await session[Symbol.asyncDispose]();
  assert(!sys.readText("/proc/self/maps").includes(`${runtime.path}/ram`));
  assertEquals([...Deno.readDirSync(folder)], []);
});
