/**
 * The demo's disks: what the driver asks of them, and what they do. Layouts are those of virtio 1.4,
 * 5.2.6: a header (type u32, reserved u32, sector u64), data, and a status byte.
 *
 * @module
 */
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import { readFrom, type TakenBuffer, writeTo } from "../ring/device_queue.ts";
import type { Segment } from "../ring/driver_queue.ts";
import {
  beginsWith,
  type Job,
  type Service,
  type Slot,
  usualLatency,
  type Workload,
} from "./workload.ts";

/** Request types. */
const [IN, OUT, FLUSH, GET_ID] = [0, 1, 4, 8];
/** Status bytes. */
const [OK, IOERR, UNSUPP] = [0, 1, 2];

const SECTOR = 512;
/** Sectors of a disk: 1 MiB. */
const CAPACITY = 2048;
const [HEADER, ID] = [16, 20];
/** Offsets in a slot. */
const AT = { header: 0, status: 32, data: 0x1000 } as const;

interface Request {
  readonly type: number;
  readonly sector: number;
  /** Bytes of the data part. */
  readonly length: number;
}

/** Writes, reads what it wrote, flushes, and asks for the disk's name. */
export class BlkWorkload implements Workload {
  readonly depth = 24;
  readonly #model = new Uint8Array(CAPACITY * SECTOR);
  #count = 0;

  /** With `alwaysIndirect` every request takes one descriptor of the ring, else every second. */
  constructor(readonly id: string, readonly alwaysIndirect: boolean) {}

  perSecond(rate: number): number {
    return rate;
  }

  next(slot: Slot): Job {
    const n = this.#count++;
    const request = requestOf(n);
    const expected = this.#apply(request, n);
    slot.write(AT.header, headerOf(request));
    slot.write(AT.status, new Uint8Array([0xff]));
    if (request.type === OUT) slot.write(AT.data, expected);
    const segments = [
      slot.segment(AT.header, HEADER, false),
      ...dataSegments(slot, request, n),
      slot.segment(AT.status, 1, true),
    ];
    const verify = (written: number | null) => this.#verify(slot, request, expected, written);
    return { segments, indirect: this.alwaysIndirect || n % 2 === 1, verify };
  }

  /** The data that a request carries or should bring. Requests are served in order. */
  #apply({ type, sector, length }: Request, n: number): Uint8Array {
    if (type === GET_ID) return nameOf(this.id);
    const data = this.#model.subarray(sector * SECTOR, sector * SECTOR + length);
    if (type === OUT) { for (let at = 0; at < length; at++) data[at] = n + at * 7; }
    return data.slice();
  }

  #verify(slot: Slot, request: Request, expected: Uint8Array, written: number | null): boolean {
    const data = request.type === OUT ? 0 : request.length;
    if (written !== data + 1 || slot.read(AT.status, 1)[0] !== OK) return false;
    return data === 0 || beginsWith(slot.read(AT.data, data), expected);
  }
}

/** 1 to 8 sectors, all over the disk; each place is read some requests after it was written. */
function requestOf(n: number): Request {
  if (n % 50 === 49) return { type: GET_ID, sector: 0, length: ID };
  if (n % 20 === 19) return { type: FLUSH, sector: 0, length: 0 };
  const place = n % 2 === 0 ? n : n - 9;
  const sector = (Math.abs(place) * 8 * 31) % CAPACITY;
  return { type: n % 2 === 0 ? OUT : IN, sector, length: (1 + n % 8) * SECTOR };
}

function headerOf({ type, sector }: Request): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER));
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return new Uint8Array(view.buffer);
}

/** In one piece, or two of which the first is a sector. */
function dataSegments(slot: Slot, { type, length }: Request, n: number): Segment[] {
  if (length === 0) return [];
  const writable = type !== OUT;
  if (n % 3 !== 0 || length <= SECTOR) return [slot.segment(AT.data, length, writable)];
  return [
    slot.segment(AT.data, SECTOR, writable),
    slot.segment(AT.data + SECTOR, length - SECTOR, writable),
  ];
}

/** 20 bytes, padded with NUL. */
function nameOf(id: string): Uint8Array {
  const bytes = new Uint8Array(ID);
  new TextEncoder().encodeInto(id, bytes);
  return bytes;
}

/** A disk of 1 MiB in memory. */
export class BlkService implements Service {
  readonly #disk = new Uint8Array(CAPACITY * SECTOR);

  constructor(readonly memory: WritableGuestMemory, readonly id: string) {}

  latency(rate: number): number {
    return usualLatency(rate);
  }

  serve(buffer: TakenBuffer): number {
    const header = new Uint8Array(HEADER);
    if (readFrom(this.memory, buffer, 0, header) < HEADER || buffer.writable < 1) return 0;
    const view = new DataView(header.buffer);
    const sector = Number(view.getBigUint64(8, true));
    const { status, written } = this.#run(buffer, view.getUint32(0, true), sector);
    // The status is the last byte of the writable part (5.2.6).
    writeTo(this.memory, buffer, buffer.writable - 1, new Uint8Array([status]));
    return written + 1;
  }

  #run(buffer: TakenBuffer, type: number, sector: number): { status: number; written: number } {
    const room = buffer.writable - 1;
    const length = type === OUT ? buffer.readable - HEADER : room;
    const outside = sector * SECTOR + length > this.#disk.length;
    if ((type === IN || type === OUT) && outside) return { status: IOERR, written: 0 };
    const data = this.#disk.subarray(sector * SECTOR, sector * SECTOR + length);
    if (type === IN) return { status: OK, written: writeTo(this.memory, buffer, 0, data) };
    if (type === GET_ID) {
      const name = nameOf(this.id).subarray(0, room);
      return { status: OK, written: writeTo(this.memory, buffer, 0, name) };
    }
    if (type === OUT) readFrom(this.memory, buffer, HEADER, data);
    return { status: type === OUT || type === FLUSH ? OK : UNSUPP, written: 0 };
  }
}
