/** Message 41 of the draft and of today; Xen regions; protocol feature names; ring positions. */
import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import {
  customMapping,
  customMmapRequest,
  decodeHeader,
  decodeMessage,
  type Dialect,
  encodeMessage,
  encodePackedBase,
  FRESH_DIALECT,
  frontEndRequest,
  type Message,
  packedBase,
  payloadAs,
  PROTOCOL_FEATURE,
  protocolFeatureName,
  protocolFeatureNames,
  splitBase,
  type WireRegion,
  xenMapping,
} from "../../lib/wire/vhost_user/vhost_user.ts";

const { XEN_MMAP, SHARED_OBJECT } = PROTOCOL_FEATURE;

function read(message: Message, dialect: Dialect): Message {
  const bytes = encodeMessage(message);
  const back = decodeMessage("front-end", decodeHeader(bytes), bytes.subarray(12), dialect);
  assertEquals(encodeMessage(back), bytes);
  return back;
}

/** A random (version 4) UUID, and one that only looks like the draft. */
const uuid = (...bytes: number[]) =>
  frontEndRequest("GET_SHARED_OBJECT", {
    kind: "shared-object",
    uuid: Uint8Array.from({ length: 16 }, (_, i) => bytes[i] ?? 0),
  });
const RANDOM = uuid(
  0x1b,
  0x4e,
  0x28,
  0xba,
  0x2f,
  0xa1,
  0x41,
  0xd2,
  0x88,
  0x3f,
  0,
  0x16,
  0xd3,
  0xcc,
  0xa4,
  0x27,
);
const LOOKALIKE = uuid(1);

Deno.test("message 41 is told apart by what is on the wire", () => {
  const dialect = (protocolFeatures: bigint | null, memorySeen: boolean): Dialect => ({
    protocolFeatures,
    memorySeen,
  });
  const draft = customMmapRequest(1n, 7n);
  const grant = customMmapRequest(2n, 0n);
  const asks = { ...draft, flags: 9 };
  const cases: readonly [string, Message, Dialect, string][] = [
    ["the draft", draft, dialect(XEN_MMAP, false), "CUSTOM_MMAP"],
    ["the draft by grants", grant, dialect(XEN_MMAP, false), "CUSTOM_MMAP"],
    ["negotiation not seen", draft, FRESH_DIALECT, "CUSTOM_MMAP"],
    [
      "both features, plausible payload",
      draft,
      dialect(XEN_MMAP | SHARED_OBJECT, false),
      "CUSTOM_MMAP",
    ],
    ["after the memory table", draft, dialect(XEN_MMAP, true), "GET_SHARED_OBJECT"],
    ["only shared objects", LOOKALIKE, dialect(SHARED_OBJECT, false), "GET_SHARED_OBJECT"],
    ["neither feature", LOOKALIKE, dialect(0n, false), "GET_SHARED_OBJECT"],
    ["a UUID", RANDOM, dialect(XEN_MMAP | SHARED_OBJECT, false), "GET_SHARED_OBJECT"],
    ["no such flags", customMmapRequest(4n, 7n), dialect(XEN_MMAP, false), "GET_SHARED_OBJECT"],
    ["both ways at once", customMmapRequest(3n, 7n), dialect(XEN_MMAP, false), "GET_SHARED_OBJECT"],
    [
      "no such domain",
      customMmapRequest(1n, 0x8000n),
      dialect(XEN_MMAP, false),
      "GET_SHARED_OBJECT",
    ],
    ["wants an answer", asks, dialect(XEN_MMAP, false), "GET_SHARED_OBJECT"],
  ];
  for (const [what, message, known, wanted] of cases) {
    assertEquals(read(message, known).name, wanted, what);
  }
});

Deno.test("the draft says once what XEN_MMAP says in every region", () => {
  const payload = payloadAs(read(customMmapRequest(2n, 7n), FRESH_DIALECT), "custom-mmap");
  assertEquals(customMapping(payload), { kind: "grant", inAdvance: true, domid: 7 });
});

const region = (flags: number, mmapOffset = 0n): WireRegion => ({
  guestAddress: 1n << 63n,
  size: 4096n,
  userAddress: 0n,
  mmapOffset,
  xen: { flags, domid: 3 },
});

Deno.test("a region's Xen flags: both values of not-in-advance", () => {
  assertEquals(xenMapping({ ...region(0), xen: null }), null);
  assertEquals(xenMapping(region(0, 4096n)), { kind: "unix", inAdvance: true, domid: 3 });
  assertEquals(xenMapping(region(1)), { kind: "foreign", inAdvance: true, domid: 3 });
  assertEquals(xenMapping(region(2)), { kind: "grant", inAdvance: true, domid: 3 });
  assertEquals(xenMapping(region(0xa)), { kind: "grant", inAdvance: false, domid: 3 });
  assertEquals(xenMapping(region(0x102)), { kind: "grant", inAdvance: false, domid: 3 });
});

Deno.test("impossible Xen flags are errors that say why", () => {
  assertThrows(() => xenMapping(region(3)), ProtocolError, "not both");
  assertThrows(() => xenMapping(region(9)), ProtocolError, "only with grant");
  assertThrows(() => xenMapping(region(0x8000_0000)), ProtocolError, "0x80000000");
  assertThrows(() => xenMapping(region(1, 4096n)), ProtocolError, "offset");
});

Deno.test("Xen and standard tables are told apart by their size, whatever was negotiated", () => {
  for (const xen of [null, { flags: 1, domid: 9 }]) {
    const regions = [0n, 1n, 2n].map((i) => ({
      guestAddress: i << 32n,
      size: 4096n,
      userAddress: i << 40n,
      mmapOffset: 0n,
      xen,
    }));
    const table = frontEndRequest("SET_MEM_TABLE", { kind: "memory-table", padding: 0, regions });
    assertEquals(payloadAs(read(table, FRESH_DIALECT), "memory-table").regions, regions);
  }
});

Deno.test("protocol features have names", () => {
  assertEquals(protocolFeatureName(17), "XEN_MMAP");
  assertEquals(protocolFeatureName(22), "SHMEM_MAP");
  assertEquals(protocolFeatureName(40), "unknown(40)");
  assertEquals(protocolFeatureNames(0x10cbfn), [
    "MQ",
    "LOG_SHMFD",
    "RARP",
    "REPLY_ACK",
    "MTU",
    "BACKEND_REQ",
    "CRYPTO_SESSION",
    "BACKEND_SEND_FD",
    "HOST_NOTIFIER",
    "STATUS",
  ]);
  assertEquals(
    Object.values(PROTOCOL_FEATURE).map((mask, bit) => mask === 1n << BigInt(bit)).every(Boolean),
    true,
  );
});

Deno.test("ring positions: split, packed, and DPDK's packed lower half", () => {
  assertEquals(splitBase(0x1fffe), { index: 0xfffe, wrap: false });
  assertEquals(packedBase(0x8000), {
    available: { index: 0, wrap: true },
    used: { index: 0, wrap: true },
  });
  const both = { available: { index: 5, wrap: false }, used: { index: 250, wrap: true } };
  assertEquals(encodePackedBase(both), 0x80fa0005);
  assertEquals(packedBase(0x80fa0005), both);
});
