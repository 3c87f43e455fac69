/** Our server and our client over real sockets, and both against peers that do not behave. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { O_DIRECTORY, O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { SourceError } from "../../lib/errors.ts";
import { IvshmemClient } from "../../lib/ivshmem/client.ts";
import { type IvshmemServerOptions, startIvshmemServer } from "../../lib/ivshmem/server.ts";
import { ivshmemSource } from "../../lib/source/ivshmem.ts";
import type { Attachment, Interrupts } from "../../lib/source/source.ts";
import { type DoorbellEvent, followInterrupts } from "../../lib/watch/follow_interrupts.ts";
import { encodeMessage } from "../../lib/wire/ivshmem/message.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { errnoFrom, sys, uniqueName } from "../support/host.ts";

function serve(options: Partial<IvshmemServerOptions> = {}) {
  const path = `/tmp/${uniqueName()}.sock`;
  return startIvshmemServer({ sys, path, size: 65536, vectors: 2, ...options });
}

function attach(path: string, write: boolean): Promise<Attachment> {
  const target = { scheme: "ivshmem", what: path, device: null, queue: null, text: path };
  return ivshmemSource.attach(target, { sys, write, layout: null, signal: null, log: () => {} });
}

/** What `look` gives as soon as it is neither false nor null. */
async function until<T>(look: () => T | false | null): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const seen = look();
    if (seen !== false && seen !== null) return seen;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`never: ${look}`);
}

Deno.test("two clients share memory and ring each other", async () => {
  await using server = serve();
  await using writer = await attach(server.path, true);
  await using reader = await attach(server.path, false);
  assertEquals(server.peers, [0, 1]);
  writer.writable?.write(0x1000n, new TextEncoder().encode("hello"));
  assertEquals(new TextDecoder().decode(reader.memory.bytes(0x1000n, 5)), "hello");
  assertEquals(reader.writable, null);

  await until(() => writer.devices.some(({ name }) => name === "1"));
  const peer = writer.devices.find(({ name }) => name === "1");
  const vector = peer?.queues.find(({ index }) => index === 1);
  assert(peer !== undefined && vector !== undefined);
  const [kick] = writer.kicks?.(peer!, vector!, "kick") ?? [];
  assertEquals([kick.name, kick.possible], ["doorbell", true]);
  const { evidence } = await kick.send();
  assertEquals(evidence, ["1 added to the eventfd of peer 1, vector 1; the peer is connected"]);
  await reader.interrupts?.wait([0n, 0n], 2000);
  assertEquals(reader.interrupts?.counts, [0n, 1n]);
});

Deno.test("peers come and go, and a doorbell of one that left is gone", async () => {
  await using server = serve({ vectors: 1 });
  const { sys: watched, log } = fakeSys({ real: sys });
  await using stays = await IvshmemClient.connect({ sys: watched, path: server.path });
  const leaves = await IvshmemClient.connect({ sys, path: server.path });
  await until(() => stays.peers.size === 1);
  const doorbells = [...stays.peers.values()].flat();
  stays.ring(leaves.id, 0);
  assertEquals(await leaves.waitInterrupt([0n], 2000), [{ vector: 0, count: 1n }]);
  await leaves.close();
  await until(() => stays.peers.size === 0);
  const closed = log.filter(({ call }) => call === "close").map(({ args }) => args[0]);
  assertEquals([doorbells.length, closed], [1, doorbells]);
  const error = assertThrows(() => stays.ring(leaves.id, 0), SourceError);
  assertEquals((error as SourceError).kind, "not-found");
  await using next = await IvshmemClient.connect({ sys, path: server.path });
  assertEquals(next.id, 2, "an id is not used again at once");
});

Deno.test("a full doorbell says so and loses nothing", async () => {
  await using server = serve({ vectors: 1 });
  await using ringer = await IvshmemClient.connect({ sys, path: server.path });
  // Connected, and never reads its interrupts.
  using idle = new Fd(sys, sys.connectUnix(server.path));
  await until(() => ringer.peers.get(1)?.length === 1);
  const [doorbell] = ringer.peers.get(1) as number[];
  sys.signal(doorbell, 0xffff_ffff_ffff_fffen);
  const full = assertThrows(() => ringer.ring(1, 0), SourceError);
  assertEquals([full.kind, full.message, full.remedy], [
    "busy",
    `kick: signal: the eventfd of peer 1, vector 0, at ${server.path} is full (write: EAGAIN)`,
    "let peer 1 drain it: it has read none of what was sent",
  ]);
  assert(idle.isOpen);
});

Deno.test("the server's end leaves memory and doorbells usable", async () => {
  const server = serve();
  await using one = await attach(server.path, true);
  await using two = await IvshmemClient.connect({ sys, path: server.path });
  await until(() => one.devices.length === 2);
  await server.close();
  await until(() => one.note !== "");
  assertEquals(two.ended, "closed by the server");
  one.writable?.write(0n, new Uint8Array([7]));
  assertEquals(one.memory.bytes(0n, 1), new Uint8Array([7]));
  const kick = one.kicks?.(one.devices[0], one.devices[0].queues[0], "kick")[0];
  assertEquals((await kick?.send())?.evidence[0].includes("closed by the server"), true);
  assertEquals(await two.waitInterrupt([0n, 0n], 2000), [{ vector: 0, count: 1n }]);
});

Deno.test("sizes and vectors that would break a peer are refused before anything exists", () => {
  const path = `/tmp/${uniqueName()}.sock`;
  for (const size of [0, 1, 100, 4095, 4097, 3 << 20]) {
    assertThrows(
      () => startIvshmemServer({ sys, path, size, vectors: 1 }),
      RangeError,
      "not a power of two",
    );
  }
  for (const vectors of [0, 257, 1.5]) {
    assertThrows(() => startIvshmemServer({ sys, path, size: 4096, vectors }), RangeError);
  }
  assertEquals(errnoFrom(() => sys.stat(path)), "ENOENT");
});

Deno.test("an object in /dev/shm stays, is used again, and is never resized", async () => {
  const shmName = uniqueName();
  const path = `/dev/shm/${shmName}`;
  using cleanup = new DisposableStack();
  cleanup.defer(() => sys.unlink(path));
  for (const text of ["first", "second"]) {
    await using server = serve({ shmName });
    await using client = await attach(server.path, true);
    if (text === "second") assertEquals(client.memory.bytes(0n, 1)[0], 102);
    client.writable?.write(0n, new TextEncoder().encode("first"));
  }
  assertEquals(sys.stat(path).size, 65536);
  assertThrows(
    () => serve({ shmName, size: 4096 }),
    SourceError,
    "65536 bytes, and 4096 are wanted",
  );
  assertThrows(() => serve({ shmName: "../x" }), RangeError);
});

Deno.test("a client that writes is dropped, and one that never reads does no harm", async () => {
  const lines: string[] = [];
  await using server = serve({ vectors: 256, onEvent: ({ text }) => lines.push(text) });
  using rude = new Fd(sys, sys.connectUnix(server.path));
  await until(() => server.peers.length === 1);
  sys.sendmsg(rude.number, new Uint8Array(8), []);
  await until(() => server.peers.length === 0);
  assertEquals(lines, ["peer 0 joined", "peer 0 dropped: it wrote to the server"]);
  // Joins push 256 doorbells each to a peer that never reads.
  using _deaf = new Fd(sys, sys.connectUnix(server.path));
  for (let i = 0; i < 3; i++) {
    await using client = await IvshmemClient.connect({ sys, path: server.path });
    assertEquals(client.vectors, 256);
  }
  assertEquals(server.peers[0], 1, "it is connected still");
});

Deno.test("a client that never reads is dropped when 65536 messages wait for it", async () => {
  const lines: string[] = [];
  await using server = serve({ vectors: 256, onEvent: ({ text }) => lines.push(text) });
  using _deaf = new Fd(sys, sys.connectUnix(server.path));
  await until(() => server.peers.length === 1);
  const dropped = () => lines.includes("peer 0 dropped: it does not read");
  for (let joins = 0; joins < 300 && !dropped(); joins++) {
    using _other = new Fd(sys, sys.connectUnix(server.path));
    await until(() => lines.some((line) => line === `peer ${joins + 1} joined`));
  }
  assert(dropped(), `${lines.length}`);
  assertEquals(server.peers.includes(0), false);
});

Deno.test("a server without fds left rests, and takes who waits when there are some", async () => {
  let full = true;
  const refused: string[] = [];
  const accept = (fd: number) => {
    if (full) throw new SyscallError("accept4", "EMFILE", fd);
    return sys.accept(fd);
  };
  const crowded = fakeSys({ real: sys, script: { accept } }).sys;
  await using server = serve({ sys: crowded, onEvent: ({ text }) => refused.push(text) });
  using _client = new Fd(sys, sys.connectUnix(server.path));
  await new Promise((done) => setTimeout(done, 350));
  assert(refused.length >= 1 && refused.length <= 5, `${refused.length} times`);
  full = false;
  await until(() => server.peers.length === 1);
});

Deno.test("a server ends without its socket's file, and leaves another's alone", async () => {
  const server = serve();
  Deno.removeSync(server.path);
  await server.close();
  const other = serve();
  Deno.removeSync(other.path);
  using listener = new Fd(sys, sys.listenUnix(other.path, 1));
  await other.close();
  assert(sys.stat(other.path).inode > 0);
  listener.close();
  sys.unlink(other.path);
});

/** A server that says what it is told to one client, then waits. */
async function badServer(
  say: (send: (value: number, fds?: number[]) => void, socket: number) => void,
  talk: (path: string) => Promise<void>,
): Promise<void> {
  const path = `/tmp/${uniqueName()}.sock`;
  using cleanup = new DisposableStack();
  const listener = cleanup.use(new Fd(sys, sys.listenUnix(path, 1)));
  cleanup.defer(() => sys.unlink(path));
  const talking = talk(path);
  const socket = await until(() => sys.accept(listener.number));
  const own = cleanup.use(new Fd(sys, socket));
  say((value, fds = []) => sys.sendmsg(own.number, encodeMessage(value), fds), own.number);
  await talking;
}

Deno.test("a server that misbehaves gives an error, and no fd is left", async () => {
  const memory = new Fd(sys, sys.memfd("bad", 0));
  const nul = new Fd(sys, sys.open("/dev/zero", O_RDWR));
  using cleanup = new DisposableStack();
  cleanup.use(memory);
  cleanup.use(nul);
  type Say = Parameters<typeof badServer>[0];
  const cases: [string, Say, string][] = [
    ["wrong version", (send) => [3, 4].forEach((value) => send(value)), "version"],
    ["garbage", (_, socket) => sys.sendmsg(socket, new Uint8Array(16).fill(0x55), []), "message"],
    ["half a message, then the end", (send, socket) => {
      send(0);
      sys.sendmsg(socket, new Uint8Array(3), []);
      sys.shutdown(socket);
    }, "before it sent the shared memory"],
    ["a file as doorbell", (send) => {
      send(0);
      send(1);
      send(-1, [memory.number]);
      send(2, [nul.number]);
    }, "wanted an eventfd"],
    ["two fds at once", (send) => send(0, [memory.number, nul.number]), ""],
  ];
  for (const [what, say, text] of cases) {
    await badServer(say, async (path) => {
      const error = await assertRejects(() => IvshmemClient.connect({ sys, path, timeoutMs: 500 }));
      const { message } = error as Error;
      assert(message.includes(text) && message.includes(path), `${what}: ${message}`);
      assert(error instanceof SourceError && error.remedy !== "", what);
    });
  }
  const open = sys.readdir("/proc/self/fd").filter((fd) => {
    try {
      return sys.readlink(`/proc/self/fd/${fd}`) === "/memfd:bad (deleted)";
    } catch {
      return false;
    }
  });
  assertEquals(open.length, 1);
});

Deno.test("memory of no bytes, or of no power of two, is an error or a note, never a crash", async () => {
  for (const [size, ok] of [[0, false], [5000, true]] as const) {
    using memory = new Fd(sys, sys.memfd("odd", 0));
    sys.ftruncate(memory.number, size);
    const say: Parameters<typeof badServer>[0] = (send) => {
      send(0);
      send(1);
      send(-1, [memory.number]);
    };
    await badServer(say, async (path) => {
      if (!ok) return void await assertRejects(() => attach(path, false), SourceError, "0 bytes");
      await using client = await attach(path, false);
      assertEquals(client.memory.bytes(0n, 5000).length, 5000);
      sys.ftruncate(memory.number, 0);
      assertThrows(() => client.memory.bytes(0n, 1), Error, "unreadable");
    });
  }
});

Deno.test("what is shared and can not be mapped is told by the socket, with a remedy", async () => {
  using folder = new Fd(sys, sys.open("/tmp", O_RDONLY | O_DIRECTORY));
  using huge = new Fd(sys, sys.memfd("huge", 0));
  sys.ftruncate(huge.number, 2 ** 50);
  for (const [fd, text] of [[folder, "is no memory"], [huge, "can not be mapped"]] as const) {
    const say: Parameters<typeof badServer>[0] = (send) => {
      send(0);
      send(1);
      send(-1, [fd.number]);
    };
    await badServer(say, async (path) => {
      const { message, remedy } = await assertRejects(() => attach(path, false), SourceError);
      assert(message.includes(path) && message.includes(text), message);
      assert(remedy.includes("ivshmem-server"), remedy);
    });
  }
});

Deno.test("a client without an fd for its own use leaves none behind", async () => {
  await using server = serve();
  const { sys: poor, log } = fakeSys({ real: sys, fail: [{ call: "eventfd", errno: "EMFILE" }] });
  await assertRejects(
    () => IvshmemClient.connect({ sys: poor, path: server.path }),
    Error,
    "EMFILE",
  );
  assertEquals(log.map(({ call }) => call), ["connectUnix", "eventfd", "close"]);
});

Deno.test("no server: not-found, with the remedy", async () => {
  const path = `/tmp/${uniqueName()}.sock`;
  const absent = await assertRejects(() => attach(path, false), SourceError) as SourceError;
  assertEquals(absent.kind, "not-found");
  const listener = new Fd(sys, sys.listenUnix(path, 1));
  listener.close();
  const dead = await assertRejects(() => attach(path, false), SourceError) as SourceError;
  sys.unlink(path);
  assertEquals([dead.kind, dead.remedy], ["not-found", "start one with guestmem ivshmem-server"]);
});

Deno.test("what happens at a doorbell is told as it happens", async () => {
  await using server = serve({ vectors: 1 });
  await using watcher = await attach(server.path, false);
  const stop = new AbortController();
  const interrupts = watcher.interrupts as Interrupts;
  const events: DoorbellEvent[] = [];
  const following = (async () => {
    const options = { interval: 20, signal: stop.signal };
    for await (const event of followInterrupts(watcher, interrupts, options)) events.push(event);
  })();
  const peer = await IvshmemClient.connect({ sys, path: server.path });
  await until(() => events.length === 2);
  peer.ring(0, 0);
  await until(() => events.length === 3);
  peer.ring(0, 0);
  await until(() => events.length === 4);
  await peer.close();
  await until(() => events.length === 5);
  await server.close();
  await until(() => events.length === 6);
  stop.abort();
  await following;
  assertEquals(
    events.map((event) => "peer" in event ? `${event.kind} ${event.peer}` : event.kind),
    [
      "joined 0",
      "joined 1",
      "interrupt",
      "interrupt",
      "left 1",
      "ended",
    ],
  );
  assertEquals(events[3], { kind: "interrupt", vector: 0, count: 1, total: 2 });
});
