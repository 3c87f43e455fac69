/** Recorded conversations, told to the state: what a tap knows after each. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import {
  type ConnectionState,
  dialectOf,
  FRESH_CONNECTION,
  heldFds,
  isEnabled,
  learn,
} from "../../lib/tap/connection.ts";
import { guessDevice } from "../../lib/tap/guess_device.ts";
import { connectionLayout } from "../../lib/tap/layout.ts";
import { parseLayout } from "../../lib/source/layout.ts";
import {
  customMmapRequest,
  decodeMessage,
  EMPTY,
  frontEndReply,
  frontEndRequest,
  LIMIT,
  type Message,
  u64,
  vringFd,
  vringState,
  type WireRegion,
} from "../../lib/wire/vhost_user/vhost_user.ts";

interface Line {
  readonly conn: number;
  readonly id: number;
  readonly dir?: string;
  readonly flags: number;
  readonly size: number;
  readonly payload: string;
  readonly nfds: number;
}

/** The state after the messages of one connection of a recording by the DPDK lab. fds count from 100. */
async function told(file: string, connection: number, upTo = Infinity): Promise<ConnectionState> {
  const url = new URL(`../fixtures/vhost_user/${file}`, import.meta.url);
  const lines: Line[] = (await Deno.readTextFile(url)).trim().split("\n").map((l) => JSON.parse(l));
  let state = FRESH_CONNECTION;
  let fd = 100;
  for (const line of lines.filter(({ dir, conn }) => dir && conn === connection).slice(0, upTo)) {
    const payload = Uint8Array.from(line.payload.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const header = { request: line.id, flags: line.flags, size: line.size };
    const message = decodeMessage("front-end", header, payload, dialectOf(state));
    state = learn(state, message, Array.from({ length: line.nfds }, () => fd++));
  }
  return state;
}

/** Messages until the rings run. */
const RUNNING = 29;

Deno.test("DPDK, split: memory, rings, features and fds", async () => {
  const state = await told("dpdk-tap_split.jsonl", 1, RUNNING);
  assertEquals(state.features, 0x1_5000_8000n);
  assertEquals(state.protocolFeatures, 0x10009n);
  assertEquals(state.status, 0xf);
  assertEquals(state.memory.map(({ region }) => [region.guestAddress, region.size]), [
    [0x1_0020_0000n, 0x1000_0000n],
  ]);
  const [rx, tx] = state.vrings;
  assertEquals([rx.size, rx.base, rx.started, isEnabled(state, rx)], [256, 0, true, true]);
  assertEquals(tx.areas?.descriptor, 0x1_1019_f000n);
  assertEquals(heldFds(state).length, 5);
  assertEquals(guessDevice(state).name, "net");
});

Deno.test("DPDK, stopped: both rings stand where the answers say, eventfds are gone", async () => {
  const state = await told("dpdk-tap_packed.jsonl", 1);
  assertEquals(state.vrings.map(({ started, enabled }) => [started, enabled]), [
    [false, false],
    [false, false],
  ]);
  assertEquals(state.vrings.map(({ base }) => base), [0x90, 0x90]);
  assertEquals(heldFds(state).length, 1);
});

Deno.test("DPDK after a reconnect: no SET_OWNER, and rings that begin by stopping", async () => {
  const state = await told("dpdk-reconn_bekill_packed.jsonl", 2);
  assertEquals(state.vrings.map(({ started }) => started), [true, true]);
  assertEquals(heldFds(state).length, 5);
});

const context = {
  kind: "tap",
  socket: "/run/tap.sock",
  peer: "/run/back.sock",
  connection: 1,
  slot: 0,
  frontEndPid: 1,
  backEndPid: 2,
} as const;

Deno.test("a state is published as a layout that the parser takes", async () => {
  const state = await told("dpdk-tap_split.jsonl", 1, RUNNING);
  const layout = parseLayout(JSON.stringify(connectionLayout(context, state)));
  assertEquals(layout.memory.map(({ gpa, user }) => [gpa, user]), [
    [0x1_0020_0000n, 0x1_0020_0000n],
  ]);
  const [device] = layout.devices;
  assertEquals([device.name, device.type, device.queues.length], ["net0", 1, 2]);
  const { ring, kickFd } = device.queues[0];
  assertEquals([ring?.format, ring?.size, ring?.addressSpace], ["split", 256, "user"]);
  assertEquals(kickFd, state.vrings[0].kickFd);
  assertEquals(ring?.start, undefined);
});

Deno.test("a sink's ring starts where the driver put it: nothing was consumed", () => {
  const packed = frontEndRequest("SET_FEATURES", u64(1n << 34n));
  const state = [
    packed,
    frontEndRequest("SET_VRING_NUM", vringState(0, 64)),
    frontEndRequest("SET_VRING_BASE", vringState(0, 0x8000)),
    frontEndRequest("SET_VRING_ADDR", {
      kind: "vring-address",
      index: 0,
      flags: 0,
      descriptor: 0n,
      used: 0n,
      available: 0n,
      log: 0n,
    }),
    frontEndRequest("SET_VRING_KICK", vringFd(0)),
    table([]),
  ].reduce(
    (all, message) => learn(all, message, message.name === "SET_VRING_KICK" ? [7] : []),
    FRESH_CONNECTION,
  );
  const json = { ...connectionLayout({ ...context, kind: "sink", peer: null }, state) };
  const layout = parseLayout(JSON.stringify({ ...json, memory: [{ fd: 3, gpa: 0, size: 4096 }] }));
  assertEquals(layout.devices[0].queues[0].ring?.start, { index: 0, wrap: true });
});

const region = (guest: bigint, more: Partial<WireRegion> = {}): WireRegion => ({
  guestAddress: guest,
  size: 0x1000n,
  userAddress: guest + (1n << 40n),
  mmapOffset: 0n,
  xen: null,
  ...more,
});

function table(regions: WireRegion[]): Message {
  return frontEndRequest("SET_MEM_TABLE", { kind: "memory-table", padding: 0, regions });
}

const single = (name: "ADD_MEM_REG" | "REM_MEM_REG", wanted: WireRegion) =>
  frontEndRequest(name, { kind: "single-region", padding: 0n, region: wanted });

Deno.test("regions come and go one by one; the offset does not count in taking one away", () => {
  let state = learn(FRESH_CONNECTION, single("ADD_MEM_REG", region(0n)), [5]);
  state = learn(state, single("ADD_MEM_REG", region(0x1000n)), [6]);
  assertEquals(heldFds(state), [5, 6]);
  state = learn(state, single("REM_MEM_REG", region(0n, { mmapOffset: 77n })), []);
  assertEquals(heldFds(state), [6]);
  assert(state.memorySeen);
  state = learn(state, single("REM_MEM_REG", region(0x5000n)), []);
  assertEquals(heldFds(state), [6]);
  state = learn(state, table([region(0n)]), [9]);
  assertEquals(heldFds(state), [9]);
});

Deno.test("an answer about a ring that can not be adds none", () => {
  for (const index of [LIMIT.vrings, 5000, 0xffff_ffff]) {
    const answer = frontEndReply("GET_VRING_BASE", vringState(index, 7));
    assertEquals(learn(FRESH_CONNECTION, answer, []), FRESH_CONNECTION);
  }
  const last = frontEndReply("GET_VRING_BASE", vringState(LIMIT.vrings - 1, 7));
  assertEquals(learn(FRESH_CONNECTION, last, []).vrings.map(({ base }) => base), [7]);
});

Deno.test("regions that contradict those before are refused", () => {
  const state = learn(FRESH_CONNECTION, table([region(0n)]), [5]);
  const overlap = single("ADD_MEM_REG", region(0x800n));
  assertThrows(() => learn(state, overlap, [6]), ProtocolError, "do not overlap");
  let full = FRESH_CONNECTION;
  for (let i = 0; i < 512; i++) {
    full = learn(full, single("ADD_MEM_REG", region(BigInt(i) << 12n)), [i]);
  }
  const oneMore = single("ADD_MEM_REG", region(1n << 30n));
  assertThrows(() => learn(full, oneMore, [600]), ProtocolError, "at most 512");
});

Deno.test("eventfds are replaced, dropped by the no-fd bit, and closed when the ring stops", () => {
  const kick = frontEndRequest("SET_VRING_KICK", vringFd(0));
  const call = frontEndRequest("SET_VRING_CALL", vringFd(0));
  let state = learn(FRESH_CONNECTION, kick, [5]);
  state = learn(state, call, [6]);
  state = learn(state, frontEndRequest("SET_VRING_ERR", vringFd(0)), [7]);
  assertEquals(heldFds(state), [5, 6, 7]);
  state = learn(state, kick, [8]);
  assertEquals(heldFds(state), [8, 6, 7]);
  const polled = learn(state, frontEndRequest("SET_VRING_KICK", vringFd(0, true)), []);
  assertEquals([heldFds(polled), polled.vrings[0].polled], [[6, 7], true]);
  const asked = learn(state, frontEndRequest("GET_VRING_BASE", vringState(0, 0xdead)), []);
  assert(asked === state, "the question alone changes nothing");
  state = learn(state, frontEndReply("GET_VRING_BASE", vringState(0, 17)), []);
  assertEquals([heldFds(state), state.vrings[0].base], [[7], 17]);
});

Deno.test("without bit 30 all rings are enabled; with it each by message; a reset disables all", () => {
  const kick = frontEndRequest("SET_VRING_KICK", vringFd(0));
  const plain = learn(
    learn(FRESH_CONNECTION, frontEndRequest("SET_FEATURES", u64(0)), []),
    kick,
    [],
  );
  assert(isEnabled(plain, plain.vrings[0]));
  const with30 = learn(plain, frontEndRequest("SET_FEATURES", u64(1n << 30n)), []);
  assert(!isEnabled(with30, with30.vrings[0]));
  const enabled = learn(with30, frontEndRequest("SET_VRING_ENABLE", vringState(0, 1)), []);
  assert(isEnabled(enabled, enabled.vrings[0]));
  const reset = learn(enabled, frontEndRequest("RESET_DEVICE", EMPTY), []);
  assert(!isEnabled(reset, reset.vrings[0]) && !reset.vrings[0].started);
});

Deno.test("memory of Xen guests is published as frames and grants of a domain, never by its fd", () => {
  const foreign = region(0x4000n, { size: 0x3000n, xen: { flags: 1, domid: 3 } });
  const grants = region((1n << 63n) | 0x8000n, {
    ...{ size: 1n << 62n, userAddress: 1n << 62n, xen: { flags: 2 | 8, domid: 3 } },
  });
  const unix = region(0x1000n, { xen: { flags: 0, domid: 3 } });
  const state = learn(FRESH_CONNECTION, table([foreign, unix, grants]), [5, 6, 7]);
  const layout = connectionLayout(context, state) as {
    memory: Record<string, unknown>[];
    devices: { note: string }[];
  };
  assertEquals(layout.memory.map(({ user_address: _user, ...rest }) => rest), [
    { foreign: 3, on_demand: false, size: "0x3000", gpa: "0x4000" },
    { fd: 6, size: "0x1000", offset: 0, gpa: "0x1000" },
    // No reference is above 2^32 - 1, whatever the front-end says: 2^44 bytes less eight pages.
    { grants: 3, on_demand: true, size: "0xfffffff8000", gpa: "0x8000000000008000" },
  ]);
  assert(layout.devices[0].note.includes("domain 3"));
});

Deno.test("the draft's CUSTOM_MMAP holds for every region of the connection", () => {
  const draft = learn(FRESH_CONNECTION, customMmapRequest(2n, 7n), []);
  assertEquals(draft.customMmap, { kind: "grant", inAdvance: true, domid: 7 });
  const { memory } = connectionLayout(context, learn(draft, table([region(0x9000n)]), [5])) as {
    memory: Record<string, unknown>[];
  };
  const { user_address: _user, ...entry } = memory[0];
  assertEquals(entry, { grants: 7, on_demand: false, size: "0x1000", gpa: "0x9000" });
});

Deno.test("rings without addresses are listed as waiting, and what is missing is said", () => {
  const state = learn(FRESH_CONNECTION, frontEndRequest("SET_VRING_CALL", vringFd(2)), [5]);
  const { devices } = connectionLayout(context, state) as { devices: { waiting: unknown[] }[] };
  assertEquals(devices[0].waiting, [{
    index: 2,
    note: "not set up: no size and no addresses yet",
  }]);
});
