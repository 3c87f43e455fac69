/**
 * A front-end for tests: negotiates with a back-end as QEMU does, sends memory and rings, and puts
 * requests into them.
 *
 * @module
 */
import { EFD_NONBLOCK } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { Mapping } from "../../ffi/mapping.ts";
import { sealedMemfd } from "../../ffi/memfd.ts";
import {
  EMPTY,
  frontEndRequest,
  type Message,
  payloadAs,
  u64,
  vringFd,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys, uniqueName } from "./host.ts";
import type { Peer } from "./vhost_peer.ts";

/** Guest address 0 is here in the front-end's own address space. */
export const USER_BASE = 0x7f12_3456_0000n;

/** Bytes of guest memory. */
export const MEMORY_SIZE = 0x40000;

/** Entries of a ring. */
export const RING_SIZE = 8;

/** VERSION_1, EVENT_IDX, INDIRECT_DESC, and the protocol's own bit 30. */
export const FEATURES = (1n << 32n) | (1n << 30n) | (1n << 29n) | (1n << 28n);

/** A device that is set up. */
export interface FrontEnd extends Disposable {
  readonly peer: Peer;
  readonly memory: Mapping;
  /** By queue. */
  readonly kicks: readonly Fd[];
  readonly calls: readonly Fd[];
  /** Puts a chain of two descriptors (16 readable bytes, 512 writable) into a queue. */
  add(queue: number): void;
  /** Sends the memory table again, over the same file. */
  sendMemory(): Promise<void>;
}

/** How to set up. */
export interface FrontEndOptions {
  /** Default 1. */
  readonly queues?: number;
  /** ADD_MEM_REG in the place of SET_MEM_TABLE. */
  readonly slots?: boolean;
}

/** Where a queue's areas are, as guest addresses. */
export function areasOf(queue: number): { desc: bigint; avail: bigint; used: bigint } {
  const base = 0x1000n + BigInt(queue) * 0x3000n;
  return { desc: base, avail: base + 0x1000n, used: base + 0x2000n };
}

/** Negotiates and starts the rings. The caller disposes it; the peer stays open. */
export async function frontEnd(peer: Peer, options: FrontEndOptions = {}): Promise<FrontEnd> {
  const { queues = 1, slots = false } = options;
  using undo = new DisposableStack();
  const file = undo.use(sealedMemfd(sys, uniqueName(), MEMORY_SIZE));
  const map = { sys, fd: file.number, length: MEMORY_SIZE, writable: true, label: "guest" };
  const memory = undo.use(Mapping.open(map));
  const events = () =>
    Array.from({ length: queues }, () => undo.use(new Fd(sys, sys.eventfd(0, EFD_NONBLOCK))));
  const [kicks, calls] = [events(), events()];
  await negotiate(peer);
  await sendMemory(peer, file, slots);
  for (let queue = 0; queue < queues; queue++) {
    await startRing(peer, queue, kicks[queue], calls[queue]);
  }
  await confirmed(peer, frontEndRequest("SET_STATUS", u64(0xf), { needReply: true }));
  const resources = undo.move();
  return {
    peer,
    memory,
    kicks,
    calls,
    add: (queue) => addChain(memory, queue),
    sendMemory: () => sendMemory(peer, file, slots),
    [Symbol.dispose]: () => resources.dispose(),
  };
}

async function negotiate(peer: Peer): Promise<void> {
  const asked = await peer.ask(frontEndRequest("GET_FEATURES", EMPTY));
  const offered = payloadAs(asked.message, "u64").value;
  const protocol = await peer.ask(frontEndRequest("GET_PROTOCOL_FEATURES", EMPTY));
  const features = payloadAs(protocol.message, "u64").value;
  await peer.send(frontEndRequest("SET_PROTOCOL_FEATURES", u64(features)));
  await peer.ask(frontEndRequest("GET_QUEUE_NUM", EMPTY));
  await peer.send(frontEndRequest("SET_OWNER", EMPTY));
  await peer.send(frontEndRequest("SET_FEATURES", u64(offered & FEATURES)));
}

async function sendMemory(peer: Peer, file: Fd, slots: boolean): Promise<void> {
  const region = {
    guestAddress: 0n,
    size: BigInt(MEMORY_SIZE),
    userAddress: USER_BASE,
    mmapOffset: 0n,
    xen: null,
  };
  const needReply = { needReply: true };
  const message = slots
    ? frontEndRequest("ADD_MEM_REG", { kind: "single-region", padding: 0n, region }, needReply)
    : frontEndRequest(
      "SET_MEM_TABLE",
      { kind: "memory-table", padding: 0, regions: [region] },
      needReply,
    );
  await confirmed(peer, message, [file.number]);
}

/** Sends and expects the acknowledgement of success. */
async function confirmed(peer: Peer, message: Message, fds: readonly number[] = []): Promise<void> {
  const { message: answer } = await peer.ask(message, fds);
  const { value } = payloadAs(answer, "u64");
  if (value !== 0n) throw new Error(`${message.name} was answered ${value}`);
}

async function startRing(peer: Peer, queue: number, kick: Fd, call: Fd): Promise<void> {
  const { desc, avail, used } = areasOf(queue);
  await peer.send(frontEndRequest("SET_VRING_NUM", vringState(queue, RING_SIZE)));
  await peer.send(frontEndRequest("SET_VRING_BASE", vringState(queue, 0)));
  await peer.send(frontEndRequest("SET_VRING_ADDR", {
    kind: "vring-address",
    index: queue,
    flags: 0,
    descriptor: USER_BASE + desc,
    available: USER_BASE + avail,
    used: USER_BASE + used,
    log: used,
  }));
  await peer.send(frontEndRequest("SET_VRING_KICK", vringFd(queue)), [kick.number]);
  await peer.send(frontEndRequest("SET_VRING_CALL", vringFd(queue)), [call.number]);
  await peer.send(frontEndRequest("SET_VRING_ENABLE", vringState(queue, 1)));
}

/** virtio 1.4, 2.7.13: descriptors, slot, index. */
function addChain(memory: Mapping, queue: number): void {
  const { desc, avail } = areasOf(queue);
  const [table, ring] = [Number(desc), Number(avail)];
  const view = new DataView(memory.liveWritable() as ArrayBuffer);
  const index = view.getUint16(ring + 2, true);
  const head = (index * 2) % RING_SIZE;
  const put = (at: number, address: bigint, length: number, flags: number, next: number) => {
    view.setBigUint64(at, address, true);
    view.setUint32(at + 8, length, true);
    view.setUint16(at + 12, flags, true);
    view.setUint16(at + 14, next, true);
  };
  put(table + 16 * head, 0x20000n, 16, 1, head + 1);
  put(table + 16 * (head + 1), 0x21000n, 512, 2, 0);
  view.setUint16(ring + 4 + 2 * (index % RING_SIZE), head, true);
  view.setUint16(ring + 2, index + 1, true);
}
