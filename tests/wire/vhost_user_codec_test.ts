/** Every message against its layout in literals, and every message there and back. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import {
  BACK_END_REQUEST,
  BACK_END_SPECS,
  backEndReply,
  backEndRequest,
  decodeHeader,
  decodeMessage,
  EMPTY,
  encodeMessage,
  FRONT_END_REQUEST,
  FRONT_END_SPECS,
  frontEndReply,
  frontEndRequest,
  HEADER_LENGTH,
  type Message,
  type Payload,
  payloadAs,
  type PayloadKind,
  type Side,
  u64,
  vringFd,
  vringState,
  type WireRegion,
} from "../../lib/wire/vhost_user/vhost_user.ts";

const REGION: WireRegion = {
  guestAddress: 0x1_0000_0000n,
  size: 0x8000_0000n,
  userAddress: 0x7fed_87ff_f000n,
  mmapOffset: 0x8000_0000n,
  xen: null,
};
const XEN_REGION: WireRegion = { ...REGION, mmapOffset: 0n, xen: { flags: 0x102, domid: 7 } };

/** One payload of each structure, with no field equal to another. */
const EXAMPLES: { readonly [K in PayloadKind]: readonly Payload[] } = {
  empty: [EMPTY],
  u64: [u64(0xfedc_ba98_7654_3210n)],
  "vring-fd": [vringFd(3), { kind: "vring-fd", index: 255, noFd: true, reserved: 0x55n }],
  "vring-state": [vringState(1, 0x8000_8001)],
  "vring-address": [{
    kind: "vring-address",
    index: 2,
    flags: 1,
    descriptor: 0x7f25_53fd_c000n,
    used: 0x7f25_53fd_d000n,
    available: 0x7f25_53fd_c800n,
    log: 0x7fd_e000n,
  }],
  "memory-table": [
    { kind: "memory-table", padding: 9, regions: [] },
    { kind: "memory-table", padding: 0, regions: [REGION, { ...REGION, guestAddress: 0n }] },
    { kind: "memory-table", padding: 0, regions: [XEN_REGION] },
  ],
  "single-region": [
    { kind: "single-region", padding: 5n, region: REGION },
    { kind: "single-region", padding: 0n, region: XEN_REGION },
  ],
  log: [{ kind: "log", size: 0x10000n, offset: 0x2000n }],
  iotlb: [{
    kind: "iotlb",
    iova: 0xfee0_0000n,
    size: 0x1000n,
    userAddress: 0x7f00_0000_0000n,
    permission: 3,
    type: 2,
  }],
  config: [{ kind: "config", offset: 4, size: 3, flags: 1, data: Uint8Array.of(1, 2, 3) }],
  "vring-area": [{ kind: "vring-area", value: 0x101n, size: 0x1000n, offset: 0x3000n }],
  inflight: [{
    kind: "inflight",
    mmapSize: 4160n,
    mmapOffset: 64n,
    queueCount: 2,
    queueSize: 256,
  }],
  "shared-object": [{
    kind: "shared-object",
    uuid: Uint8Array.from({ length: 16 }, (_, i) => i * 7),
  }],
  "device-state": [{ kind: "device-state", direction: 1, phase: 2 }],
  mmap: [{
    kind: "mmap",
    shmid: 3,
    padding: Uint8Array.of(1, 2, 3, 4, 5, 6, 7),
    fdOffset: 0x1000n,
    shmOffset: 0x2000n,
    length: 0x3000n,
    flags: 1n,
  }],
  "shmem-config": [{
    kind: "shmem-config",
    count: 2,
    padding: 0,
    sizes: Array.from({ length: 256 }, (_, i) => (i < 2 ? BigInt(i + 1) << 20n : 0n)),
  }],
  "custom-mmap": [{ kind: "custom-mmap", flags: 1n, value: 7n }],
  bytes: [{ kind: "bytes", bytes: Uint8Array.of(9, 8, 7) }],
};

function there(message: Message): Message {
  const bytes = encodeMessage(message);
  const header = decodeHeader(bytes);
  assertEquals(header.size, bytes.length - HEADER_LENGTH);
  const back = decodeMessage(message.origin, header, bytes.subarray(HEADER_LENGTH));
  assertEquals(encodeMessage(back), bytes, `${message.name} encodes to other bytes`);
  return back;
}

function everyMessage(origin: Side): Message[] {
  const specs = Object.entries(origin === "front-end" ? FRONT_END_SPECS : BACK_END_SPECS);
  const ids: Record<string, number> = origin === "front-end" ? FRONT_END_REQUEST : BACK_END_REQUEST;
  const of = (name: string, reply: boolean, kinds: readonly PayloadKind[]) =>
    kinds.flatMap((kind) => EXAMPLES[kind]).map((payload) => ({
      origin,
      request: ids[name],
      name,
      flags: reply ? 5 : 9,
      reply,
      payload,
      rest: new Uint8Array(0),
    }));
  return specs.flatMap(([name, spec]) => [
    ...of(name, false, spec.request),
    ...of(name, true, spec.reply),
  ]);
}

for (const origin of ["front-end", "back-end"] as const) {
  Deno.test(`every ${origin} message goes there and back`, () => {
    const messages = everyMessage(origin);
    for (const message of messages) {
      const back = there(message);
      // Without regions a reply of 8 bytes is an acknowledgement.
      const { payload, reply } = message;
      if (reply && payload.kind === "memory-table" && payload.regions.length === 0) continue;
      assertEquals(back, message);
    }
    assertEquals(new Set(messages.map(({ name }) => name)).size, origin === "front-end" ? 44 : 10);
  });
}

/** Sizes and bytes as C lays them out on x86-64 and aarch64. */
const LAYOUT: readonly [Message, string][] = [
  [frontEndRequest("GET_FEATURES", EMPTY), "01000000 01000000 00000000"],
  [
    frontEndRequest("SET_FEATURES", u64(0x1_4000_0040n)),
    "02000000 01000000 08000000 4000004001000000",
  ],
  [
    frontEndRequest("SET_VRING_NUM", vringState(0, 128), { needReply: true }),
    "08000000 09000000 08000000 00000000 80000000",
  ],
  [
    frontEndRequest("SET_MEM_TABLE", { kind: "memory-table", padding: 0, regions: [XEN_REGION] }),
    "05000000 01000000 30000000 01000000 00000000 0000000001000000 0000008000000000" +
    "00f0ff87ed7f0000 0000000000000000 02010000 07000000",
  ],
  [
    frontEndRequest("ADD_MEM_REG", { kind: "single-region", padding: 0n, region: REGION }),
    "25000000 01000000 28000000 0000000000000000 0000000001000000 0000008000000000" +
    "00f0ff87ed7f0000 0000008000000000",
  ],
  [
    frontEndRequest("SET_VRING_ADDR", EXAMPLES["vring-address"][0] as never),
    "09000000 01000000 28000000 02000000 01000000 00c0fd53257f0000 00d0fd53257f0000" +
    "00c8fd53257f0000 00e0fd0700000000",
  ],
  [
    frontEndRequest("SET_VRING_KICK", vringFd(1, true)),
    "0c000000 01000000 08000000 0101000000000000",
  ],
  [
    frontEndReply("GET_VRING_BASE", vringState(1, 144)),
    "0b000000 05000000 08000000 01000000 90000000",
  ],
  [
    frontEndReply("GET_INFLIGHT_FD", EXAMPLES.inflight[0] as never),
    "1f000000 05000000 14000000 4010000000000000 4000000000000000 0200 0001",
  ],
  [
    backEndRequest("BACKEND_SHMEM_MAP", EXAMPLES.mmap[0] as never),
    "09000000 01000000 28000000 03 01020304050607 0010000000000000 0020000000000000" +
    "0030000000000000 0100000000000000",
  ],
  [
    backEndReply("BACKEND_SHARED_OBJECT_LOOKUP", u64(0)),
    "08000000 05000000 08000000 0000000000000000",
  ],
];

Deno.test("messages are laid out as the protocol says", () => {
  for (const [message, wanted] of LAYOUT) {
    const got = Array.from(encodeMessage(message), (byte) => byte.toString(16).padStart(2, "0"));
    assertEquals(got.join(""), wanted.replaceAll(" ", ""), message.name);
  }
  assertEquals(
    encodeMessage(frontEndReply("GET_SHMEM_CONFIG", EXAMPLES["shmem-config"][0] as never)).length,
    12 + 2056,
  );
});

Deno.test("a message that nobody knows survives", () => {
  const bytes = Uint8Array.of(77, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 5, 6, 7);
  const message = decodeMessage("front-end", decodeHeader(bytes), bytes.subarray(12));
  assertEquals(message.name, "unknown(77)");
  assertEquals(encodeMessage(message), bytes);
  const back = decodeMessage("back-end", decodeHeader(bytes), bytes.subarray(12));
  assertEquals(encodeMessage(back), bytes);
});

Deno.test("padding and later fields survive: the inflight message of C is 24 bytes", () => {
  const bytes = new Uint8Array(12 + 24);
  bytes.set([31, 0, 0, 0, 1, 0, 0, 0, 24, 0, 0, 0]);
  bytes.set([1, 2, 3, 4], 12 + 20);
  const message = decodeMessage("front-end", decodeHeader(bytes), bytes.subarray(12));
  assertEquals([...message.rest], [1, 2, 3, 4]);
  assertEquals(encodeMessage(message), bytes);
});

Deno.test("an IOTLB message of 26 bytes and of C's 32 are both read", () => {
  for (const size of [26, 32]) {
    const payload = new Uint8Array(size);
    payload[25] = 2;
    const message = decodeMessage("front-end", { request: 22, flags: 1, size }, payload);
    assertEquals(payloadAs(message, "iotlb").type, 2);
    assertEquals(encodeMessage(message).length, 12 + size);
  }
});

Deno.test("a known message that is too short is an error that says so", () => {
  const cases: readonly [number, number, string][] = [
    [2, 7, "8 bytes"],
    [5, 7, "8 bytes"],
    [9, 39, "40 bytes"],
    [37, 39, "40 bytes"],
    [24, 11, "12 bytes"],
    [22, 25, "26 bytes"],
  ];
  for (const [request, size, wanted] of cases) {
    const decode = () =>
      decodeMessage("front-end", { request, flags: 1, size }, new Uint8Array(size));
    const error = assertThrows(decode, ProtocolError, wanted);
    assertEquals(error.protocol, "vhost-user");
    assert(error.message.includes(`${size} bytes`), error.message);
  }
});

Deno.test("a region count that lies sizes no loop", () => {
  for (const count of [2, 513, 0xffff_ffff]) {
    const payload = new Uint8Array(8 + 32);
    new DataView(payload.buffer).setUint32(0, count, true);
    const header = { request: 5, flags: 1, size: payload.length };
    assertThrows(() => decodeMessage("front-end", header, payload), ProtocolError, "regions");
  }
});

Deno.test("a header of another version, or beyond every size, is an error", () => {
  const header = (flags: number, size: number) => {
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 1, true);
    view.setUint32(4, flags, true);
    view.setUint32(8, size, true);
    return bytes;
  };
  assertThrows(() => decodeHeader(header(2, 0)), ProtocolError, "version 1");
  assertThrows(() => decodeHeader(header(0, 0)), ProtocolError, "version 1");
  assertThrows(() => decodeHeader(header(1, 0x4001)), ProtocolError, "at most 16384");
  assertThrows(() => decodeHeader(new Uint8Array(11)), ProtocolError, "12 bytes");
  assertEquals(decodeHeader(header(0xfffffff1, 0x4000)).size, 0x4000);
});
