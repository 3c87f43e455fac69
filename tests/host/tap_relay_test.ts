/** The relay between our own front-end and back-end. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { EFD_NONBLOCK } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { sealedMemfd } from "../../ffi/memfd.ts";
import { SourceError } from "../../lib/errors.ts";
import { startTap } from "../../lib/tap/tap.ts";
import {
  EMPTY,
  encodeMessage,
  frontEndReply,
  frontEndRequest,
  u64,
  vringFd,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys, uniqueName } from "../support/host.ts";
import { everyMessage } from "../support/vhost_every_message.ts";
import { connectPeer, type Peer, peer, peerListener } from "../support/vhost_peer.ts";
import { identity, inFolder, passes, tapped, until } from "../support/vhost_tapped.ts";

Deno.test("every message of the main channel passes both ways, with its fds", async () => {
  using memory = sealedMemfd(sys, uniqueName(), 0x10000);
  using event = new Fd(sys, sys.eventfd(0, EFD_NONBLOCK));
  await tapped(async ({ frontEnd, backEnd, tap }) => {
    const messages = everyMessage("front-end").filter(([{ name }]) =>
      name !== "SET_BACKEND_REQ_FD"
    );
    using socket = new Fd(sys, sys.connectUnix(tap.socket));
    for (const [message, spec] of messages) {
      const memoryKinds = ["memory-table", "single-region", "inflight", "log", "device-state"];
      const fd = memoryKinds.includes(message.payload.kind)
        ? memory.number
        : message.name === "GPU_SET_SOCKET"
        ? socket.number
        : event.number;
      const count = message.reply ? spec.replyFds : Math.min(1, spec.fds[1]);
      const fds = Array.from({ length: count }, () => fd);
      const [from, to] = message.reply ? [backEnd, frontEnd] : [frontEnd, backEnd];
      await passes(from, to, message, fds);
    }
    await passes(frontEnd, backEnd, { ...messages[0][0], request: 99, name: "unknown(99)" });
    assertEquals(tap.connections[0].end, null);
  });
});

Deno.test("the back-end's own channel is seen and passed, whichever side asks", async () => {
  const records: Record<string, unknown>[] = [];
  await tapped(async ({ frontEnd, backEnd }) => {
    using event = new Fd(sys, sys.eventfd(0, EFD_NONBLOCK));
    const [ours, theirs] = sys.socketpair();
    using frontEndSide = peer(ours, "back-end");
    const given = identity(theirs);
    await frontEnd.send(frontEndRequest("SET_BACKEND_REQ_FD", EMPTY, { needReply: true }), [
      theirs,
    ]);
    sys.close(theirs);
    const arrival = await backEnd.receive();
    assertEquals(arrival?.message.name, "SET_BACKEND_REQ_FD");
    const got = arrival?.fds[0] as number;
    assert(identity(got) !== given, "the back-end got the front-end's own socket");
    using backEndSide = peer(got, "back-end");
    await passes(backEnd, frontEnd, frontEndReply("SET_BACKEND_REQ_FD", u64(0)));
    for (const [message, spec] of everyMessage("back-end")) {
      const [from, to] = message.reply ? [frontEndSide, backEndSide] : [backEndSide, frontEndSide];
      const count = message.reply ? spec.replyFds : spec.fds[1];
      await passes(from, to, message, Array.from({ length: count }, () => event.number));
    }
    frontEndSide.close();
    assertEquals(await backEndSide.receive(), null);
    await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
  }, { record: (record) => records.push(record) });
  const names = records.filter(({ origin }) => origin === "back-end").map(({ name }) => name);
  assertEquals(new Set(names).size, 10);
});

Deno.test("the socket that the back-end gets blocks, as DPDK expects", async () => {
  await tapped(async ({ frontEnd, backEnd }) => {
    const [ours, theirs] = sys.socketpair();
    using _frontEndSide = peer(ours, "back-end");
    await frontEnd.send(frontEndRequest("SET_BACKEND_REQ_FD", EMPTY), [theirs]);
    sys.close(theirs);
    using got = new Fd(sys, (await backEnd.receive())?.fds[0] as number);
    const flags = /^flags:\s*([0-7]+)/m.exec(sys.readText(`/proc/self/fdinfo/${got.number}`));
    assertEquals(parseInt(flags?.[1] ?? "", 8) & 0x800, 0, "O_NONBLOCK is set");
  });
});

Deno.test("messages sent in one piece are passed one by one, and fds stay with theirs", async () => {
  await tapped(async ({ frontEnd, backEnd }) => {
    using event = new Fd(sys, sys.eventfd(0, EFD_NONBLOCK));
    const num = frontEndRequest("SET_VRING_NUM", vringState(0, 256));
    const kick = frontEndRequest("SET_VRING_KICK", vringFd(0));
    // Queued before the tap looks: a longer read would see both, and the fd with the first.
    await Promise.all([
      frontEnd.send(num),
      frontEnd.send(kick, [event.number]),
      frontEnd.send(num),
    ]);
    const arrivals = [await backEnd.receive(), await backEnd.receive(), await backEnd.receive()];
    assertEquals(arrivals.map((arrival) => arrival?.message.name), [num.name, kick.name, num.name]);
    assertEquals(arrivals.map((arrival) => arrival?.fds.length), [0, 1, 0]);
    sys.close(arrivals[1]?.fds[0] as number);
    // Both in one sendmsg: the fd belongs to the message whose first byte carried it.
    const both = new Uint8Array([...encodeMessage(kick), ...encodeMessage(num)]);
    await frontEnd.sendBytes(both, [event.number]);
    const [first, second] = [await backEnd.receive(), await backEnd.receive()];
    assertEquals([first?.fds.length, second?.fds.length], [1, 0]);
    sys.close(first?.fds[0] as number);
  });
});

Deno.test("a message in many pieces arrives whole, with the fds of all its pieces", async () => {
  await tapped(async ({ frontEnd, backEnd }) => {
    using event = new Fd(sys, sys.eventfd(0, EFD_NONBLOCK));
    const bytes = encodeMessage(frontEndRequest("SET_VRING_KICK", vringFd(3)));
    for (let at = 0; at < bytes.length; at += 3) {
      await frontEnd.sendBytes(bytes.subarray(at, at + 3), at === 12 ? [event.number] : []);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const arrival = await backEnd.receive();
    assertEquals(arrival?.frame.bytes, bytes);
    assertEquals(arrival?.fds.map(identity), [identity(event.number)]);
    sys.close(arrival?.fds[0] as number);
  });
});

Deno.test("32 fds pass with one message", async () => {
  using memory = sealedMemfd(sys, uniqueName(), 0x1000);
  const regions = Array.from({ length: 32 }, (_, i) => ({
    guestAddress: BigInt(i) << 20n,
    size: 0x1000n,
    userAddress: BigInt(i) << 30n,
    mmapOffset: 0n,
    xen: null,
  }));
  const table = frontEndRequest("SET_MEM_TABLE", { kind: "memory-table", padding: 0, regions });
  await tapped(async ({ frontEnd, backEnd, tap }) => {
    await passes(frontEnd, backEnd, table, regions.map(() => memory.number));
    assertEquals(tap.connections[0].state.memory.length, 32);
  });
});

Deno.test("either side may be the one that connects: who asks first is the front-end", async () => {
  await inFolder(async (folder) => {
    using frontEnds = peerListener(`${folder}/front.sock`);
    await using tap = startTap({ sys, listen: `${folder}/tap.sock`, connect: frontEnds.path });
    using backEnd = connectPeer(tap.socket);
    using frontEnd = await frontEnds.accept();
    await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
    await passes(backEnd, frontEnd, frontEndReply("GET_FEATURES", u64(7)));
    assertEquals(tap.connections[0].frontEnd, 1);
    assertEquals(tap.connections[0].state.offeredFeatures, 7n);
  });
});

Deno.test("several connections at a time, each with its own far side and state", async () => {
  await inFolder(async (folder) => {
    using backEnds = peerListener(`${folder}/back.sock`);
    await using tap = startTap({ sys, listen: `${folder}/tap.sock`, connect: backEnds.path });
    using resources = new DisposableStack();
    const pairs: [Peer, Peer][] = [];
    for (let i = 0; i < 5; i++) {
      const frontEnd = resources.use(connectPeer(tap.socket));
      pairs.push([frontEnd, resources.use(await backEnds.accept())]);
    }
    for (const [i, [frontEnd, backEnd]] of pairs.entries()) {
      await passes(frontEnd, backEnd, frontEndRequest("SET_FEATURES", u64(i)));
    }
    assertEquals(tap.connections.map(({ state }) => state.features), [0n, 1n, 2n, 3n, 4n]);
    pairs[2][0].close();
    assertEquals(await pairs[2][1].receive(), null);
    await until(() => tap.connections.length === 4, "one connection less");
    await passes(pairs[3][0], pairs[3][1], frontEndRequest("GET_FEATURES", EMPTY));
  });
});

Deno.test("a side that leaves takes the other's connection with it, and both can come again", async () => {
  await inFolder(async (folder) => {
    using backEnds = peerListener(`${folder}/back.sock`);
    await using tap = startTap({ sys, listen: `${folder}/tap.sock`, connect: backEnds.path });
    for (const leaver of ["front-end", "back-end"]) {
      using frontEnd = connectPeer(tap.socket);
      using backEnd = await backEnds.accept();
      await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
      const [leaves, stays] = leaver === "front-end" ? [frontEnd, backEnd] : [backEnd, frontEnd];
      leaves.close();
      assertEquals(await stays.receive(), null);
    }
    await until(() => tap.connections.length === 0, "no connection");
    assertEquals(tap.accepted, 2);
  });
});

Deno.test("a far side that comes late is waited for, one that never comes is not", async () => {
  await inFolder(async (folder) => {
    const connect = `${folder}/back.sock`;
    await using tap = startTap({
      sys,
      listen: `${folder}/tap.sock`,
      connect,
      connectTimeoutMs: 400,
    });
    {
      using frontEnd = connectPeer(tap.socket);
      await frontEnd.send(frontEndRequest("GET_FEATURES", EMPTY));
      await new Promise((resolve) => setTimeout(resolve, 50));
      using backEnds = peerListener(connect);
      using backEnd = await backEnds.accept();
      assertEquals((await backEnd.receive())?.message.name, "GET_FEATURES");
    }
    using frontEnd = connectPeer(tap.socket);
    assertEquals(await frontEnd.receive(), null);
    // One that leaves while it waits is forgotten at once.
    connectPeer(tap.socket).close();
    await until(() => tap.accepted === 3, "three peers");
  });
});

Deno.test("what a peer said before it left is still delivered", async () => {
  await tapped(async ({ frontEnd, backEnd }) => {
    const message = frontEndRequest("SET_VRING_NUM", vringState(0, 64));
    for (let i = 0; i < 3; i++) await frontEnd.send(message);
    frontEnd.close();
    for (let i = 0; i < 3; i++) assertEquals((await backEnd.receive())?.message.name, message.name);
    assertEquals(await backEnd.receive(), null);
  });
});

Deno.test("a socket that somebody listens on is not taken, a stale one is", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/tap.sock`;
    {
      using _taken = peerListener(path);
      const error = assertThrows(
        () => startTap({ sys, listen: path, connect: "/none" }),
        SourceError,
      );
      assertEquals(error.kind, "busy");
    }
    await Deno.writeTextFile(path, "a file");
    assertThrows(() => startTap({ sys, listen: path, connect: "/none" }), SourceError);
    assertEquals(await Deno.readTextFile(path), "a file");
    await Deno.remove(path);
    sys.close(sys.listenUnix(path, 1)); // leaves the file, as a killed process does
    {
      await using _tap = startTap({ sys, listen: path, connect: "/none" });
      assertEquals(sys.stat(path).mode & 0o777, 0o600);
    }
    assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  });
});

Deno.test("peers of other users are sent away, but for the one that is named", async () => {
  await inFolder(async (folder) => {
    // What the kernel says of a peer is the one thing that can not be had as a single user.
    const foreign = { ...sys, peerCredentials: () => ({ pid: 1, uid: 4711, gid: 4711 }) };
    const events: string[] = [];
    const listen = `${folder}/tap.sock`;
    const event = ({ kind, text }: { kind: string; text: string }) =>
      void events.push(`${kind} ${text}`);
    {
      await using _tap = startTap({ sys: foreign, listen, connect: "/none", event });
      using frontEnd = connectPeer(listen);
      assertEquals(await frontEnd.receive(), null);
    }
    assertEquals(events, [
      "refuse process 1 of user 4711 was sent away: user 4711 may not connect",
    ]);
    if (sys.uid !== 0) return;
    using backEnds = peerListener(`${folder}/back.sock`);
    const allowed = { sys: foreign, listen, connect: backEnds.path, allowUid: 4711 };
    await using _tap = startTap(allowed);
    assertEquals([sys.stat(listen).uid, sys.stat(listen).mode & 0o777], [4711, 0o600]);
    using _frontEnd = connectPeer(listen);
    using _backEnd = await backEnds.accept();
  });
});

Deno.test("a full disk ends the recording and nothing else", async () => {
  const events: string[] = [];
  await tapped(async ({ frontEnd, backEnd }) => {
    await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
    await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
  }, {
    record: () => {
      throw new SyscallError("write", "ENOSPC", "tap.ndjson");
    },
    event: ({ kind, text }) => void events.push(`${kind} ${text}`),
  });
  assertEquals(events.filter((text) => text.startsWith("problem")).length, 1);
  assert(events.some((text) => text.includes("ENOSPC")), events.join("\n"));
});

Deno.test("more connections than there is room for are sent away", async () => {
  await inFolder(async (folder) => {
    using backEnds = peerListener(`${folder}/back.sock`);
    const paths = { listen: `${folder}/tap.sock`, connect: backEnds.path };
    await using tap = startTap({ sys, ...paths, maxConnections: 1 });
    using first = connectPeer(tap.socket);
    using backEnd = await backEnds.accept();
    using second = connectPeer(tap.socket);
    assertEquals(await second.receive(), null);
    await passes(first, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
  });
});
