/** A peer that breaks the protocol: closed with a reason, nothing passed on, nothing left open. */
import { assert, assertEquals } from "@std/assert";
import { EFD_NONBLOCK } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { TapOptions } from "../../lib/tap/tap.ts";
import {
  EMPTY,
  encodeMessage,
  frontEndReply,
  frontEndRequest,
  u64,
  vringFd,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys } from "../support/host.ts";
import type { HostileResult } from "../support/vhost_alone.ts";
import { peer } from "../support/vhost_peer.ts";
import { passes, type Tapped, tapped, until } from "../support/vhost_tapped.ts";

/** In a Deno of its own: fds are counted. */
async function alone<T>(call: string): Promise<T> {
  const module = new URL("../support/vhost_alone.ts", import.meta.url);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const code = `import * as all from "${module}"; console.log(JSON.stringify(await all.${call}));`;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", `--config=${config}`, "--no-lock", code],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)) as T;
}

Deno.test("1,000 hostile connections: each closed with its reason, and no fd leaks", async () => {
  const result = await alone<HostileResult>("hostileConnections(1000)");
  // Deno itself opens a pair of sockets some time after its start. A leak would be 50 or more: each
  // of the attacks comes that often.
  assert(result.fdsAfter <= result.fdsBefore + 2, JSON.stringify(result));
  assertEquals(result.leaked, 0);
  assert(result.works);
  const reasons = Object.keys(result.reasons).join("\n");
  for (
    const reason of [
      "version 1, got version 2",
      "at most 16384 bytes",
      "wanted 8 bytes (u64), got 4 bytes",
      "at most 512 regions",
      "guest addresses: wanted regions that do not overlap",
      "an end within 2^64",
      "a file of 0x1001000 bytes, got 0x10000 bytes",
      "got an eventfd or the like",
      "got a socket",
      "wanted 1 fds, got 0",
      "SET_VRING_KICK: wanted an eventfd or the like or a pipe or a socket, got a file",
      "SET_BACKEND_REQ_FD: wanted a socket, got a file",
      "ring index",
      "a request, got an answer to GET_FEATURES",
      "fds that were lost on the way",
      "closed in the middle of a message",
      "closed",
    ]
  ) assert(reasons.includes(reason), `${reason} is not among\n${reasons}`);
});

const REASONS = {
  "back-end": [
    "version 1, got version 2",
    "at most 16384 bytes",
    "reply to GET_FEATURES: wanted 8 bytes (u64), got 4 bytes",
    "SET_MEM_TABLE: wanted it from the other side",
    "at most 32 fds",
    "closed in the middle of a message",
    "closed",
  ],
  channel: [
    "version 1, got version 2",
    "at most 16384 bytes",
    "BACKEND_SHMEM_MAP: wanted 1 to 32 fds, got 0",
    "BACKEND_SHMEM_MAP: wanted an end within 2^64",
    "answer to BACKEND_CONFIG_CHANGE_MSG: wanted it from the other side",
    "BACKEND_VRING_CALL: wanted a ring index of 0 to 255, got 7000",
    "at most 32 fds",
  ],
};

for (const attacker of ["back-end", "channel"] as const) {
  Deno.test(`1,000 hostile connections, by the ${attacker}: no fd leaks`, async () => {
    const result = await alone<HostileResult>(`hostileConnections(1000, "${attacker}")`);
    assert(result.fdsAfter <= result.fdsBefore + 2, JSON.stringify(result));
    assertEquals([result.leaked, result.works], [0, true], JSON.stringify(result.reasons));
    const reasons = Object.keys(result.reasons).join("\n");
    for (const reason of REASONS[attacker]) {
      assert(reasons.includes(reason), `${reason} is not among\n${reasons}`);
    }
  });
}

/** A tap that notes why its connections end. */
async function ending(
  run: (all: Tapped) => Promise<void>,
  options: Partial<TapOptions> = {},
): Promise<{ by: unknown; reason: string; hostile: unknown }> {
  const ends: Record<string, unknown>[] = [];
  const record = (entry: Record<string, unknown>) => entry.event === "close" && ends.push(entry);
  await tapped(async (all) => {
    await run(all);
    await until(() => ends.length > 0, "an end");
  }, { ...options, record });
  const [{ by, reason, hostile }] = ends;
  return { by, reason: String(reason), hostile };
}

Deno.test("a message that stops in the middle is given up, a silent peer is not", async () => {
  const end = await ending(async ({ frontEnd, backEnd }) => {
    await new Promise((resolve) => setTimeout(resolve, 80));
    await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
    await frontEnd.sendBytes(
      encodeMessage(frontEndRequest("SET_FEATURES", u64(1))).subarray(0, 15),
    );
    assertEquals(await backEnd.receive(), null);
  }, { stallMs: 40 });
  assertEquals([end.by, end.hostile], ["front-end", true]);
  assert(end.reason.includes("its rest within 40 ms"), end.reason);
});

Deno.test("a message that comes a byte at a time is given up in the same time", async () => {
  let dripped = 0;
  const end = await ending(async ({ frontEnd, backEnd }) => {
    await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
    const long = new Uint8Array(Uint32Array.of(99, 1, 4096).buffer);
    const bytes = new Uint8Array(long.length + 200);
    bytes.set(long);
    try {
      for (; dripped < bytes.length; dripped++) {
        await frontEnd.sendBytes(bytes.subarray(dripped, dripped + 1));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } catch (error) {
      assert(/EPIPE|ECONNRESET/.test(String(error)), String(error));
    }
  }, { stallMs: 400 });
  assertEquals([end.by, end.hostile], ["front-end", true]);
  assert(end.reason.includes("its rest within 400 ms"), end.reason);
  assert(dripped < 200, `${dripped} bytes`);
});

Deno.test("a front-end that asks without end and never reads is closed", async () => {
  const end = await ending(async ({ frontEnd, backEnd }) => {
    const question = encodeMessage(frontEndRequest("GET_FEATURES", EMPTY));
    const flood = (async () => {
      try {
        while (true) await frontEnd.sendBytes(question);
      } catch (error) {
        assert(
          String(error).includes("EPIPE") || String(error).includes("ECONNRESET"),
          String(error),
        );
      }
    })();
    let asked = 0;
    while (await backEnd.receive() !== null) asked++;
    assertEquals(asked, 1024);
    await flood;
  });
  assertEquals([end.by, end.hostile], ["front-end", true]);
  assert(end.reason.includes("1024 requests without reading"), end.reason);
});

Deno.test("a back-end that floods is closed, too: requests have no business on that channel", async () => {
  const end = await ending(async ({ frontEnd, backEnd }) => {
    await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
    await passes(backEnd, frontEnd, frontEndReply("GET_FEATURES", u64(1)));
    await backEnd.send(frontEndRequest("GET_FEATURES", EMPTY));
    assertEquals(await frontEnd.receive(), null);
  });
  assertEquals([end.by, end.hostile], ["back-end", true]);
});

Deno.test("garbage on the back-end's own channel ends the connection", async () => {
  const end = await ending(async ({ frontEnd, backEnd }) => {
    const [ours, theirs] = sys.socketpair();
    using _side = peer(ours, "back-end");
    await frontEnd.send(frontEndRequest("SET_BACKEND_REQ_FD", EMPTY), [theirs]);
    sys.close(theirs);
    using backEndSide = peer((await backEnd.receive())?.fds[0] as number, "back-end");
    await backEndSide.sendBytes(new Uint8Array(12));
    assertEquals(await frontEnd.receive(), null);
  });
  assertEquals([end.by, end.hostile], ["back-end", true]);
});

Deno.test("a side that does not read stops the other, fills no memory, and catches up", async () => {
  await tapped(async ({ frontEnd, backEnd, tap }) => {
    using event = new Fd(sys, sys.eventfd(0, EFD_NONBLOCK));
    const bytes = encodeMessage(frontEndRequest("SET_VRING_CALL", vringFd(0)));
    // Sent until both sockets are full: the tap must have stopped reading.
    let sent = 0;
    for (let idle = 0; idle < 20;) {
      const length = sys.sendmsg(frontEnd.fd, bytes, sent % 64 === 0 ? [event.number] : []);
      if (length === bytes.length) {
        sent++;
        idle = 0;
      } else {
        assertEquals(length, null);
        idle++;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    assert(sent > 100, `${sent} sent`);
    assertEquals(tap.connections[0].end, null);
    // The other way is not stopped by that.
    await backEnd.send(frontEndReply("SET_FEATURES", u64(0)));
    assertEquals((await frontEnd.receive())?.message.name, "SET_FEATURES");
    // What was said before leaving still arrives.
    frontEnd.close();
    for (let i = 0; i < sent; i++) {
      const arrival = await backEnd.receive();
      assertEquals(arrival?.frame.bytes, bytes);
      assertEquals(arrival?.fds.length, i % 64 === 0 ? 1 : 0);
      arrival?.fds.forEach((fd) => sys.close(fd));
    }
    assertEquals(await backEnd.receive(), null);
  });
});
