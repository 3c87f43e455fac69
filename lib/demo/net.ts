/**
 * The demo's networks: the driver sends frames, the device answers each of them. Layouts are those
 * of virtio 1.4, 5.1.6 (header of 12 bytes, frame) and 5.1.6.5 (class, command, data, ack).
 *
 * @module
 */
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import { readFrom, type TakenBuffer, writeTo } from "../ring/device_queue.ts";
import { answer, frame } from "./frames.ts";
import {
  beginsWith,
  type Job,
  type Service,
  type Slot,
  usualLatency,
  type Workload,
} from "./workload.ts";

const HEADER = 12;
/** Header and the longest Ethernet frame. */
const RX_LENGTH = HEADER + 1514;
/** Frames that wait for the other side at most. */
const OUTBOX_LIMIT = 1024;
/** Acks of the control queue. */
const [OK, ERROR] = [0, 1];

/** Frames that the driver expects back, oldest first. */
export type Expected = Uint8Array[];

/** Sends frames: direct or in indirect tables in turns, header and frame apart where it is direct. */
export class TxWorkload implements Workload {
  readonly depth = 24;
  #count = 0;

  constructor(readonly expected: Expected, readonly alwaysIndirect: boolean) {}

  perSecond(rate: number): number {
    return rate;
  }

  next(slot: Slot): Job {
    const n = this.#count++;
    const bytes = frame(n);
    const reply = answer(bytes);
    if (reply !== null && this.expected.length < OUTBOX_LIMIT) this.expected.push(reply);
    slot.write(0, new Uint8Array(HEADER));
    slot.write(HEADER, bytes);
    const segments = [
      slot.segment(0, HEADER, false),
      slot.segment(HEADER, bytes.length, false),
    ];
    const indirect = this.alwaysIndirect || n % 2 === 1;
    return { segments, indirect, verify: (written) => written === 0 };
  }
}

/** Keeps buffers posted for what comes in, and compares it with what should. */
export class RxWorkload implements Workload {
  readonly depth = 32;

  constructor(readonly expected: Expected) {}

  perSecond(): number {
    return Infinity;
  }

  next(slot: Slot): Job {
    const verify = (written: number | null) => {
      const wanted = this.expected.shift();
      if (wanted === undefined || written !== HEADER + wanted.length) return false;
      return beginsWith(slot.read(HEADER, wanted.length), wanted);
    };
    return { segments: [slot.segment(0, RX_LENGTH, true)], indirect: false, verify };
  }
}

/** Turns promiscuous mode on and off, every second: class 0 (RX), command 0. */
export class CtrlWorkload implements Workload {
  readonly depth = 1;
  #count = 0;

  perSecond(): number {
    return 1;
  }

  next(slot: Slot): Job {
    slot.write(0, new Uint8Array([0, 0, this.#count++ % 2, 0xff]));
    const segments = [slot.segment(0, 3, false), slot.segment(3, 1, true)];
    const verify = (written: number | null) => written === 1 && slot.read(3, 1)[0] === OK;
    return { segments, indirect: true, verify };
  }
}

/** Frames from a transmit queue's service to the receive queue's. */
export type Outbox = Uint8Array[];

/** Takes frames off the transmit queue and puts answers into the outbox. */
export class TxService implements Service {
  constructor(readonly memory: WritableGuestMemory, readonly outbox: Outbox) {}

  latency(rate: number): number {
    return usualLatency(rate);
  }

  serve(buffer: TakenBuffer): number {
    const bytes = new Uint8Array(Math.max(0, Math.min(buffer.readable, RX_LENGTH) - HEADER));
    readFrom(this.memory, buffer, HEADER, bytes);
    const reply = answer(bytes);
    if (reply !== null && this.outbox.length < OUTBOX_LIMIT) this.outbox.push(reply);
    return 0;
  }
}

/** Fills posted buffers with the outbox's frames. */
export class RxService implements Service {
  constructor(readonly memory: WritableGuestMemory, readonly outbox: Outbox) {}

  latency(): number {
    return 0;
  }

  serve(buffer: TakenBuffer): number | null {
    const reply = this.outbox.shift();
    if (reply === undefined) return null;
    const bytes = new Uint8Array(HEADER + reply.length);
    // num_buffers is 1 where buffers are not merged (5.1.6.4).
    bytes[10] = 1;
    bytes.set(reply, HEADER);
    return writeTo(this.memory, buffer, 0, bytes.subarray(0, buffer.writable));
  }
}

/** Acknowledges commands of class 0. */
export class CtrlService implements Service {
  constructor(readonly memory: WritableGuestMemory) {}

  latency(): number {
    return 1;
  }

  serve(buffer: TakenBuffer): number {
    const command = new Uint8Array(2);
    const known = readFrom(this.memory, buffer, 0, command) === 2 && command[0] === 0;
    return writeTo(this.memory, buffer, 0, new Uint8Array([known ? OK : ERROR]));
  }
}
