/** What the host refuses a tap or a sink, and what no peer would send: neither takes them down. */
import { assert, assertEquals } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { startSink } from "../../lib/tap/sink.ts";
import { startTap } from "../../lib/tap/tap.ts";
import {
  EMPTY,
  encodeHeader,
  frontEndReply,
  frontEndRequest,
  u64,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys } from "../support/host.ts";
import { connectPeer, peer, peerListener } from "../support/vhost_peer.ts";
import { inFolder, passes, tapped, until } from "../support/vhost_tapped.ts";

/** The real calls, of which one fails as often as `times` says. */
function failing(call: keyof Sys, errno: string, times: number): Sys {
  let left = times;
  const real = sys[call] as (...args: unknown[]) => unknown;
  const fake = (...args: unknown[]) => {
    if (left-- > 0) throw new SyscallError(call, errno, "test");
    return real(...args);
  };
  return { ...sys, [call]: fake };
}

Deno.test("a tap that can not publish still relays, and says so", async () => {
  const problems: string[] = [];
  await tapped(async ({ frontEnd, backEnd, tap }) => {
    await passes(frontEnd, backEnd, frontEndRequest("SET_FEATURES", u64(5)));
    await passes(backEnd, frontEnd, frontEndReply("SET_FEATURES", u64(0)));
    assertEquals(tap.connections[0].state.features, 5n);
  }, {
    sys: failing("memfd", "EMFILE", Infinity),
    event: ({ kind, text }) => kind === "problem" && problems.push(text),
  });
  assert(
    problems.length >= 2 && problems.every((text) => text.includes("EMFILE")),
    problems.join(),
  );
});

Deno.test("no fd for the back-end's own channel: the connection ends with that reason", async () => {
  const ends: string[] = [];
  await tapped(async ({ frontEnd, backEnd }) => {
    const [ours, theirs] = sys.socketpair();
    using _ours = peer(ours, "back-end");
    await frontEnd.send(frontEndRequest("SET_BACKEND_REQ_FD", EMPTY), [theirs]);
    sys.close(theirs);
    assertEquals(await backEnd.receive(), null);
    await frontEnd.gone();
  }, {
    sys: failing("socketpair", "EMFILE", 1),
    event: ({ kind, text }) => kind === "close" && ends.push(text),
  });
  assertEquals(ends.length, 1);
  assert(ends[0].includes("EMFILE"), ends[0]);
});

Deno.test("fds that were lost on the way end the connection: nothing is passed without them", async () => {
  const lossy = { ...sys };
  lossy.recvmsg = (fd, target, maxFds) => {
    const got = sys.recvmsg(fd, target, maxFds);
    return got === null ? null : { ...got, truncated: got.fds.length > 0 };
  };
  const ends: string[] = [];
  await tapped(async ({ frontEnd, backEnd }) => {
    using event = new Fd(sys, sys.eventfd(0, 0));
    await frontEnd.send(frontEndRequest("SET_LOG_FD", EMPTY), [event.number]);
    assertEquals(await backEnd.receive(), null);
    await frontEnd.gone();
  }, { sys: lossy, event: ({ kind, text }) => kind === "close" && ends.push(text) });
  assert(ends[0].includes("ulimit -n"), ends[0]);
});

Deno.test("accept that fails rests a moment, and then goes on", async () => {
  await inFolder(async (folder) => {
    using backEnds = peerListener(`${folder}/back.sock`);
    const events: string[] = [];
    await using tap = startTap({
      sys: failing("accept", "EMFILE", 2),
      listen: `${folder}/tap.sock`,
      connect: backEnds.path,
      event: ({ text }) => events.push(text),
    });
    using frontEnd = connectPeer(tap.socket);
    using backEnd = await backEnds.accept();
    await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
    assertEquals(events.filter((text) => text.includes("EMFILE")).length, 2);
  });
});

/** Numbers that look random and are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

Deno.test("random conversations: a sink answers or closes, and lives", async () => {
  await inFolder(async (folder) => {
    const ends: string[] = [];
    const log = (line: string) => void (line.includes("connected") || ends.push(line));
    await using sink = startSink({ sys, listen: `${folder}/sink.sock`, log });
    using memory = new Fd(sys, sys.memfd("guestmem-random", 0));
    sys.ftruncate(memory.number, 0x10000);
    using event = new Fd(sys, sys.eventfd(0, 0));
    for (let seed = 1; seed <= 200; seed++) {
      const next = numbers(seed);
      await until(() => ends.length === seed - 1, "the end of the one before");
      using frontEnd = connectPeer(sink.socket);
      try {
        for (let count = 0; count < 12; count++) {
          const size = next(4) === 0 ? next(120) : [0, 8, 40, 48, 16][next(5)];
          const payload = Uint8Array.from(
            { length: size },
            () => (next(3) === 0 ? next(256) : next(2)),
          );
          const header = encodeHeader({ request: next(48), flags: next(2) ? 1 : 9, size });
          const fds = Array.from({ length: next(3) }, () => (next(2) ? memory : event).number);
          await frontEnd.sendBytes(new Uint8Array([...header, ...payload]), fds);
        }
      } catch (error) {
        // It was closed while we still talked.
        assert(/EPIPE|ECONNRESET/.test(String(error)), String(error));
      }
    }
    await until(() => ends.length === 200, "the end of the last");
    const refused = ends.filter((line) => line.includes("wanted")).length;
    assert(refused > 50, `${refused} refused`);
    using frontEnd = connectPeer(sink.socket);
    const answer = await frontEnd.ask(frontEndRequest("GET_FEATURES", EMPTY));
    assertEquals(answer.message.name, "GET_FEATURES");
  });
});
