/** `serveVhostUser` against front-ends that come and go, and against hostile ones. */
import { assert, assertEquals } from "@std/assert";
import { O_CREAT, O_PATH, O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import {
  EMPTY,
  frontEndRequest,
  type Message,
  payloadAs,
  PROTOCOL_FEATURE,
  u64,
  vringFd,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { serveVhostUser, type VhostUserBackEnd } from "../../lib/vhost_user/backend.ts";
import { readFrom, writeTo } from "../../lib/ring/device_queue.ts";
import { holdings, sys, uniqueName } from "../support/host.ts";
import {
  areasOf,
  frontEnd,
  MEMORY_SIZE,
  RING_SIZE,
  USER_BASE,
} from "../support/vhost_front_end.ts";
import { connectPeer, type Peer } from "../support/vhost_peer.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

interface Served {
  readonly backEnd: VhostUserBackEnd;
  readonly lines: string[];
  /** Readable bytes of each request served. */
  readonly requests: number[];
}

/** A device that answers every request with 0x5a bytes. */
function served(run: (all: Served) => Promise<void>, throws: Error | null = null): Promise<void> {
  return inFolder(async (folder) => {
    const lines: string[] = [];
    const requests: number[] = [];
    await using backEnd = serveVhostUser({
      sys,
      path: `${folder}/device.sock`,
      queues: 2,
      config: Uint8Array.of(1, 2, 3, 4),
      log: (line) => lines.push(line),
      onQueue({ memory, take, giveBack }) {
        for (let buffer = take(); buffer !== null; buffer = take()) {
          if (throws !== null) throw throws;
          requests.push(readFrom(memory, buffer, 0, new Uint8Array(buffer.readable)));
          giveBack(buffer, writeTo(memory, buffer, 0, new Uint8Array(buffer.writable).fill(0x5a)));
        }
      },
    });
    await run({ backEnd, lines, requests });
  });
}

function usedIndex(memory: { liveWritable(): ArrayBufferLike | null }, queue: number): number {
  const view = new DataView(memory.liveWritable() as ArrayBuffer);
  return view.getUint16(Number(areasOf(queue).used) + 2, true);
}

Deno.test("requests of two queues are served and called; base tells where each stands", async () => {
  await served(async ({ backEnd, requests }) => {
    using peer = connectPeer(backEnd.path);
    using guest = await frontEnd(peer, { queues: 2 });
    for (let n = 1; n <= 12; n++) {
      guest.add(1);
      sys.signal(guest.kicks[1].number);
      await until(() => usedIndex(guest.memory, 1) === n, `request ${n} is used`);
    }
    assertEquals(requests, Array(12).fill(16));
    assertEquals(new Uint8Array(guest.memory.liveWritable() as ArrayBuffer)[0x21000 + 511], 0x5a);
    assert(sys.drain(guest.calls[1].number) >= 1n);
    assertEquals(sys.drain(guest.calls[0].number), 0n);
    for (const [queue, base] of [[0, 0], [1, 12]]) {
      const { message } = await peer.ask(frontEndRequest("GET_VRING_BASE", vringState(queue, 0)));
      assertEquals(payloadAs(message, "vring-state").num, base);
    }
    // Stopped: a kick does nothing any more.
    guest.add(1);
    sys.signal(guest.kicks[1].number);
    await peer.ask(frontEndRequest("GET_FEATURES", EMPTY));
    assertEquals(usedIndex(guest.memory, 1), 12);
  });
});

Deno.test("memory sent again while a ring runs: it goes on where it was", async () => {
  await served(async ({ backEnd, requests }) => {
    using peer = connectPeer(backEnd.path);
    using guest = await frontEnd(peer);
    for (let n = 1; n <= 6; n++) {
      if (n % 2 === 0) await guest.sendMemory();
      guest.add(0);
      sys.signal(guest.kicks[0].number);
      await until(() => usedIndex(guest.memory, 0) === n, `request ${n} is used`);
      assertEquals(requests.length, n, "none is served again");
    }
  });
});

Deno.test("fifty front-ends one after the other leave no fd and no mapping behind", async () => {
  await served(async ({ backEnd, lines }) => {
    // The test's own memory has this in its name, and so have the back-end's mappings of it.
    const own = () => holdings("vhost-again");
    for (let n = 0; n < 50; n++) {
      using peer = connectPeer(backEnd.path);
      using file = new Fd(sys, sys.memfd("vhost-again", 0));
      sys.ftruncate(file.number, MEMORY_SIZE);
      await peer.send(frontEndRequest("SET_PROTOCOL_FEATURES", u64(PROTOCOL_FEATURE.REPLY_ACK)));
      const { message } = await peer.ask(table({}, true), [file.number]);
      assertEquals(payloadAs(message, "u64").value, 0n);
      assertEquals(own().maps, 1);
      peer.close();
      await until(() => backEnd.frontEnd === null, "it left");
    }
    assertEquals(own(), { fds: 0, maps: 0 });
    assertEquals(lines.filter((line) => line.endsWith(": closed")).length, 50);
  });
});

Deno.test("memory and eventfds that a front-end replaces are closed", async () => {
  await served(async ({ backEnd }) => {
    using peer = connectPeer(backEnd.path);
    const name = uniqueName();
    using file = new Fd(sys, sys.memfd(name, 0));
    sys.ftruncate(file.number, MEMORY_SIZE);
    const [near, far] = sys.socketpair();
    await peer.send(frontEndRequest("SET_PROTOCOL_FEATURES", u64(PROTOCOL_FEATURE.REPLY_ACK)));
    const own: number[] = [];
    for (let round = 0; round < 10; round++) {
      const { message } = await peer.ask(table({}, true), [file.number]);
      assertEquals(payloadAs(message, "u64").value, 0n);
      await peer.send(frontEndRequest("SET_VRING_CALL", vringFd(0)), [far]);
      await peer.ask(frontEndRequest("GET_FEATURES", EMPTY));
      const link = sys.readlink(`/proc/self/fd/${far}`);
      own.push(holdings(name).fds + holdings(link).fds);
    }
    assertEquals(own, Array(10).fill(own[0]));
    closeAll(sys, [near, far]);
  });
});

function table(fields: Record<string, bigint>, needReply = false): Message {
  const size = BigInt(MEMORY_SIZE);
  const region = {
    guestAddress: 0n,
    size,
    userAddress: USER_BASE,
    mmapOffset: 0n,
    xen: null,
    ...fields,
  };
  return frontEndRequest(
    "SET_MEM_TABLE",
    { kind: "memory-table", padding: 0, regions: [region] },
    { needReply },
  );
}

Deno.test("hostile sizes and features: closed with a reason, and the next one is served", async () => {
  await served(async ({ backEnd, lines }) => {
    using file = new Fd(sys, sys.memfd(uniqueName(), 0));
    sys.ftruncate(file.number, 2 ** 52);
    const attacks: [Message, number[], string][] = [
      [table({ size: 1n << 51n }), [file.number], "an end of at most 0x10000000000"],
      [table({ size: 1n << 60n }), [file.number], "a file of 0x1000000000000000 bytes"],
      [table({ size: 0n }), [file.number], "size"],
      [table({ guestAddress: (1n << 64n) - 0x1000n }), [file.number], "2^64"],
      [table({ mmapOffset: 1n << 50n }), [file.number], "an end of at most"],
      [frontEndRequest("SET_FEATURES", u64(1n << 26n)), [], "features that were offered"],
      [frontEndRequest("SET_PROTOCOL_FEATURES", u64(1n << 5n)), [], "features that were offered"],
      [frontEndRequest("SET_VRING_NUM", vringState(2, 8)), [], "a queue below 2"],
    ];
    for (const [message, fds, reason] of attacks) {
      lines.length = 0;
      using peer = connectPeer(backEnd.path);
      await peer.send(message, fds);
      await peer.gone();
      await until(() => backEnd.frontEnd === null, "it left");
      assert(lines.some((line) => line.includes(reason)), `${reason}: ${lines.join("\n")}`);
    }
    await works(backEnd);
  });
});

Deno.test("rings that break the rules stop alone, with a reason, and a bad buffer does not stop them", async () => {
  await served(async ({ backEnd, lines, requests }) => {
    using peer = connectPeer(backEnd.path);
    using guest = await frontEnd(peer, { queues: 2 });
    const view = new DataView(guest.memory.liveWritable() as ArrayBuffer);
    // Queue 0: more available than the ring has entries.
    view.setUint16(Number(areasOf(0).avail) + 2, 5000, true);
    sys.signal(guest.kicks[0].number);
    await until(() => lines.some((line) => line.startsWith("queue 0 is stopped: ")), "it stopped");
    // Queue 1: a buffer outside of memory is given back unserved, and the ring goes on.
    guest.add(1);
    view.setBigUint64(Number(areasOf(1).desc), 0x7fff_0000n, true);
    sys.signal(guest.kicks[1].number);
    await until(() => usedIndex(guest.memory, 1) === 1, "given back");
    assertEquals(requests, []);
    assert(lines.some((line) => line.includes("address-outside-memory")), lines.join("\n"));
    guest.add(1);
    sys.signal(guest.kicks[1].number);
    await until(() => usedIndex(guest.memory, 1) === 2, "the next is served");
    assertEquals(requests, [16]);
  });
});

/** inotify(7): without a type as an eventfd is, ready, and reading 8 bytes of it is EINVAL. */
function readyButUnreadable(): Fd {
  const c = Deno.dlopen("libc.so.6", {
    inotify_init1: { parameters: ["i32"], result: "i32" },
    inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  });
  const fd = new Fd(sys, c.symbols.inotify_init1(0));
  const path = Deno.makeTempFileSync();
  const IN_ATTRIB = 4;
  c.symbols.inotify_add_watch(fd.number, new TextEncoder().encode(path + "\0"), IN_ATTRIB);
  Deno.chmodSync(path, 0o600);
  Deno.removeSync(path);
  c.close();
  return fd;
}

Deno.test("a kick fd that is closed or can not be read stops its queue alone", async () => {
  await served(async ({ backEnd, lines }) => {
    using peer = connectPeer(backEnd.path);
    using guest = await frontEnd(peer, { queues: 2 });
    const attacks: [unread: boolean, reason: string][] = [
      [false, "its kick fd is closed"],
      // What its other end has not read when it closes makes that a reset.
      [true, "its kick fd"],
    ];
    for (const [unread, reason] of attacks) {
      lines.length = 0;
      const [kick, other] = sys.socketpair();
      sys.sendmsg(kick, new Uint8Array(1), []);
      if (!unread) sys.recvmsg(other, new Uint8Array(1), 0);
      sys.close(other);
      await peer.send(frontEndRequest("SET_VRING_KICK", vringFd(0)), [kick]);
      sys.close(kick);
      await until(() => lines.some((line) => line.includes(reason)), `${reason}: ${lines}`);
      assertEquals(lines.length, 1, lines.join("\n"));
    }
    lines.length = 0;
    using unreadable = readyButUnreadable();
    await peer.send(frontEndRequest("SET_VRING_KICK", vringFd(0)), [unreadable.number]);
    await until(() => lines.some((line) => line.includes("can not be read")), `${lines}`);
    assert(lines[0].includes("EINVAL"), lines[0]);
    guest.add(1);
    sys.signal(guest.kicks[1].number);
    await until(() => usedIndex(guest.memory, 1) === 1, "the other queue goes on");
  });
});

Deno.test("a region whose fd its front-end may not read and write is refused", async () => {
  await served(async ({ backEnd, lines }) => {
    const path = `/dev/shm/${uniqueName()}`;
    using undo = new DisposableStack();
    const open = (flags: number) => undo.use(new Fd(sys, sys.open(path, flags, 0o600)));
    sys.ftruncate(open(O_RDWR | O_CREAT).number, MEMORY_SIZE);
    undo.defer(() => sys.unlink(path));
    for (const [flags, reason] of [[O_PATH, "EBADF"], [O_RDONLY, "EACCES"]] as const) {
      using peer = connectPeer(backEnd.path);
      await peer.send(table({}), [open(flags).number]);
      await peer.gone();
      await until(() => backEnd.frontEnd === null, "it left");
      assert(lines.some((line) => line.includes(reason)), lines.join("\n"));
    }
    await works(backEnd);
  });
});

Deno.test("a driver that adds a request for each that is served gets a ring's worth a turn", async () => {
  await inFolder(async (folder) => {
    const turns: number[] = [];
    let add = () => {};
    await using backEnd = serveVhostUser({
      sys,
      path: `${folder}/device.sock`,
      onQueue({ take, giveBack }) {
        let taken = 0;
        for (let buffer = take(); buffer !== null; buffer = take()) {
          giveBack(buffer, 0);
          if (++taken < 100 && turns.length < 6) add();
        }
        turns.push(taken);
      },
    });
    using peer = connectPeer(backEnd.path);
    using guest = await frontEnd(peer);
    add = () => guest.add(0);
    guest.add(0);
    sys.signal(guest.kicks[0].number);
    await until(() => turns.length > 6, "an end");
    assertEquals(Math.max(...turns), RING_SIZE, `${turns}`);
  });
});

Deno.test("what onQueue throws is what done rejects with", async () => {
  await served(async ({ backEnd }) => {
    using peer = connectPeer(backEnd.path);
    using guest = await frontEnd(peer);
    guest.add(0);
    sys.signal(guest.kicks[0].number);
    const error = await backEnd.done.then(() => null, (error: Error) => error);
    assertEquals(error?.message, "the disk is gone");
  }, new Error("the disk is gone"));
});

async function works({ path }: VhostUserBackEnd): Promise<void> {
  using peer: Peer = connectPeer(path);
  using guest = await frontEnd(peer);
  guest.add(0);
  sys.signal(guest.kicks[0].number);
  await until(() => usedIndex(guest.memory, 0) === 1, "a sound front-end is served");
}
