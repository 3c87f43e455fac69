/**
 * Ways to be hostile over vhost-user, for tests that count what is left afterwards.
 *
 * @module
 */
import {
  backEndRequest,
  EMPTY,
  encodeMessage,
  frontEndReply,
  frontEndRequest,
  type Message,
  u64,
  vringFd,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";

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

const mmap = (fields: Record<string, bigint>) => ({
  kind: "mmap" as const,
  shmid: 0,
  padding: new Uint8Array(7),
  fdOffset: 0n,
  shmOffset: 0n,
  length: 4096n,
  flags: 0n,
  ...fields,
});

/** Half a page before the end of all addresses. */
const wrap = (1n << 64n) - 0x800n;

const header = (...words: number[]) => new Uint8Array(Uint32Array.from(words).buffer);

/** A way to be hostile: bytes, and what fds go along. */
export interface Attack {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
  /** Leaves in the middle instead of being refused. */
  readonly leaves?: boolean;
}

function send(name: string, message: Message, ...fds: number[]): Attack {
  return { name, bytes: encodeMessage(message), fds };
}

/** What a front-end can send. */
export function frontEndAttacks(memory: number, event: number, socket: number): Attack[] {
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

/** What a back-end can send once it was asked for its features (bits 1 and 2 of flags: an answer). */
export function backEndAttacks(memory: number, event: number): Attack[] {
  return [
    { name: "version", bytes: header(1, 6, 8), fds: [event] },
    { name: "size", bytes: header(1, 5, 0xffff_ffff), fds: [memory, event] },
    { name: "short", bytes: new Uint8Array([...header(1, 5, 4), 1, 2, 3, 4]), fds: [memory] },
    send("request", frontEndRequest("GET_FEATURES", EMPTY), event),
    send(
      "table",
      frontEndRequest("SET_MEM_TABLE", { kind: "memory-table", padding: 0, regions: [] }),
    ),
    { name: "33 fds", bytes: header(1, 5, 8), fds: Array.from({ length: 33 }, () => event) },
    { name: "half", bytes: header(1, 5, 8).subarray(0, 7), fds: [memory, event], leaves: true },
    {
      name: "half payload",
      bytes: new Uint8Array([...header(1, 5, 8), 1]),
      fds: [memory],
      leaves: true,
    },
    { name: "nothing", bytes: new Uint8Array(0), fds: [], leaves: true },
  ];
}

/** What a back-end can send on its own channel. */
export function channelAttacks(memory: number, event: number): Attack[] {
  return [
    { name: "version", bytes: header(1, 2, 0), fds: [event] },
    { name: "size", bytes: header(9, 1, 0x7fff_ffff), fds: [memory] },
    { name: "short", bytes: new Uint8Array([...header(9, 1, 4), 1, 2, 3, 4]), fds: [memory] },
    send("no fd", backEndRequest("BACKEND_SHMEM_MAP", mmap({}))),
    send("wrap", backEndRequest("BACKEND_SHMEM_MAP", mmap({ shmOffset: wrap })), memory),
    send("answer", {
      ...backEndRequest("BACKEND_CONFIG_CHANGE_MSG", EMPTY),
      flags: 5,
      reply: true,
      payload: u64(0),
    }, event),
    send("ring", backEndRequest("BACKEND_VRING_CALL", vringState(7000, 0)), event),
    { name: "33 fds", bytes: header(2, 1, 0), fds: Array.from({ length: 33 }, () => event) },
  ];
}

/** What a sound front-end says first: the tap holds five fds then. */
export function setUp(memory: number, event: number): [Message, number[]][] {
  return [
    [
      frontEndRequest("SET_MEM_TABLE", {
        kind: "memory-table",
        padding: 0,
        regions: [region({}), region({ guestAddress: 0x1000n, userAddress: 0x1000n })],
      }),
      [memory, memory],
    ],
    [frontEndRequest("SET_VRING_KICK", vringFd(0)), [event]],
    [frontEndRequest("SET_VRING_CALL", vringFd(0)), [event]],
    [frontEndRequest("SET_VRING_ERR", vringFd(0)), [event]],
  ];
}
