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
  frontEndReply,
  frontEndRequest,
  u64,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys } from "./host.ts";
import {
  type Attack,
  backEndAttacks,
  channelAttacks,
  frontEndAttacks,
  setUp,
} from "./vhost_attacks.ts";
import { connectPeer, type Peer, peer, peerListener } from "./vhost_peer.ts";
import { inFolder, until } from "./vhost_tapped.ts";

/** What a run of hostile connections gave. */
export interface HostileResult {
  readonly connections: number;
  /** Open fds before and after, the tap still running. */
  readonly fdsBefore: number;
  readonly fdsAfter: number;
  /** How many connections ended for each reason, as the tap recorded it. */
  readonly reasons: Record<string, number>;
  /** Messages of an attack that reached its victim: the victim never got a byte of a refused message. */
  readonly leaked: number;
  /** A sound conversation still works afterwards. */
  readonly works: boolean;
}

function openFds(): number {
  return sys.readdir("/proc/self/fd").length;
}

/** Who is hostile: on the channel, the back-end with requests of its own. */
export type Attacker = "front-end" | "back-end" | "channel";

/** Both ends of a connection through the tap, and what may be sent with a message. */
interface Ends {
  readonly frontEnd: Peer;
  readonly backEnd: Peer;
  readonly memory: number;
  readonly event: number;
}

/** Runs `count` hostile connections through a tap, one after the other. */
export async function hostileConnections(
  count: number,
  attacker: Attacker = "front-end",
): Promise<HostileResult> {
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
    const fds = { memory: memory.number, event: event.number };
    const list = attacksOf(attacker, fds.memory, fds.event, near);
    let leaked = 0;
    const one = async (attack: Attack, held: boolean) => {
      using frontEnd = connectPeer(tap.socket);
      using backEnd = await back.accept();
      const ends = { frontEnd, backEnd, ...fds };
      if (held) await settle(ends);
      leaked += await attackOnce(attacker, ends, attack);
    };
    for (const attack of list) await one(attack, true);
    await until(() => tap.connections.length === 0, "all closed");
    const fdsBefore = openFds();
    for (let i = 0; i < count; i++) await one(list[i % list.length], i % 4 === 0);
    await until(() => tap.connections.length === 0, "all closed");
    const fdsAfter = openFds();
    const works = await sound(tap.socket, back.accept);
    closeAll(sys, [near, far]);
    result = { connections: count, fdsBefore, fdsAfter, reasons, leaked, works };
  });
  return result as unknown as HostileResult;
}

function attacksOf(attacker: Attacker, memory: number, event: number, socket: number): Attack[] {
  if (attacker === "front-end") return frontEndAttacks(memory, event, socket);
  return attacker === "back-end" ? backEndAttacks(memory, event) : channelAttacks(memory, event);
}

/** A conversation that is well so far: the tap holds memory and eventfds. */
async function settle({ frontEnd, backEnd, memory, event }: Ends): Promise<void> {
  for (const [message, fds] of setUp(memory, event)) {
    await frontEnd.send(message, fds);
    closeAll(sys, (await backEnd.receive())?.fds ?? []);
  }
}

/** Attacks, and waits until both ends are closed; tells how many messages the victim got. */
async function attackOnce(attacker: Attacker, ends: Ends, attack: Attack): Promise<number> {
  const { frontEnd, backEnd } = ends;
  if (attacker === "channel") return await attackChannel(ends, attack);
  const [from, victim] = attacker === "front-end" ? [frontEnd, backEnd] : [backEnd, frontEnd];
  if (attacker === "back-end") await asked(ends);
  return await attackFrom(from, victim, attack);
}

/** Until then nobody knows who is the back-end. */
async function asked({ frontEnd, backEnd }: Ends): Promise<void> {
  await frontEnd.send(frontEndRequest("GET_FEATURES", EMPTY));
  await backEnd.receive();
}

async function attackFrom(from: Peer, victim: Peer, attack: Attack): Promise<number> {
  if (attack.bytes.length > 0) await from.sendBytes(attack.bytes, attack.fds);
  if (attack.leaves) from.close();
  let got = 0;
  for (let arrival = await victim.receive(); arrival !== null; arrival = await victim.receive()) {
    got++;
    closeAll(sys, arrival.fds);
  }
  if (!attack.leaves) await from.gone();
  return got;
}

/** The channel goes with the connection, and the connection with the channel. */
async function attackChannel(ends: Ends, attack: Attack): Promise<number> {
  const { frontEnd, backEnd } = ends;
  const [ours, theirs] = sys.socketpair();
  using victim = peer(ours, "back-end");
  await frontEnd.send(frontEndRequest("SET_BACKEND_REQ_FD", EMPTY), [theirs]);
  sys.close(theirs);
  using from = peer((await backEnd.receive())?.fds[0] as number, "back-end");
  const got = await attackFrom(from, victim, attack);
  await frontEnd.gone();
  return got;
}

async function sound(socket: string, accept: () => Promise<Peer>): Promise<boolean> {
  using frontEnd = connectPeer(socket);
  using backEnd = await accept();
  await frontEnd.send(frontEndRequest("GET_FEATURES", EMPTY));
  const asked = await backEnd.receive();
  await backEnd.send(frontEndReply("GET_FEATURES", u64(1)));
  return asked !== null && (await frontEnd.receive())?.message.name === "GET_FEATURES";
}
