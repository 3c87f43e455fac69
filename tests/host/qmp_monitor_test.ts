import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../../lib/errors.ts";
import { connectMonitor, type ConnectOptions } from "../../lib/source/qemu_monitor.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { sys } from "../support/host.ts";
import { lines, recording, replay, send, sendBytes, serveSocket } from "../support/monitor.ts";

const { greeting } = recording("split");
const FAST = { sys, greetingMs: 150, answerMs: 150 };

/** Connects to a monitor that behaves as `serve` says, runs commands, and gives the error. */
async function failure(
  serve: (conn: Deno.Conn) => Promise<void>,
  options: Omit<ConnectOptions, "sys"> = FAST,
): Promise<Error> {
  await using socket = await serveSocket(serve);
  const held = new Set<number>();
  const error = await assertRejects(async () => {
    using monitor = await connectMonitor(socket.path, { ...options, sys: counting(held) });
    await monitor.execute("query-status");
  }, Error);
  assertEquals(held.size, 0, "an fd was leaked");
  return Object.assign(error, { message: error.message.replaceAll(socket.path, "SOCKET") });
}

/** The real calls; `held` has the sockets that were connected and not closed. */
function counting(held: Set<number>): typeof sys {
  return {
    ...sys,
    connectUnix(path) {
      const fd = sys.connectUnix(path);
      held.add(fd);
      return fd;
    },
    close(fd) {
      sys.close(fd);
      held.delete(fd);
    },
  };
}

const silent = async (conn: Deno.Conn) => void await conn.read(new Uint8Array(1));

/** Greets and negotiates, then hands over to `then` with the id of the next command. */
function negotiated(then: (conn: Deno.Conn, id: number) => Promise<void>) {
  return async (conn: Deno.Conn) => {
    await send(conn, greeting);
    for await (const line of lines(conn)) {
      const { id, execute } = JSON.parse(line);
      if (execute !== "qmp_capabilities") return await then(conn, id);
      await send(conn, { return: {}, id });
    }
  };
}

Deno.test("monitor: greeting, commands, events between answers, answers out of order", async () => {
  await using socket = await serveSocket(negotiated(async (conn, id) => {
    await send(conn, { event: "STOP", timestamp: { seconds: 1, microseconds: 0 } });
    await send(conn, { return: "second", id: id + 1 });
    await send(conn, { error: { class: "GenericError", desc: "no" }, id });
    await silent(conn);
  }));
  using monitor = await connectMonitor(socket.path, { sys });
  assertEquals([monitor.version.major, monitor.peer, monitor.roundTrips], [7, Deno.pid, 1]);
  assertEquals(await monitor.ask([{ name: "a" }, { name: "b" }]), [
    { ok: false, class: "GenericError", description: "no" },
    { ok: true, value: "second" },
  ]);
  assertEquals(monitor.roundTrips, 2);
});

Deno.test("monitor: an event may come before the greeting, and not for ever", async () => {
  const event = { event: "RESUME", timestamp: { seconds: 1, microseconds: 0 } };
  const inTime = negotiated(silent);
  await using socket = await serveSocket(async (conn) => {
    await send(conn, event);
    await inTime(conn);
  });
  using monitor = await connectMonitor(socket.path, { sys });
  assertEquals(monitor.version.major, 7);
  const chatty = await failure(async (conn) => {
    for (let n = 0; n < 100; n++) await send(conn, event);
    await silent(conn);
  });
  assertStringIncludes(chatty.message, "wanted a greeting, got event");
});

Deno.test("monitor: eight commands at a time", async () => {
  await using socket = await replay(recording("split"));
  using monitor = await connectMonitor(socket.path, { sys });
  const replies = await monitor.ask(new Array(20).fill({ name: "query-status" }));
  assertEquals([replies.length, replies.every((reply) => reply.ok)], [20, true]);
  assertEquals(monitor.roundTrips, 1 + 3);
});

Deno.test("monitor: a silent one is busy, and says how to get another", async () => {
  const start = performance.now();
  const error = await failure(silent) as SourceError;
  assertEquals([error.name, error.kind], ["SourceError", "busy"]);
  assertStringIncludes(error.message, "monitor SOCKET gives us no greeting");
  assertStringIncludes(error.message, "another client holds it, such as libvirt");
  assertStringIncludes(error.remedy, "-qmp unix:PATH,server=on,wait=off");
  assertEquals(performance.now() - start < 2000, true);
});

Deno.test("monitor: one that hangs in the middle is told from one that is busy", async () => {
  const half = await failure(async (conn) => {
    await sendBytes(conn, new TextEncoder().encode('{"QMP": {"ver'));
    await silent(conn);
  }) as SourceError;
  assertEquals(half.kind, "failed");
  assertStringIncludes(half.message, "no greeting in time (13 bytes of a line came)");
  const mute = await failure(negotiated((conn) => silent(conn))) as SourceError;
  assertEquals(mute.kind, "failed");
  assertStringIncludes(mute.message, "no answers to query-status in time");
});

Deno.test("monitor: nonsense, wrong first message, wrong ids", async () => {
  const nonsense = await failure(async (conn) => {
    await sendBytes(conn, new Uint8Array([0x16, 0x03, 0x01, 0x0a]));
    await silent(conn);
  });
  assertEquals(nonsense.name, "SourceError");
  assertStringIncludes(nonsense.message, "SOCKET does not speak QMP: qmp line: wanted JSON");
  assertStringIncludes((nonsense as SourceError).remedy, "-qmp");
  const early = await failure(async (conn) => {
    await send(conn, { return: {} });
    await silent(conn);
  });
  assertStringIncludes(
    early.message,
    "SOCKET does not speak QMP: qmp first message: wanted a greeting, got return",
  );
  const id = await failure(negotiated((conn) => send(conn, { return: {}, id: 77 })));
  assertStringIncludes(id.message, "wanted an id from 2 to 2, got 77");
});

Deno.test("monitor: a human monitor is recognised", async () => {
  const error = await failure(async (conn) => {
    const banner = "QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ";
    await sendBytes(conn, new TextEncoder().encode(banner));
    await silent(conn);
  }) as SourceError;
  assertEquals(error.kind, "unsupported");
  assertStringIncludes(error.message, "SOCKET is a human monitor, not a QMP one");
});

Deno.test("monitor: 100 MB without a line end stop at the limit", async () => {
  let sent = 0;
  const error = await failure(async (conn) => {
    const chunk = new Uint8Array(1 << 20).fill(0x78);
    for (; sent < 100; sent++) await sendBytes(conn, chunk);
  }, { greetingMs: 20_000 });
  assertEquals(error.name, "SourceError");
  assertStringIncludes(error.message, "wanted a line of at most 8388608 bytes");
  assertEquals(sent < 20, true, `${sent} MB were taken`);
});

Deno.test("monitor: a flood of events does not keep us past the deadline", async () => {
  const event = new TextEncoder().encode('{"event":"X"}\n'.repeat(4000));
  const error = await failure(negotiated(async (conn) => {
    while (true) await sendBytes(conn, event);
  })) as SourceError;
  assertEquals(error.kind, "failed");
  assertStringIncludes(error.message, "no answers to query-status in time");
});

Deno.test("monitor: one that never lets us wait is left at the deadline, too", async () => {
  const text = (message: unknown) => new TextEncoder().encode(JSON.stringify(message) + "\n");
  let asked = 0;
  let floods = 0;
  const answer = () => {
    if (asked === 0) return text(greeting);
    if (asked === 1) return text({ return: {}, id: 1 });
    if (++floods > 1_000_000) throw new Error("read for ever");
    return text({ event: "X" });
  };
  const script: Partial<Sys> = {
    connectUnix: () => 99,
    close: () => {},
    peerCredentials: () => ({ pid: 1, uid: 0, gid: 0 }),
    sendmsg: (_, bytes) => (asked++, bytes.length),
    recvmsg(_, target) {
      const bytes = answer();
      target.set(bytes);
      return { length: bytes.length, fds: [], truncated: false };
    },
  };
  using monitor = await connectMonitor("/m", { ...FAST, sys: fakeSys({ script }).sys });
  const error = await assertRejects(() => monitor.execute("query-status"), SourceError);
  assertStringIncludes(error.message, "no answers to query-status in time");
});

Deno.test("monitor: an answer that comes twice is wrong", async () => {
  await using socket = await serveSocket(negotiated(async (conn, id) => {
    for (let n = 0; n < 2; n++) await send(conn, { return: {}, id });
    await silent(conn);
  }));
  using monitor = await connectMonitor(socket.path, FAST);
  const question = { name: "query-status" };
  const error = await assertRejects(() => monitor.ask([question, question]), SourceError);
  assertStringIncludes(error.message, "wanted an id from 2 to 3, got 2");
});

Deno.test("monitor: the end of the stream, between and inside lines", async () => {
  const gone = await failure(negotiated((conn) => Promise.resolve(conn.close()))) as SourceError;
  assertEquals(gone.kind, "not-found");
  assertStringIncludes(gone.message, "was closed while waiting for the answers to query-status");
  const half = await failure(negotiated(async (conn) => {
    await sendBytes(conn, new TextEncoder().encode('{"return": {"stat'));
    conn.close();
  }));
  assertStringIncludes(half.message, "SOCKET does not speak QMP");
  assertStringIncludes(half.message, "the end of the stream after 17 bytes of a line");
});

Deno.test("monitor: an error answer names command, text and class", async () => {
  const error = await failure(
    negotiated((conn, id) =>
      send(conn, { error: { class: "CommandNotFound", desc: "unheard of" }, id })
    ),
  );
  assertStringIncludes(error.message, "query-status: unheard of (CommandNotFound)");
});

Deno.test("monitor: no socket, nobody behind it, and no permission", async () => {
  const directory = await Deno.makeTempDir({ prefix: "guestmem-monitor-" });
  const kind = async (path: string) =>
    (await assertRejects(() => connectMonitor(path, FAST), SourceError)).kind;
  const stale = `${directory}/stale.sock`;
  Deno.listen({ transport: "unix", path: stale }).close();
  assertEquals(await kind(`${directory}/none.sock`), "not-found");
  assertEquals(await kind(stale), "not-found");
  await Deno.remove(directory, { recursive: true });
});

Deno.test("monitor: a path longer than a socket's name can be", async () => {
  const { greeting } = recording("split");
  const directory = await Deno.makeTempDir({ prefix: "guestmem-monitor-" });
  const deep = `${directory}/${"d".repeat(120)}`;
  await Deno.mkdir(deep);
  const listener = Deno.listen({ transport: "unix", path: `${directory}/q` });
  await Deno.rename(`${directory}/q`, `${deep}/q`);
  const accepted = listener.accept();
  const connecting = connectMonitor(`${deep}/q`, { sys, greetingMs: 5000, answerMs: 200 });
  const conn = await accepted;
  await send(conn, greeting);
  const error = await assertRejects(() => connecting, SourceError);
  assertStringIncludes(error.message, "no answers to qmp_capabilities in time");
  conn.close();
  listener.close();
  await Deno.remove(directory, { recursive: true });
});

Deno.test("monitor: an abort ends the wait", async () => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error("enough")), 50);
  const error = await failure(silent, { greetingMs: 10_000, signal: abort.signal });
  assertEquals(error.message, "enough");
});
