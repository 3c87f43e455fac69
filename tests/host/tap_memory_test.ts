/** A tap in a process of its own: how much memory and how many fds it holds while much passes. */
import { assert } from "@std/assert";
import { closeAll, Fd } from "../../ffi/fd.ts";
import {
  EMPTY,
  frontEndReply,
  frontEndRequest,
  type Message,
  u64,
  vringFd,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { startChild, sys } from "../support/host.ts";
import { connectPeer, type Peer, peerListener } from "../support/vhost_peer.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

const REGION = { guestAddress: 0n, size: 0x1000n, userAddress: 0n, mmapOffset: 0n, xen: null };

/** The young heap of V8 grows to 48 MiB under load; the command line is started with this, too. */
const FLAGS = ["--v8-flags=--max-semi-space-size=2"];

function tapCode(listen: string, connect: string): string {
  const tap = new URL("../../lib/tap/tap.ts", import.meta.url);
  const ffi = new URL("../../ffi/sys.ts", import.meta.url);
  const paths = JSON.stringify({ listen, connect });
  return `import { startTap } from "${tap}"; import { openSys } from "${ffi}";
    const tap = startTap({ sys: openSys(), ...${paths} }); console.log("ready");
    for await (const _ of Deno.stdin.readable); await tap.close();`;
}

/** Resident bytes of anonymous memory, without the pages of Deno itself, and the number of fds. */
function measure(pid: number): { resident: number; total: number; fds: number } {
  const status = sys.readText(`/proc/${pid}/status`);
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s*([0-9]+)`, "m").exec(status)?.[1]);
  const fds = sys.readdir(`/proc/${pid}/fd`).length;
  return { resident: kib("RssAnon") << 10, total: kib("VmRSS") << 10, fds };
}

/** Rounds in flight at a time. */
const WINDOW = 32;

/** Rounds of six messages: two eventfds, a memory table, a number, a question with its answer. */
async function rounds(front: Peer, back: Peer, event: number, memory: number): Promise<number> {
  const table = { kind: "memory-table" as const, padding: 0, regions: [REGION] };
  const plan: [Message, number[]][] = [
    [frontEndRequest("SET_VRING_KICK", vringFd(0)), [event]],
    [frontEndRequest("SET_VRING_CALL", vringFd(0)), [event]],
    [frontEndRequest("SET_VRING_NUM", vringState(0, 256)), []],
    [frontEndRequest("SET_MEM_TABLE", table), [memory]],
    [frontEndRequest("GET_FEATURES", EMPTY), []],
  ];
  const all = Array.from({ length: WINDOW }, () => plan).flat();
  for (const [message, fds] of all) await front.send(message, fds);
  for (const _ of all) closeAll(sys, (await back.receive())?.fds ?? []);
  for (let i = 0; i < WINDOW; i++) await back.send(frontEndReply("GET_FEATURES", u64(1)));
  for (let i = 0; i < WINDOW; i++) await front.receive();
  return all.length + WINDOW;
}

Deno.test("a tap stays below 100 MiB and flat over 100,000 messages", async () => {
  await inFolder(async (folder) => {
    using backEnds = peerListener(`${folder}/back.sock`);
    const socket = `${folder}/tap.sock`;
    await using tap = await startChild(tapCode(socket, backEnds.path), FLAGS);
    await until(() => tap.line === "ready", "the tap");
    using frontEnd = connectPeer(socket);
    using backEnd = await backEnds.accept();
    using event = new Fd(sys, sys.eventfd(0, 0));
    using memory = new Fd(sys, sys.memfd("long", 0));
    sys.ftruncate(memory.number, 0x1000);
    let sent = 0;
    const upTo = async (count: number) => {
      while (sent < count) sent += await rounds(frontEnd, backEnd, event.number, memory.number);
      return measure(tap.pid);
    };
    const early = await upTo(20_000);
    const late = await upTo(100_000);
    const told = JSON.stringify({ early, late });
    // Measured between two messages: the last eventfds may or may not be closed by then.
    assert(Math.abs(late.fds - early.fds) <= 4, told);
    assert(late.total < 100 << 20, told);
    assert(late.resident - early.resident < 8 << 20, told);
  });
});
