/**
 * Our own front-end, tap and back-ends, over every message there is: what a back-end that consumes
 * nothing says to each, and what one with a device says.
 */
import { assertEquals } from "@std/assert";
import { EFD_NONBLOCK } from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import { sealedMemfd } from "../../ffi/memfd.ts";
import { startSink } from "../../lib/tap/sink.ts";
import { startTap } from "../../lib/tap/tap.ts";
import { serveVhostUser } from "../../lib/vhost_user/backend.ts";
import {
  EMPTY,
  frontEndRequest,
  HEADER_FLAG,
  type Message,
  payloadAs,
  type RequestSpec,
  u64,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys, uniqueName } from "../support/host.ts";
import { everyMessage } from "../support/vhost_every_message.ts";
import { connectPeer, type Peer } from "../support/vhost_peer.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

const SOCKETS = ["SET_BACKEND_REQ_FD", "GPU_SET_SOCKET"];

/** fds of each kind that a message may want. */
interface Files {
  readonly memory: number;
  readonly event: number;
  readonly socket: number;
}

/** What a front-end hears after each request that it wants answered: a payload, or the end. */
async function heard(
  socket: string,
  files: Files,
  ends: string[],
): Promise<Record<string, string>> {
  const told: Record<string, string> = {};
  for (const [message, spec] of everyMessage("front-end").filter(([{ reply }]) => !reply)) {
    const seen = ends.length;
    using peer = connectPeer(socket);
    await negotiate(peer);
    const asking = { ...message, flags: message.flags | HEADER_FLAG.NEED_REPLY };
    await peer.send(asking, fdsOf(message, spec, files));
    const what = await answer(peer);
    peer.close();
    await until(() => ends.length > seen, "the end of the connection");
    const key = message.name === "SET_LOG_BASE" || message.name === "SET_LOG_FD"
      ? `${message.name} ${message.payload.kind}`
      : message.name;
    told[key] = what;
  }
  return told;
}

async function negotiate(peer: Peer): Promise<void> {
  const offered = await peer.ask(frontEndRequest("GET_PROTOCOL_FEATURES", EMPTY));
  const features = payloadAs(offered.message, "u64");
  await peer.send(frontEndRequest("SET_PROTOCOL_FEATURES", features));
  await peer.send(frontEndRequest("SET_FEATURES", u64(1n << 30n)));
}

function fdsOf({ name, payload }: Message, spec: RequestSpec, files: Files): number[] {
  if (SOCKETS.includes(name)) return [files.socket];
  const memory = ["memory-table", "single-region", "inflight", "log", "device-state"];
  const fd = memory.includes(payload.kind) ? files.memory : files.event;
  return Array.from({ length: Math.min(1, spec.fds[1]) }, () => fd);
}

/** The answer's payload, `closed`, or `silence`: SET_PROTOCOL_FEATURES takes REPLY_ACK itself away. */
async function answer(peer: Peer): Promise<string> {
  try {
    const arrival = await peer.receive(300);
    if (arrival === null) return "closed";
    closeAll(sys, arrival.fds);
    const { payload } = arrival.message;
    return payload.kind === "u64" ? `0x${payload.value.toString(16)}` : payload.kind;
  } catch (error) {
    if (String(error).includes("ECONNRESET")) return "closed";
    if (String(error).includes("nothing for")) return "silence";
    throw error;
  }
}

/** What both say. 1 is a failure: it belongs to a protocol feature that was not offered. */
const BOTH: Readonly<Record<string, string>> = {
  SET_FEATURES: "0x0",
  SET_OWNER: "0x0",
  RESET_OWNER: "0x0",
  SET_MEM_TABLE: "0x0",
  "SET_LOG_BASE log": "0x0",
  "SET_LOG_BASE u64": "0x0",
  "SET_LOG_FD u64": "0x0",
  "SET_LOG_FD empty": "0x0",
  SET_VRING_NUM: "0x0",
  SET_VRING_ADDR: "0x0",
  SET_VRING_BASE: "0x0",
  GET_VRING_BASE: "vring-state",
  SET_VRING_KICK: "0x0",
  SET_VRING_CALL: "0x0",
  SET_VRING_ERR: "0x0",
  SET_PROTOCOL_FEATURES: "silence",
  SET_VRING_ENABLE: "0x0",
  SEND_RARP: "0x1",
  NET_SET_MTU: "0x1",
  SET_BACKEND_REQ_FD: "0x1",
  IOTLB_MSG: "closed",
  GET_CONFIG: "config",
  SET_CONFIG: "0x0",
  CREATE_CRYPTO_SESSION: "closed",
  CLOSE_CRYPTO_SESSION: "0x1",
  POSTCOPY_ADVISE: "closed",
  POSTCOPY_LISTEN: "0x1",
  POSTCOPY_END: "closed",
  GET_INFLIGHT_FD: "closed",
  SET_INFLIGHT_FD: "0x1",
  GPU_SET_SOCKET: "0x0",
  RESET_DEVICE: "0x0",
  VRING_KICK: "0x1",
  GET_MAX_MEM_SLOTS: "0x1fd",
  ADD_MEM_REG: "0x0",
  REM_MEM_REG: "0x0",
  SET_STATUS: "0x0",
  GET_STATUS: "0x0",
  GET_SHARED_OBJECT: "closed",
  SET_DEVICE_STATE_FD: "closed",
  CHECK_DEVICE_STATE: "closed",
  GET_SHMEM_CONFIG: "closed",
};

/** What each says by itself: features, protocol features, queues, and whether rings may be swapped. */
const SINK = {
  GET_FEATURES: "0x1d7dffffdf",
  GET_PROTOCOL_FEATURES: "0x1a24b",
  GET_QUEUE_NUM: "0x100",
  SET_VRING_ENDIAN: "0x0",
};
const DEVICE = {
  GET_FEATURES: "0x570000002",
  GET_PROTOCOL_FEATURES: "0x1a209",
  GET_QUEUE_NUM: "0x2",
  SET_VRING_ENDIAN: "0x1",
};

for (
  const [name, own] of [["that consumes nothing", SINK], ["with a device", DEVICE]] as const
) {
  Deno.test(`every message from our front-end to our back-end ${name}`, async () => {
    await inFolder(async (folder) => {
      const path = `${folder}/back.sock`;
      using memory = sealedMemfd(sys, uniqueName(), 0x10000);
      using event = new Fd(sys, sys.eventfd(0, EFD_NONBLOCK));
      const [near, far] = sys.socketpair().map((fd) => new Fd(sys, fd));
      using _far = far;
      using socket = near;
      const files = { memory: memory.number, event: event.number, socket: socket.number };
      await using _backEnd = own === SINK
        ? startSink({ sys, listen: path })
        : serveVhostUser({ sys, path, queues: 2, features: 2n, onQueue: () => {} });
      const ends: string[] = [];
      await using tap = startTap({
        sys,
        listen: `${folder}/tap.sock`,
        connect: path,
        event: ({ kind, text }) => kind === "close" && ends.push(text),
      });
      const told = await heard(tap.socket, files, ends);
      assertEquals(new Set(Object.keys(told).map((key) => key.split(" ")[0])).size, 44);
      assertEquals(told, { ...BOTH, ...own });
      assertEquals(ends.filter((text) => text.includes("refused")), []);
    });
  });
}
