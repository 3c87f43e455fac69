/**
 * A conversation's state as a layout that others can attach by: `ring-image/1` with the numbers of
 * this process's fds (`lib/source/layout.ts`).
 *
 * Fields beyond those of a layout, all under names of their own: `socket`, `peer`, `connection`,
 * `front_end_pid`, `back_end_pid`, and per device `protocol_features`, `evidence`, `note`, and
 * `waiting` for queues that have no addresses yet.
 *
 * @module
 */
import { GRANT_FLAG, hex } from "../address.ts";
import { FEATURE } from "../ring/config.ts";
import {
  hasProtocolFeature,
  packedBase,
  protocolFeatureNames,
  splitBase,
  type WireRegion,
  type XenMapping,
  xenMapping,
} from "../wire/vhost_user/vhost_user.ts";
import { type ConnectionState, isEnabled, type MemorySlot } from "./connection.ts";
import { guessDevice } from "./guess_device.ts";
import type { Vring, VringAreas } from "./vring.ts";

/** Who publishes, and for whom. */
export interface LayoutContext {
  /** `tap`: stands between two peers. `sink`: is the back-end, and consumes nothing. */
  readonly kind: "tap" | "sink";
  /** Absolute path of the socket that we listen on. */
  readonly socket: string;
  /** Where a tap connects to; null for a sink. */
  readonly peer: string | null;
  readonly connection: number;
  /** Number in the device's name: the lowest that no other open connection has. */
  readonly slot: number;
  readonly frontEndPid: number | null;
  readonly backEndPid: number | null;
}

/** JSON of a layout. */
export type LayoutJson = Record<string, unknown>;

/** The layout of a connection. */
export function connectionLayout(context: LayoutContext, state: ConnectionState): LayoutJson {
  return {
    ...emptyLayout(context),
    connection: context.connection,
    front_end_pid: context.frontEndPid,
    back_end_pid: context.backEndPid,
    memory: state.memory.flatMap((slot) => memoryEntry(state, slot)),
    devices: [deviceEntry(context, state)],
  };
}

/** What is published while there is no connection: enough to be found. */
export function emptyLayout(
  { kind, socket, peer }: Pick<LayoutContext, "kind" | "socket" | "peer">,
): LayoutJson {
  const name = socket.slice(socket.lastIndexOf("/") + 1);
  return { format: "ring-image/1", kind, name, socket, peer, memory: [], devices: [] };
}

function memoryEntry(state: ConnectionState, { region, fd }: MemorySlot): LayoutJson[] {
  const xen = mappingOf(state, region);
  if (fd === null) return [];
  const place = xen === null
    ? { fd, size: hex(region.size), offset: Number(region.mmapOffset) }
    : xenPlace(xen, region);
  if (place === null) return [];
  return [{ ...place, gpa: hex(region.guestAddress), user_address: hex(region.userAddress) }];
}

/** By the region's own Xen fields, or as the draft's CUSTOM_MMAP said of all; null: its fd's file. */
function mappingOf({ customMmap }: ConnectionState, region: WireRegion): XenMapping | null {
  const mapping = xenMapping(region) ?? customMmap;
  return mapping?.kind === "unix" ? null : mapping;
}

/** No frame number and no grant reference leads further: 2^40 frames, 2^32 references. */
const FOREIGN_LIMIT = 1n << 52n;
const GRANT_LIMIT = 1n << 44n;

/**
 * The fd of such a region is a door to Xen (privcmd, gntdev) and not memory: whoever wants the pages
 * maps them through devices that it opens itself. Null for a region past all frames.
 */
function xenPlace({ kind, domid, inAdvance }: XenMapping, region: WireRegion): LayoutJson | null {
  const grants = kind === "grant";
  const start = grants ? region.guestAddress & ~GRANT_FLAG : region.guestAddress;
  const left = (grants ? GRANT_LIMIT : FOREIGN_LIMIT) - start;
  if (left <= 0n) return null;
  const size = hex(region.size < left ? region.size : left);
  return { [grants ? "grants" : "foreign"]: domid, on_demand: !inAdvance, size };
}

function deviceEntry(context: LayoutContext, state: ConnectionState): LayoutJson {
  const { type, name, evidence } = guessDevice(state);
  const ready = state.vrings.filter((ring) => ring.size !== null && ring.areas !== null);
  const waiting = state.vrings.filter((ring) => !ready.includes(ring));
  return {
    name: `${name}${context.slot}`,
    type,
    evidence,
    bus_id: context.socket,
    ...(state.status === null ? {} : { status: state.status }),
    features: hex(state.features ?? 0n),
    protocol_features: protocolFeatureNames(state.protocolFeatures ?? 0n),
    note: deviceNote(state),
    queues: ready.map((ring) =>
      queueEntry(context, state, ring, ring.areas as VringAreas, ring.size as number)
    ),
    waiting: waiting.map((ring) => ({ index: ring.index, note: waitingNote(ring) })),
  };
}

function deviceNote(state: ConnectionState): string {
  const xen = state.memory.map(({ region }) => mappingOf(state, region)).find((one) =>
    one !== null
  );
  if (xen) return `memory of Xen domain ${xen.domid}: needs dom0's devices`;
  if (state.translated) return "behind an IOMMU: ring and buffer addresses are IOVAs";
  return state.features === null ? "features are not negotiated yet" : "";
}

function waitingNote({ size, areas }: Vring): string {
  const missing = [size === null ? "size" : "", areas === null ? "addresses" : ""].filter(Boolean);
  return `not set up: no ${missing.join(" and no ")} yet`;
}

function queueEntry(
  context: LayoutContext,
  state: ConnectionState,
  ring: Vring,
  areas: VringAreas,
  size: number,
): LayoutJson {
  const packed = ((state.features ?? 0n) & FEATURE.RING_PACKED) !== 0n;
  return {
    index: ring.index,
    layout: packed ? "packed" : "split",
    queue_size: size,
    desc: hex(areas.descriptor),
    driver: hex(areas.available),
    device: hex(areas.used),
    address_space: addressSpace(state),
    started: ring.started,
    enabled: isEnabled(state, ring),
    polled: ring.polled,
    ...position(context, ring, packed),
    ...(ring.kickFd === null ? {} : { kick_fd: ring.kickFd }),
    ...(ring.callFd === null ? {} : { call_fd: ring.callFd }),
    ...(ring.errorFd === null ? {} : { error_fd: ring.errorFd }),
  };
}

/** Ring addresses are the front-end's own, or guest addresses where GPA_ADDRESSES says so. */
function addressSpace({ protocolFeatures }: ConnectionState): "user" | "guest" {
  return hasProtocolFeature(protocolFeatures, "GPA_ADDRESSES") ? "guest" : "user";
}

/**
 * Where the device side stands, if the conversation can tell: while a ring is stopped, and always in
 * a sink, which consumes nothing. A running ring has long left its base.
 */
function position(context: LayoutContext, { base, started }: Vring, packed: boolean): LayoutJson {
  if (base === null || (started && context.kind === "tap")) return {};
  if (!packed) return { last_avail_idx: splitBase(base).index };
  const { available, used } = packedBase(base);
  return {
    last_avail_idx: available.index,
    avail_wrap_counter: Number(available.wrap),
    last_used_idx: used.index,
    used_wrap_counter: Number(used.wrap),
  };
}
