/**
 * What a vhost-user conversation has told so far: a pure function from state and message to state.
 * fds are only numbers here; who feeds it closes those that the new state does not hold any more.
 *
 * ```text
 * SET_FEATURES ──► features           SET_MEM_TABLE / ADD / REM_MEM_REG ──► memory (+ fd each)
 * SET_PROTOCOL_FEATURES ──► dialect   SET_VRING_NUM, ADDR, BASE, KICK, CALL, ERR, ENABLE ──► vrings
 * ```
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import {
  checkRegionsApart,
  type ConfigPayload,
  customMapping,
  type Dialect,
  type InflightPayload,
  LIMIT,
  type Message,
  sameRegion,
  type SingleRegionPayload,
  VHOST_FEATURE,
  type WireRegion,
  type XenMapping,
} from "../wire/vhost_user/vhost_user.ts";
import { freshVring, learnVring, type Vring, vringFds, vringIndex } from "./vring.ts";

/** A region and the file behind it. */
export interface MemorySlot {
  /** As the message has it. */
  readonly region: WireRegion;
  /** null where the message brought none. */
  readonly fd: number | null;
}

/** The buffer that records requests in flight. */
export interface Inflight {
  /** The file of the buffer, an fd of this process; null where none came along. */
  readonly fd: number | null;
  /** Bytes. */
  readonly size: bigint;
  /** Where in the file it starts, in bytes. */
  readonly offset: bigint;
  /** Queues that it has room for. */
  readonly queueCount: number;
  /** Entries per queue. */
  readonly queueSize: number;
}

/** Configuration space as the back-end last told it. */
export interface KnownConfig {
  /** Bytes from the start of the configuration space. */
  readonly offset: number;
  /** A copy of what was told. */
  readonly data: Uint8Array;
}

/** All that is known of a conversation. Values are null until a message tells them. */
export interface ConnectionState {
  /** GET_FEATURES. */
  readonly offeredFeatures: bigint | null;
  /** Negotiated, bit 30 included. */
  readonly features: bigint | null;
  /** GET_PROTOCOL_FEATURES. */
  readonly offeredProtocolFeatures: bigint | null;
  /** SET_PROTOCOL_FEATURES. */
  readonly protocolFeatures: bigint | null;
  /** GET_QUEUE_NUM. */
  readonly queueCount: number | null;
  /** GET_MAX_MEM_SLOTS. */
  readonly memorySlots: bigint | null;
  /** virtio status, where the STATUS feature carries it. */
  readonly status: number | null;
  /** The last answer to GET_CONFIG. */
  readonly config: KnownConfig | null;
  /** In the order the front-end sent them. */
  readonly memory: readonly MemorySlot[];
  /** A region was sent at some time. */
  readonly memorySeen: boolean;
  /** The draft's CUSTOM_MMAP: holds for every region. */
  readonly customMmap: XenMapping | null;
  /** By index, ascending. */
  readonly vrings: readonly Vring[];
  /** SET_INFLIGHT_FD. */
  readonly inflight: Inflight | null;
  /** IOMMU translations were exchanged: ring addresses are IOVAs. */
  readonly translated: boolean;
}

/** A conversation that has not begun. */
export const FRESH_CONNECTION: ConnectionState = {
  offeredFeatures: null,
  features: null,
  offeredProtocolFeatures: null,
  protocolFeatures: null,
  queueCount: null,
  memorySlots: null,
  status: null,
  config: null,
  memory: [],
  memorySeen: false,
  customMmap: null,
  vrings: [],
  inflight: null,
  translated: false,
};

/** What the codec needs to read the next message. */
export function dialectOf({ protocolFeatures, memorySeen }: ConnectionState): Dialect {
  return { protocolFeatures, memorySeen };
}

/** Every fd that the state holds. */
export function heldFds(state: ConnectionState): number[] {
  const memory = state.memory.flatMap(({ fd }) => (fd === null ? [] : [fd]));
  const inflight = state.inflight?.fd ?? null;
  return [...memory, ...state.vrings.flatMap(vringFds), ...(inflight === null ? [] : [inflight])];
}

/** A ring is enabled by message, or with all others where bit 30 was not negotiated. */
export function isEnabled(state: ConnectionState, ring: Vring): boolean {
  const byMessage = ((state.features ?? 0n) & VHOST_FEATURE.PROTOCOL_FEATURES) !== 0n;
  return byMessage ? ring.enabled === true : ring.enabled !== false;
}

/**
 * The state after a message on the main socket, with the fds that came along. The same object where
 * the message tells nothing. Throws ProtocolError where it contradicts what came before: a region
 * that overlaps another, more regions than any front-end has.
 */
export function learn(
  state: ConnectionState,
  message: Message,
  fds: readonly number[],
): ConnectionState {
  const index = message.origin === "front-end" ? vringIndex(message) : null;
  if (index !== null) return withVring(state, index, message, fds);
  return message.reply ? learnReply(state, message) : learnRequest(state, message, fds);
}

function withVring(
  state: ConnectionState,
  index: number,
  message: Message,
  fds: readonly number[],
): ConnectionState {
  // The question brings nothing, and its number may be junk; the answer stops the ring.
  if (message.name === "GET_VRING_BASE" && !message.reply) return state;
  const old = state.vrings.find((ring) => ring.index === index) ?? freshVring(index);
  const next = learnVring(old, message, fds);
  if (next === old || index >= LIMIT.vrings) return state;
  const others = state.vrings.filter((ring) => ring.index !== index);
  return { ...state, vrings: [...others, next].sort((a, b) => a.index - b.index) };
}

/** Answers that tell something, by the request's name. */
function learnReply(state: ConnectionState, { name, payload }: Message): ConnectionState {
  if (payload.kind === "config") return { ...state, config: knownConfig(payload) };
  if (payload.kind !== "u64") return state;
  switch (name) {
    case "GET_FEATURES":
      return { ...state, offeredFeatures: payload.value };
    case "GET_PROTOCOL_FEATURES":
      return { ...state, offeredProtocolFeatures: payload.value };
    case "GET_QUEUE_NUM":
      return { ...state, queueCount: Number(payload.value & 0xffffn) };
    case "GET_MAX_MEM_SLOTS":
      return { ...state, memorySlots: payload.value };
    case "GET_STATUS":
      return { ...state, status: Number(payload.value & 0xffn) };
    default:
      return state;
  }
}

function learnRequest(
  state: ConnectionState,
  { name, payload }: Message,
  fds: readonly number[],
): ConnectionState {
  switch (payload.kind) {
    case "u64":
      return learnValue(state, name, payload.value);
    case "memory-table":
      return withMemory(
        state,
        payload.regions.map((region, i) => ({ region, fd: fds[i] ?? null })),
      );
    case "single-region":
      return learnRegion(state, name, payload, fds[0] ?? null);
    case "inflight":
      return name === "SET_INFLIGHT_FD"
        ? { ...state, inflight: knownInflight(payload, fds) }
        : state;
    case "custom-mmap":
      return { ...state, customMmap: customMapping(payload) };
    case "iotlb":
      return { ...state, translated: true };
    default:
      return name === "RESET_DEVICE" || name === "RESET_OWNER" ? reset(state) : state;
  }
}

function learnValue(state: ConnectionState, name: string, value: bigint): ConnectionState {
  if (name === "SET_FEATURES") return { ...state, features: value };
  if (name === "SET_PROTOCOL_FEATURES") return { ...state, protocolFeatures: value };
  return name === "SET_STATUS" ? { ...state, status: Number(value & 0xffn) } : state;
}

function learnRegion(
  state: ConnectionState,
  name: string,
  { region }: SingleRegionPayload,
  fd: number | null,
): ConnectionState {
  if (name === "ADD_MEM_REG") return withMemory(state, [...state.memory, { region, fd }]);
  return withMemory(state, state.memory.filter((slot) => !sameRegion(slot.region, region)));
}

function withMemory(state: ConnectionState, memory: readonly MemorySlot[]): ConnectionState {
  if (memory.length > LIMIT.regions) {
    const wanted = `at most ${LIMIT.regions} regions`;
    throw new ProtocolError("vhost-user", "ADD_MEM_REG", wanted, `${memory.length}`);
  }
  checkRegionsApart(memory.map(({ region }) => region));
  return { ...state, memory, memorySeen: true };
}

function knownConfig({ offset, data }: ConfigPayload): KnownConfig {
  return { offset, data };
}

function knownInflight(payload: InflightPayload, fds: readonly number[]): Inflight {
  const { mmapSize: size, mmapOffset: offset, queueCount, queueSize } = payload;
  return { fd: fds[0] ?? null, size, offset, queueCount, queueSize };
}

/** All rings are disabled and begin anew; memory stays. */
function reset(state: ConnectionState): ConnectionState {
  const vrings = state.vrings.map((ring) => ({ ...ring, started: false, enabled: false }));
  return { ...state, vrings };
}
