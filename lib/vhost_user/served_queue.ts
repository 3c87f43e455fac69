/**
 * One ring of a front-end, served: woken by its kick eventfd, emptied by the device, completions
 * published and called.
 *
 * @module
 */
import { POLLIN } from "../../ffi/constants.ts";
import type { Poller } from "../../ffi/poller.ts";
import type { Sys } from "../../ffi/sys.ts";
import { GuestMemoryError, isSyscallFailure } from "../errors.ts";
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "../ring/config.ts";
import {
  type DevicePosition,
  type DeviceQueue,
  openDeviceQueue,
  type TakenBuffer,
} from "../ring/device_queue.ts";
import type { Vring } from "../tap/vring.ts";

/** A queue, for the time of one call of `onQueue`. */
export interface ServedQueue {
  /** Its number in the device. */
  readonly index: number;
  /** The guest's memory, for `readFrom` and `writeTo`. */
  readonly memory: WritableGuestMemory;
  /**
   * The next buffer, or null when it is time to return: at the end, and after as many buffers as the
   * ring has entries, so that no guest keeps the others waiting. Buffers that break the rules are
   * given back unserved and never seen here.
   */
  take(): TakenBuffer | null;
  /** Gives a buffer back with the bytes written to its writable part. Do so before returning. */
  giveBack(buffer: TakenBuffer, written: number): void;
}

/** What a queue needs to run. */
export interface QueueContext {
  readonly sys: Sys;
  readonly poller: Poller;
  readonly log: (line: string) => void;
  readonly serve: (queue: ServedQueue) => void;
  /** Gets what `serve` throws outside of the poller's own calls. */
  readonly fail: (error: unknown) => void;
}

/** A started ring. */
export interface RunningQueue {
  /** Where it stands: what GET_VRING_BASE answers. */
  readonly position: DevicePosition;
  /** Whether the device may serve it. */
  enable(enabled: boolean): void;
  /** Takes another eventfd for calls or errors. */
  rewire(ring: Vring): void;
  /** Ends it: its memory and fds are not touched any more. */
  stop(): void;
}

/** How often a ring that has more is looked at before others have their turn. */
const ROUNDS = 4;

/**
 * Starts a ring. It stays silent, and says why in the log, where the ring is not all in memory; the
 * next memory table starts it anew.
 */
export function startQueue(
  context: QueueContext,
  memory: WritableGuestMemory,
  config: RingConfig,
  initial: Vring,
): RunningQueue {
  const { sys, poller, log } = context;
  const name = `queue ${initial.index}`;
  const begin = { available: config.start, used: config.used } as DevicePosition;
  let ring = initial;
  let enabled = false;
  let watched: number | null = null;
  let again: ReturnType<typeof setTimeout> | undefined;
  let queue = opened();
  const position = () => queue?.position ?? begin;
  let last: DevicePosition | null = null;

  /** What a guest does to its own memory stops its ring, not us. */
  function guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof GuestMemoryError)) throw error;
      give(error.message);
    }
  }

  function opened(): DeviceQueue | null {
    try {
      return openDeviceQueue(memory, config);
    } catch (error) {
      if (!(error instanceof GuestMemoryError) && !(error instanceof RangeError)) throw error;
      give(error.message);
      return null;
    }
  }

  /** No more is taken from this ring. */
  function give(reason: string): void {
    log(`${name} is stopped: ${reason}`);
    if (ring.errorFd !== null) notify(ring.errorFd);
    halt();
  }

  function halt(): void {
    clearTimeout(again);
    if (watched !== null) poller.remove(watched);
    watched = null;
  }

  /** A full counter means that the driver has a call waiting already. */
  function notify(fd: number): void {
    try {
      sys.signal(fd);
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      if (error.errno !== "EAGAIN") log(`${name}: ${error.message}`);
    }
  }

  /** Of a socket whose other end is closed, POLLIN comes along, again and again. */
  function woken(revents: number): void {
    if (revents !== POLLIN) return give("its kick fd is closed");
    if (watched !== null && drained(watched)) guarded(look);
  }

  /** Nobody says what else a front-end sent as its kick fd: one that can not be read is no reason to die. */
  function drained(fd: number): boolean {
    try {
      sys.drain(fd);
      return true;
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      give(`its kick fd can not be read: ${error.message}`);
      return false;
    }
  }

  function look(): void {
    for (let round = 0; round < ROUNDS && queue !== null && watched !== null; round++) {
      context.serve(turn(queue));
      if (queue.inFlight > 0) throw new Error(`onQueue kept ${queue.inFlight} buffers of ${name}`);
      if (queue.publish() && ring.callFd !== null) notify(ring.callFd);
      if (queue.broken !== null) return give(`${queue.broken.code}: ${queue.broken.text}`);
      if (!queue.enableKicks()) return;
    }
    clearTimeout(again);
    if (watched !== null) again = setTimeout(later, 0);
  }

  function later(): void {
    try {
      guarded(look);
    } catch (error) {
      context.fail(error);
    }
  }

  function turn(own: DeviceQueue): ServedQueue {
    let left = own.config.size;
    const take = (): TakenBuffer | null => {
      while (left-- > 0) {
        const buffer = own.take();
        if (buffer === null || buffer.findings.length === 0) return buffer;
        log(`${name}: ${buffer.findings[0].code}: ${buffer.findings[0].text}`);
        own.giveBack(buffer, 0);
      }
      return null;
    };
    const giveBack = (buffer: TakenBuffer, written: number) => own.giveBack(buffer, written);
    return { index: ring.index, memory, take, giveBack };
  }

  return {
    get position() {
      return last ?? position();
    },
    enable(wanted) {
      if (wanted === enabled || queue === null) return;
      enabled = wanted;
      if (!wanted) return halt();
      watched = ring.kickFd;
      if (watched === null) return give("it has no kick fd, and we do not poll");
      poller.add(watched, POLLIN, woken);
      // What was made available before the kick fd came.
      again = setTimeout(later, 0);
    },
    rewire: (changed) => void (ring = changed),
    stop() {
      last = position();
      halt();
      queue = null;
    },
  };
}
