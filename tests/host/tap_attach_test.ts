/** `vhost:SOCKET`: attaching to a tap, to a sink of our own, and to whoever else listens. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EFD_NONBLOCK } from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import { SourceError } from "../../lib/errors.ts";
import { parseTarget } from "../../lib/guest/target.ts";
import { eventfdKick } from "../../lib/kick/eventfd.ts";
import type { Kick } from "../../lib/kick/kick.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import type { Guest } from "../../lib/guest/guest.ts";
import { openTarget } from "../../lib/source/attach.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { vhostSource } from "../../lib/source/vhost.ts";
import { tapsOf } from "../../lib/source/vhost_tap.ts";
import { startSink } from "../../lib/tap/sink.ts";
import { startTap } from "../../lib/tap/tap.ts";
import {
  EMPTY,
  frontEndRequest,
  payloadAs,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { holdings, sys } from "../support/host.ts";
import { areasOf, frontEnd, USER_BASE } from "../support/vhost_front_end.ts";
import { connectPeer, peerListener } from "../support/vhost_peer.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

function attach(
  text: string,
  options: { write?: boolean; signal?: AbortSignal } = {},
): Promise<Attachment> {
  const { write = false, signal = null } = options;
  const common = { sys, write, signal, layout: null, log: () => {} };
  return vhostSource.attach(parseTarget(text, () => false), common);
}

/** A tap with a sink as its back-end. */
async function sunk(run: (socket: string, folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    await using sink = startSink({ sys, listen: `${folder}/sink.sock` });
    await using tap = startTap({ sys, listen: `${folder}/tap.sock`, connect: sink.socket });
    await run(tap.socket, folder);
  });
}

function ringOf(attachment: Attachment, queue: number): RingConfig {
  const ring = attachment.devices[0].queues.find(({ index }) => index === queue)?.ring;
  assert(ring, `queue ${queue} has no ring`);
  return ring as RingConfig;
}

for (const slots of [false, true]) {
  const how = slots ? "ADD_MEM_REG" : "SET_MEM_TABLE";
  Deno.test(`a tapped connection is a target: memory by ${how}, rings by user address`, async () => {
    await sunk(async (socket) => {
      using peer = connectPeer(socket);
      using guest = await frontEnd(peer, { queues: 2, slots });
      guest.add(0);
      guest.add(0);
      guest.add(1);
      await using attachment = await attach(`vhost:${socket}`);
      const [region] = attachment.memory.table.regions;
      assertEquals([region.guest, region.length, region.user], [0n, 0x40000n, USER_BASE]);
      const [device] = attachment.devices;
      assertEquals([device.vhost, device.status, device.queues.length], ["vhost-user", 15, 2]);
      const config = ringOf(attachment, 0);
      assertEquals(config.addressSpace, "user");
      assertEquals(config.descriptor, USER_BASE + areasOf(0).desc);
      const snapshot = openRing(attachment.memory, config).snapshot();
      assertEquals(snapshot.findings, []);
      assertEquals(snapshot.available?.index, 2);
      assertEquals(snapshot.chainCount, 2);
      assertEquals(snapshot.totals, { descriptors: 4, readable: 32, writable: 1024 });
      assertEquals(openRing(attachment.memory, ringOf(attachment, 1)).indices()?.inFlight, 1);
      assertEquals(attachment.writable, null);
    });
  });
}

Deno.test("the captured eventfds kick the device and call the driver", async () => {
  await sunk(async (socket) => {
    using peer = connectPeer(socket);
    using guest = await frontEnd(peer, { queues: 2 });
    await using attachment = await attach(`vhost:${socket}`);
    const { notifier } = attachment.devices[0].queues[1];
    assert(notifier, "no notifier");
    await eventfdKick(sys, notifier, "kick").send();
    assertEquals(sys.drain(guest.kicks[1].number), 1n);
    await eventfdKick(sys, notifier, "call").send();
    assertEquals(sys.drain(guest.calls[1].number), 1n);
    assertEquals(sys.drain(guest.kicks[0].number), 0n);
  });
});

Deno.test("nothing is written into what is no eventfd any more", async () => {
  const [near, far] = sys.socketpair();
  const notifier = { pid: sys.pid, kickFd: near, callFd: null };
  const error = await assertRejects(() => eventfdKick(sys, notifier, "kick").send(), SourceError);
  assertEquals(
    error.message,
    `kick: check eventfd: fd ${near} of process ${sys.pid} is no eventfd now`,
  );
  assertEquals(sys.recvmsg(far, new Uint8Array(8), 0), null);
  closeAll(sys, [near, far]);
});

Deno.test("an eventfd that is another now, closed, or full is told by its process", async () => {
  const [first, second] = [0, 0].map(() => sys.eventfd(0, EFD_NONBLOCK));
  const notifier = { pid: sys.pid, kickFd: first, callFd: null };
  const failure = async (kick: Kick) => {
    const { message, remedy } = await assertRejects(() => kick.send(), SourceError);
    assertStringIncludes(message, `process ${sys.pid}`);
    assert(remedy !== "", message);
    return message;
  };
  const reused = eventfdKick(sys, notifier, "kick");
  sys.close(first);
  assertEquals(sys.dup(second), first, "the lowest number that is free");
  assertStringIncludes(await failure(reused), "is another eventfd now");
  assertEquals(sys.drain(second), 0n, "nothing was written into the other one");
  const full = eventfdKick(sys, notifier, "kick");
  sys.signal(second, 0xffff_ffff_ffff_fffen);
  assertStringIncludes(await failure(full), `eventfd ${first} of process ${sys.pid} is full`);
  closeAll(sys, [first, second]);
  const gone = eventfdKick(sys, { ...notifier, kickFd: 999_999 }, "kick");
  assertStringIncludes(await failure(gone), `fd 999999 of process ${sys.pid} is closed`);
});

Deno.test("a refresh follows the conversation: a stopped ring, new memory, a closed connection", async () => {
  await sunk(async (socket) => {
    using peer = connectPeer(socket);
    using guest = await frontEnd(peer);
    await using attachment = await attach(`vhost:${socket}`);
    const before = attachment.memory;
    await attachment.refresh();
    assert(attachment.memory === before, "the same memory was opened again");
    const stopped = await peer.ask(frontEndRequest("GET_VRING_BASE", vringState(0, 0x5a5a)));
    assertEquals(payloadAs(stopped.message, "vring-state"), vringState(0, 0));
    await attachment.refresh();
    assertEquals(attachment.devices[0].queues[0].notifier, undefined);
    assertEquals(ringOf(attachment, 0).start, { index: 0, wrap: true });
    await guest.sendMemory();
    await attachment.refresh();
    assert(attachment.memory !== before, "new memory was not opened");
    assertEquals(before.bytes(0n, 4).length, 4);
    peer.close();
    await until(() => !sys.readText("/proc/self/net/unix").includes(`${socket} `), "closed");
    const error = await assertRejects(() => untilThrows(() => attachment.refresh()), SourceError);
    assertEquals(error.kind, "not-found");
  });
});

Deno.test("memory that was replaced is let go of by the refresh after", async () => {
  await sunk(async (socket) => {
    using peer = connectPeer(socket);
    using guest = await frontEnd(peer);
    const name = sys.readlink(`/proc/self/fd/${guest.memory.origin()?.fd}`);
    const mapped = () => holdings(name).maps;
    const own = mapped();
    await using attachment = await attach(`vhost:${socket}`);
    for (let round = 0; round < 5; round++) {
      await guest.sendMemory();
      const before = attachment.memory;
      await attachment.refresh();
      assertEquals(mapped(), own + 2, "the new one, and the one before");
      assertEquals(before.bytes(0n, 4).length, 4);
    }
    await attachment.refresh();
    assertEquals(mapped(), own + 1);
    await attachment[Symbol.asyncDispose]();
    assertEquals(mapped(), own);
  });
});

Deno.test("a refresh goes over to the connection of whoever came again", async () => {
  await sunk(async (socket) => {
    const first = connectPeer(socket);
    const old = await frontEnd(first);
    old.add(0);
    await using attachment = await openTarget(`vhost:${socket}/dev0:0`);
    assertEquals(openRing(attachment.memory, ringOf(attachment, 0)).indices()?.available.index, 1);
    first.close();
    old[Symbol.dispose]();
    await until(() => connectionsOf(socket) === 0, "no connection");
    const error = await assertRejects(() => attachment.refresh(), SourceError);
    assertEquals(error.kind, "not-found");
    using second = connectPeer(socket);
    await second.ask(frontEndRequest("GET_FEATURES", EMPTY));
    await until(() => connectionsOf(socket) === 1, "a new connection");
    // It has sent no memory yet: what was attached waits.
    assertEquals((await assertRejects(() => attachment.refresh(), SourceError)).kind, "busy");
    using guest = await frontEnd(second);
    guest.add(0);
    guest.add(0);
    await attachment.refresh();
    assertEquals(openRing(attachment.memory, ringOf(attachment, 0)).indices()?.available.index, 2);
  });
});

async function untilThrows(run: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    await run();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** What `find` lists for a tap. */
async function rowOf(socket: string): Promise<Guest | undefined> {
  const options = { sys, write: false, layout: null, signal: null, log: () => {} };
  return (await vhostSource.find?.(options))?.find(({ target }) => target === `vhost:${socket}`);
}

Deno.test("find lists a tap; who reconnects gets its device's name again", async () => {
  await sunk(async (socket) => {
    for (let round = 0; round < 2; round++) {
      // The one before must be gone, or both would have a name.
      await until(() => connectionsOf(socket) === 0, "no connection");
      using peer = connectPeer(socket);
      using _guest = await frontEnd(peer);
      const row = await rowOf(socket);
      assertEquals([row?.state, row?.pid, row?.memory], ["connected", sys.pid, 0x40000n]);
      assertEquals(row?.devices.map(({ name }) => name), ["dev0"]);
    }
  });
});

function connectionsOf(socket: string): number | undefined {
  return tapsOf(sys, sys.pid).find((tap) => tap.socket === socket)?.connections.length;
}

Deno.test("of several connections the device names one, else the newest is taken", async () => {
  await inFolder(async (folder) => {
    using backEnds = peerListener(`${folder}/back.sock`);
    await using tap = startTap({ sys, listen: `${folder}/tap.sock`, connect: backEnds.path });
    using resources = new DisposableStack();
    const memory = [0x3000n, 0x5000n];
    for (const size of memory) {
      const peer = resources.use(connectPeer(tap.socket));
      const backEnd = resources.use(await backEnds.accept());
      using file = new Fd(sys, sys.memfd("guestmem-several", 0));
      sys.ftruncate(file.number, Number(size));
      const region = { guestAddress: 0n, size, userAddress: 0n, mmapOffset: 0n, xen: null };
      const table = { kind: "memory-table" as const, padding: 0, regions: [region] };
      await peer.send(frontEndRequest("SET_MEM_TABLE", table), [file.number]);
      closeAll(sys, (await backEnd.receive())?.fds ?? []);
    }
    const sizeOf = async (target: string) => {
      await using attachment = await openTarget(target);
      return attachment.memory.table.size;
    };
    await until(() => tap.connections.every(({ state }) => state.memory.length === 1), "memory");
    assertEquals(await sizeOf(`vhost:${tap.socket}`), memory[1]);
    assertEquals(await sizeOf(`vhost:${tap.socket}/dev0`), memory[0]);
    assertEquals(await sizeOf(`vhost:${tap.socket}/dev1`), memory[1]);
  });
});

Deno.test("writing needs --write, and then reaches the guest", async () => {
  await sunk(async (socket) => {
    using peer = connectPeer(socket);
    using guest = await frontEnd(peer);
    await using attachment = await attach(`vhost:${socket}`, { write: true });
    attachment.writable?.write(0x30000n, Uint8Array.of(1, 2, 3));
    const bytes = new Uint8Array(3);
    guest.memory.copy(0x30000, bytes);
    assertEquals([...bytes], [1, 2, 3]);
  });
});

Deno.test("a tap without a connection, or without memory, says so", async () => {
  await sunk(async (socket) => {
    const idle = await assertRejects(() => attach(`vhost:${socket}`), SourceError);
    assertEquals([idle.kind, idle.message.includes("nobody is connected")], ["not-found", true]);
    assertEquals((await rowOf(socket))?.state, "waiting");
    using peer = connectPeer(socket);
    await peer.ask(frontEndRequest("GET_FEATURES", EMPTY));
    const bare = await assertRejects(() => attach(`vhost:${socket}`), SourceError);
    assertEquals([bare.kind, bare.message.includes("no memory yet")], ["not-found", true]);
  });
});

Deno.test("where nobody listens we are the back-end, and what a driver sets up can be read", async () => {
  await inFolder(async (folder) => {
    const socket = `${folder}/own.sock`;
    const attaching = attach(`vhost:${socket}`);
    await until(() => exists(socket), "our socket");
    assertEquals(sys.stat(socket).mode & 0o777, 0o600);
    using peer = connectPeer(socket);
    const config = {
      kind: "config" as const,
      offset: 0,
      size: 60,
      flags: 0,
      data: new Uint8Array(60),
    };
    const answer = await peer.ask(frontEndRequest("GET_CONFIG", config));
    assertEquals(payloadAs(answer.message, "config").data.length, 60);
    using guest = await frontEnd(peer, { queues: 2 });
    guest.add(0);
    {
      await using attachment = await attaching;
      await attachment.refresh();
      const snapshot = openRing(attachment.memory, ringOf(attachment, 0)).snapshot();
      assertEquals(snapshot.chainCount, 1);
      guest.add(1);
      assertEquals(
        openRing(attachment.memory, ringOf(attachment, 1)).indices()?.available.index,
        1,
      );
      assertEquals(attachment.devices[0].queues[0].notifier?.pid, sys.pid);
      peer.close();
      await assertRejects(() => untilThrows(() => attachment.refresh()), SourceError, "has left");
    }
    assertEquals(exists(socket), false);
  });
});

Deno.test("a sink is a target for others, too: waiting, served, and gone", async () => {
  await inFolder(async (folder) => {
    const socket = `${folder}/own.sock`;
    const attaching = attach(`vhost:${socket}`);
    await until(() => exists(socket), "our socket");
    const row = async () => {
      const own = await rowOf(socket);
      return own && [own.state, own.devices.map(({ name, queues }) => `${name} ${queues.length}`)];
    };
    assertEquals(await row(), ["waiting", []]);
    const idle = await assertRejects(() => attach(`vhost:${socket}`), SourceError, "nobody is");
    assertEquals(idle.remedy, `start the front-end with ${socket} as its back-end`);
    using peer = connectPeer(socket);
    using guest = await frontEnd(peer, { queues: 1 });
    guest.add(0);
    {
      await using serving = await attaching;
      assertEquals(await row(), ["connected", ["dev0 1"]]);
      await using other = await attach(`vhost:${socket}`);
      const [own, seen] = [serving, other].map((one) => ({
        ring: ringOf(one, 0),
        chains: openRing(one.memory, ringOf(one, 0)).snapshot().chainCount,
      }));
      assertEquals(seen, own);
      assertEquals(seen.chains, 1);
      peer.close();
      await assertRejects(() => untilThrows(() => other.refresh()), SourceError, "is closed");
      assertEquals(await row(), ["waiting", []]);
    }
    assertEquals(await row(), undefined);
  });
});

Deno.test("waiting for a front-end can be ended", async () => {
  await inFolder(async (folder) => {
    const controller = new AbortController();
    const attaching = attach(`vhost:${folder}/own.sock`, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await assertRejects(() => attaching, SourceError, "stopped before");
    assertEquals(exists(`${folder}/own.sock`), false);
  });
});

Deno.test("somebody else's socket is not connected to", async () => {
  await inFolder(async (folder) => {
    using others = peerListener(`${folder}/other.sock`);
    const error = await assertRejects(() => attach(`vhost:${others.path}`), SourceError);
    assertEquals(error.kind, "unsupported");
    assert(error.remedy.includes("guestmem tap"), error.remedy);
    await assertRejects(() => others.accept(50), Error, "nobody connected");
  });
});

function exists(path: string): boolean {
  try {
    sys.stat(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("memory that changes all the time is given up, and nothing stays open", async () => {
  const { attachLive } = await import("../../lib/source/vhost_live.ts");
  let reads = 0;
  using file = new Fd(sys, sys.memfd("guestmem-changing", 0));
  sys.ftruncate(file.number, 4096);
  const read = () =>
    JSON.stringify({
      format: "ring-image/1",
      memory: [{ fd: file.number, gpa: 0x1000 * reads++, size: 4096 }],
    });
  const target = parseTarget("vhost:/x", () => false);
  const options = { sys, write: false, layout: null, signal: null, log: () => {} };
  const error = await assertRejects(
    () => attachLive({ target, options, pid: sys.pid, read, owned: null }),
    SourceError,
  );
  assertEquals(error.kind, "busy");
  const maps = sys.readText("/proc/self/maps").split("\n").filter((line) =>
    line.includes("guestmem-changing")
  );
  assertEquals(maps, []);
});

Deno.test("a socket that is not there yet is told from the device behind it", async () => {
  await inFolder(async (folder) => {
    const attaching = openTarget(`vhost:${folder}/own.sock/dev0:0`);
    await until(() => exists(`${folder}/own.sock`), "our socket");
    using peer = connectPeer(`${folder}/own.sock`);
    using _guest = await frontEnd(peer);
    await using attachment = await attaching;
    const { what, device, queue } = attachment.target;
    assertEquals([what, device, queue], [`${folder}/own.sock`, "dev0", "0"]);
  });
});
