/**
 * What is true of a whole process, such as the number of its open fds: run by `runAlone` in a Deno of
 * its own.
 *
 * @module
 */
import { closeAll, Fd } from "../../ffi/fd.ts";
import { startTap } from "../../lib/tap/tap.ts";
import {
  EMPTY,
  encodeMessage,
  frontEndReply,
  frontEndRequest,
  type Message,
  u64,
  vringFd,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys } from "./host.ts";
import { connectPeer, type Peer, peerListener } from "./vhost_peer.ts";
import { inFolder, until } from "./vhost_tapped.ts";

/** What a run of hostile connections gave. */
export interface HostileResult {
  readonly connections: number;
  /** Open fds before and after, the tap still running. */
  readonly fdsBefore: number;
  readonly fdsAfter: number;
  /** How many connections ended for each reason, as the tap recorded it. */
  readonly reasons: Record<string, number>;
  /** The back-end never got a byte of a refused message. */
  readonly leaked: number;
  /** A sound conversation still works afterwards. */
  readonly works: boolean;
}

function openFds(): number {
  return sys.readdir("/proc/self/fd").length;
}

const region = (fields: Record<string, bigint>) => ({
  guestAddress: 0n,
  size: 0x1000n,
  userAddress: 0n,
  mmapOffset: 0n,
  xen: null,
  ...fields,
});

const table = (...regions: ReturnType<typeof region>[]) =>
  frontEndRequest("SET_MEM_TABLE", { kind: "memory-table", padding: 0, regions });

/** A way to be hostile: bytes, and what fds go along. */
interface Attack {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
  /** Leaves in the middle instead of being refused. */
  readonly leaves?: boolean;
}

function attacks(memory: number, event: number, socket: number): Attack[] {
  const send = (name: string, message: Message, ...fds: number[]): Attack => ({
    name,
    bytes: encodeMessage(message),
    fds,
  });
  const header = (...words: number[]) => new Uint8Array(Uint32Array.from(words).buffer);
  const wrap = (1n << 64n) - 0x800n;
  return [
    { name: "version", bytes: header(1, 2, 0), fds: [event] },
    { name: "size", bytes: header(2, 1, 0x7fff_ffff), fds: [memory, event] },
    { name: "short", bytes: new Uint8Array([...header(2, 1, 4), 1, 2, 3, 4]), fds: [memory] },
    {
      name: "count",
      bytes: new Uint8Array([...header(5, 1, 8), 255, 255, 255, 255, 0, 0, 0, 0]),
      fds: [memory],
    },
    send("overlap", table(region({}), region({ userAddress: 0x8000n })), memory, memory),
    send("wrap", table(region({ guestAddress: wrap })), memory),
    send("offset", table(region({ mmapOffset: 0x100_0000n })), memory),
    send("kind", table(region({})), event),
    send("socket", table(region({})), socket),
    send("missing", table(region({}))),
    send("kick", frontEndRequest("SET_VRING_KICK", vringFd(0)), memory),
    send("req", frontEndRequest("SET_BACKEND_REQ_FD", EMPTY), memory),
    send("ring", frontEndRequest("SET_VRING_NUM", vringState(7000, 4)), event),
    send("answer", frontEndReply("GET_FEATURES", u64(0)), event),
    { name: "33 fds", bytes: header(2, 1, 8), fds: Array.from({ length: 33 }, () => event) },
    { name: "half", bytes: header(2, 1, 8).subarray(0, 7), fds: [memory, event], leaves: true },
    {
      name: "half payload",
      bytes: new Uint8Array([...header(2, 1, 8), 1]),
      fds: [memory],
      leaves: true,
    },
    { name: "nothing", bytes: new Uint8Array(0), fds: [], leaves: true },
  ];
}

/** Runs `count` hostile connections through a tap, one after the other. */
export async function hostileConnections(count: number): Promise<HostileResult> {
  let result: HostileResult | null = null;
  await inFolder(async (folder) => {
    const reasons: Record<string, number> = {};
    using back = peerListener(`${folder}/back.sock`);
    await using tap = startTap({
      sys,
      listen: `${folder}/tap.sock`,
      connect: back.path,
      record: ({ event, reason }) => {
        if (event === "close") reasons[String(reason)] = (reasons[String(reason)] ?? 0) + 1;
      },
    });
    using memory = new Fd(sys, sys.memfd("hostile", 0));
    sys.ftruncate(memory.number, 0x10000);
    using event = new Fd(sys, sys.eventfd(0, 0x800));
    const [near, far] = sys.socketpair();
    const list = attacks(memory.number, event.number, near);
    let leaked = 0;
    const one = async (attack: Attack) => {
      using attacker = connectPeer(tap.socket);
      using victim = await back.accept();
      if (attack.bytes.length > 0) await attacker.sendBytes(attack.bytes, attack.fds);
      if (attack.leaves) attacker.close();
      for (let got = await victim.receive(); got !== null; got = await victim.receive()) {
        leaked++;
        closeAll(sys, got.fds);
      }
      if (!attack.leaves) await attacker.gone();
    };
    for (const attack of list) await one(attack);
    await until(() => tap.connections.length === 0, "all closed");
    const fdsBefore = openFds();
    for (let i = 0; i < count; i++) await one(list[i % list.length]);
    await until(() => tap.connections.length === 0, "all closed");
    const fdsAfter = openFds();
    const works = await sound(tap.socket, back.accept);
    closeAll(sys, [near, far]);
    result = { connections: count, fdsBefore, fdsAfter, reasons, leaked, works };
  });
  return result as unknown as HostileResult;
}

async function sound(socket: string, accept: () => Promise<Peer>): Promise<boolean> {
  using frontEnd = connectPeer(socket);
  using backEnd = await accept();
  await frontEnd.send(frontEndRequest("GET_FEATURES", EMPTY));
  const asked = await backEnd.receive();
  await backEnd.send(frontEndReply("GET_FEATURES", u64(1)));
  return asked !== null && (await frontEnd.receive())?.message.name === "GET_FEATURES";
}
