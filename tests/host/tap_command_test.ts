/** `guestmem tap` as a user runs it, between our own front-end and back-end. */
import { assert, assertEquals } from "@std/assert";
import { closeAll } from "../../ffi/fd.ts";
import {
  decodeHeader,
  decodeMessage,
  EMPTY,
  encodeMessage,
  frontEndReply,
  frontEndRequest,
  u64,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { guestmem, startGuestmem } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import { startSink } from "../../lib/tap/sink.ts";
import { frontEnd } from "../support/vhost_front_end.ts";
import { connectPeer, peerListener } from "../support/vhost_peer.ts";
import { inFolder } from "../support/vhost_tapped.ts";

Deno.test("tap relays, is a target for the other verbs, and cleans up at Ctrl-C", async () => {
  await inFolder(async (folder) => {
    const socket = `${folder}/tap.sock`;
    await using sink = startSink({ sys, listen: `${folder}/back.sock` });
    const tap = startGuestmem(["tap", socket, sink.socket]);
    try {
      await tap.line(/^tapping /);
      using peer = connectPeer(socket);
      using guest = await frontEnd(peer);
      guest.add(0);
      assert((await tap.line(/rings at/)).endsWith(`vhost:${socket}/dev0`));
      const ring = await guestmem(["dump", "ring", `vhost:${socket}/dev0:0`, "--json"]);
      assertEquals(ring.code, 0, ring.err);
      assertEquals(JSON.parse(ring.out).inFlight, 1);
      const kick = await guestmem(["kick", `vhost:${socket}/dev0:0`]);
      assertEquals(kick.code, 0, kick.err);
      assertEquals(sys.drain(guest.kicks[0].number), 1n);
      const table = await guestmem(["dump", "table", `vhost:${socket}`]);
      assert(table.out.includes("0x7f1234560000"), table.out);
    } finally {
      const { code, out } = await tap.end("SIGINT");
      assertEquals(code, 130);
      assert(out.includes("connection 1: closed"), out);
    }
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["back.sock"]);
  });
});

Deno.test("--log records what passes, mode 0600, one JSON object a line", async () => {
  await inFolder(async (folder) => {
    const [socket, log] = [`${folder}/tap.sock`, `${folder}/log.ndjson`];
    using backEnds = peerListener(`${folder}/back.sock`);
    const tap = startGuestmem(["tap", socket, backEnds.path, "--log", log, "--json"]);
    try {
      while (!sysHas(socket)) await new Promise((resolve) => setTimeout(resolve, 10));
      using frontEnd = connectPeer(socket);
      using backEnd = await backEnds.accept();
      await frontEnd.send(frontEndRequest("GET_FEATURES", EMPTY));
      closeAll(sys, (await backEnd.receive())?.fds ?? []);
      await backEnd.send(frontEndReply("GET_FEATURES", u64(0xabcdn)));
      await frontEnd.receive();
      await frontEnd.sendBytes(new Uint8Array(12));
      await frontEnd.gone();
      const close = JSON.parse(await tap.line(/"close"/));
      assertEquals([close.by, close.hostile, close.messages], ["front-end", true, 2]);
    } finally {
      await tap.end("SIGINT");
    }
    assertEquals(sys.stat(log).mode & 0o777, 0o600);
    const records = (await Deno.readTextFile(log)).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    assertEquals(records.map(({ schema }) => schema), records.map(() => "guestmem/tap/1"));
    assertEquals(records.map(({ event, name }) => event ?? name), [
      "connect",
      "GET_FEATURES",
      "GET_FEATURES",
      "close",
    ]);
    const reply = records[2];
    assertEquals([reply.from, reply.reply, reply.payload.value], ["back-end", true, "0xabcd"]);
    const bytes = Uint8Array.fromHex(reply.bytes);
    const message = decodeMessage("front-end", decodeHeader(bytes), bytes.subarray(12));
    assertEquals(encodeMessage(message), bytes);
  });
});

function sysHas(path: string): boolean {
  try {
    return sys.stat(path).mode > 0;
  } catch {
    return false;
  }
}

Deno.test("a path that is taken and a bad option are told with their exit codes", async () => {
  await inFolder(async (folder) => {
    using others = peerListener(`${folder}/other.sock`);
    const taken = await guestmem(["tap", others.path, "/none"]);
    assertEquals(taken.code, 1);
    assert(taken.err.includes("somebody listens"), taken.err);
    assertEquals((await guestmem(["tap", `${folder}/x`])).code, 2);
    assertEquals((await guestmem(["tap", `${folder}/x`, "/none", "--wait", "5"])).code, 2);
    assertEquals((await guestmem(["tap", `${folder}/x`, "/none", "--allow-uid", "me"])).code, 2);
    const log = await guestmem(["tap", `${folder}/x`, "/none", "--log", `${folder}/none/log`]);
    assertEquals(log.code, 1);
    assert(log.err.includes("remedy: check the path"), log.err);
    const held = await guestmem(["tap", "x", "/none", "--session", "s", "--wait", "1s"]);
    assertEquals(held.code, 2);
  });
});
