/**
 * A vhost-user back-end: the device's side of a virtio device, for QEMU and every other front-end.
 *
 * ```text
 *  front-end ──socket──► negotiation, memory, rings     (here)
 *            ──kick────► onQueue: take, serve, giveBack (the caller)
 *            ◄──call───  publish
 * ```
 *
 * A front-end may leave and come again, as a firmware and the system after it do: each begins anew.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import type { Poller } from "../../ffi/poller.ts";
import { ProtocolError } from "../errors.ts";
import { FEATURE, type RingConfig } from "../ring/config.ts";
import type { DevicePosition } from "../ring/device_queue.ts";
import { type ConnectionState, FRESH_CONNECTION, isEnabled } from "../tap/connection.ts";
import { type SinkDevice, startSink } from "../tap/sink.ts";
import type { Vring, VringAreas } from "../tap/vring.ts";
import { packedBase, splitBase, VHOST_FEATURE } from "../wire/vhost_user/vhost_user.ts";
import { deviceAnswer, type DeviceOffer } from "./device_answers.ts";
import { mapMemory, type ServedMemory } from "./served_memory.ts";
import {
  type QueueContext,
  type RunningQueue,
  type ServedQueue,
  startQueue,
} from "./served_queue.ts";

export type { ServedQueue } from "./served_queue.ts";

/** What to serve, and where. */
export interface VhostUserOptions {
  /** The socket to listen on. */
  readonly path: string;
  /** Feature bits of the device type, 0 to 23 and 50 on; those of the ring are added. Default 0n. */
  readonly features?: bigint;
  /** Configuration space of the device type. Default none. */
  readonly config?: Uint8Array;
  /** Queues that the device has. Default 1. */
  readonly queues?: number;
  /**
   * Called when a queue may have buffers. Serves what `take` gives and gives it back; completions are
   * published and the driver is called afterwards. What it throws ends the back-end; only a
   * `GuestMemoryError` (the front-end took its memory away) ends the one queue.
   */
  readonly onQueue: (queue: ServedQueue) => void;
  /** A user who may connect beside root and our own: the socket becomes theirs. Default none. */
  readonly allowUid?: number | null;
  /** Gets one line for each thing that happens: who came, and why a connection or queue ended. */
  readonly log?: (line: string) => void;
  /**
   * Default: the real system calls.
   *
   * @internal
   */
  readonly sys?: Sys;
}

/** A running back-end: one front-end at a time. */
export interface VhostUserBackEnd extends AsyncDisposable {
  /** Absolute path of the socket. */
  readonly path: string;
  /** pid of the front-end, or null where none is connected. */
  readonly frontEnd: number | null;
  /** Ends when the back-end is disposed; rejects where it can not go on. */
  readonly done: Promise<void>;
}

/**
 * Serves a virtio device over a socket until disposed; needs `--allow-ffi` and to read and write the
 * socket's folder. A front-end that breaks the protocol is closed with a reason in the log.
 *
 * Throws SourceError (`busy`) where the path is taken, SyscallError, and RangeError for a number of
 * queues that no device has.
 *
 * ```ts
 * await using backEnd = serveVhostUser({
 *   path: "/run/rng.sock",
 *   onQueue({ memory, take, giveBack }) {
 *     for (let buffer = take(); buffer !== null; buffer = take()) {
 *       const random = crypto.getRandomValues(new Uint8Array(Math.min(buffer.writable, 4096)));
 *       giveBack(buffer, writeTo(memory, buffer, 0, random));
 *     }
 *   },
 * });
 * await backEnd.done;
 * ```
 */
export function serveVhostUser(options: VhostUserOptions): VhostUserBackEnd {
  const { path, sys = openSys(), log = () => {}, allowUid = null, onQueue } = options;
  const { features = 0n, config = new Uint8Array(0), queues = 1 } = options;
  if (!Number.isInteger(queues) || queues < 1 || queues > 256) {
    throw new RangeError(`${queues} queues: want 1 to 256`);
  }
  const failed = Promise.withResolvers<never>();
  const serve = (queue: ServedQueue) => onQueue(queue);
  const device = (poller: Poller) =>
    servedDevice({ features, config, queues }, { sys, poller, log, serve, fail: failed.reject });
  const sink = startSink({ sys, listen: path, allowUid, log, device });
  const done = Promise.race([sink.done, failed.promise]);
  // Who does not look at `done` does not hear of it.
  done.catch(() => {});
  return {
    path: sink.socket,
    get frontEnd() {
      return sink.frontEnd;
    },
    done,
    [Symbol.asyncDispose]: () => sink.close(),
  };
}

/** The device behind one socket. Its state is that of the one connection. */
function servedDevice(offer: DeviceOffer, context: QueueContext): SinkDevice {
  const running = new Map<number, { queue: RunningQueue; shape: string }>();
  /** Of rings that wait for memory. */
  const parked = new Map<number, DevicePosition>();
  let slots = FRESH_CONNECTION.memory;
  let mapped: ServedMemory | null = null;

  /** New memory first, then the rings in it anew, then the old memory goes. */
  function settle(state: ConnectionState): void {
    using old = changeMemory(state);
    if (old !== null) restart(state);
    for (const index of [...running.keys()]) if (!isReady(state, index)) stop(index);
    for (const ring of state.vrings) {
      if (isReady(state, ring.index)) keep(state, ring);
      if (!ring.started || running.has(ring.index)) parked.delete(ring.index);
    }
    if (state === FRESH_CONNECTION) parked.clear();
  }

  /** What is to be unmapped, or null where memory stays as it is. */
  function changeMemory(state: ConnectionState): Disposable | null {
    if (state.memory === slots) return null;
    const old = mapped;
    mapped = state.memory.length === 0 ? null : mapMemory(context.sys, state.memory);
    slots = state.memory;
    return { [Symbol.dispose]: () => old?.[Symbol.dispose]() };
  }

  function restart(state: ConnectionState): void {
    for (const ring of state.vrings) {
      const position = running.get(ring.index)?.queue.position;
      if (position === undefined) continue;
      stop(ring.index);
      parked.set(ring.index, position);
    }
  }

  function keep(state: ConnectionState, ring: Vring): void {
    const known = running.get(ring.index);
    if (known !== undefined && known.shape !== shapeOf(ring)) stop(ring.index);
    const position = positionOf(ring.index) ?? known?.queue.position ?? startOf(state, ring);
    if (!running.has(ring.index)) start(state, ring, position);
    const { queue } = running.get(ring.index) as { queue: RunningQueue };
    queue.rewire(ring);
    queue.enable(isEnabled(state, ring));
  }

  function start(state: ConnectionState, ring: Vring, position: DevicePosition): void {
    const { memory } = mapped ?? { memory: null };
    if (memory === null) return;
    const queue = startQueue(context, memory, ringConfig(state, ring, position), ring);
    running.set(ring.index, { queue, shape: shapeOf(ring) });
  }

  function positionOf(index: number): DevicePosition | null {
    return running.get(index)?.queue.position ?? parked.get(index) ?? null;
  }

  function stop(index: number): void {
    running.get(index)?.queue.stop();
    running.delete(index);
  }

  return {
    answer: (message, state) => deviceAnswer(offer, message, state, positionOf),
    settle(state) {
      const beyond = state.vrings.find(({ index }) => index >= offer.queues);
      if (beyond === undefined) return settle(state);
      const wanted = `a queue below ${offer.queues}`;
      throw new ProtocolError("vhost-user", "ring index", wanted, String(beyond.index));
    },
  };
}

function isReady(state: ConnectionState, index: number): boolean {
  const ring = state.vrings.find((other) => other.index === index);
  return state.memory.length > 0 && ring !== undefined && ring.started && ring.size !== null &&
    ring.areas !== null;
}

/** What can not change while a ring runs. */
function shapeOf({ size, areas, kickFd }: Vring): string {
  const { descriptor, available, used } = areas as VringAreas;
  return [size, descriptor, available, used, kickFd].join();
}

function isPacked({ features }: ConnectionState): boolean {
  return ((features ?? 0n) & FEATURE.RING_PACKED) !== 0n;
}

/** Where SET_VRING_BASE says; a fresh packed ring begins with both wrap counters set. */
function startOf(state: ConnectionState, { base }: Vring): DevicePosition {
  if (isPacked(state)) return packedBase(base ?? 0x8000_8000);
  return { available: splitBase(base ?? 0), used: splitBase(base ?? 0) };
}

function ringConfig(
  state: ConnectionState,
  ring: Vring,
  { available, used }: DevicePosition,
): RingConfig {
  const areas = ring.areas as VringAreas;
  return {
    format: isPacked(state) ? "packed" : "split",
    size: ring.size as number,
    descriptor: areas.descriptor,
    driver: areas.available,
    device: areas.used,
    addressSpace: "user",
    features: (state.features ?? 0n) & ~VHOST_FEATURE.PROTOCOL_FEATURES,
    start: available,
    used,
  };
}
