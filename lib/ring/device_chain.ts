/**
 * Collects a buffer's segments for the device's side, with every check that a hostile driver makes
 * necessary: virtio 1.4, 2.7.4 to 2.7.5 and 2.8.4 to 2.8.7.
 *
 * @module
 */
import { ADDRESS_LIMIT, hex } from "../address.ts";
import type { Finding, FindingCode } from "../finding.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RingFormat } from "./config.ts";
import type { TakenBuffer } from "./device_queue.ts";
import { MAX_CHAIN_BYTES, MAX_TABLE_ENTRIES } from "./limits.ts";
import { addressIn, type Segment } from "./queue_areas.ts";
import { finding } from "./sections.ts";
import { DESC_F, DESCRIPTOR_LENGTH } from "./spec.ts";

/** A buffer in the making. The first finding ends it. */
export class ChainCollector {
  readonly #segments: Segment[] = [];
  readonly #findings: Finding[] = [];
  #readable = 0;
  #writable = 0;

  constructor(readonly memory: GuestMemory, readonly format: RingFormat) {}

  /** False once something is wrong. */
  get good(): boolean {
    return this.#findings.length === 0;
  }

  /** Adds the descriptor in `words`, copied before, unless it breaks a rule. */
  add(words: Uint32Array, flags: number, place: string): void {
    const segment = {
      address: addressIn(words),
      length: words[2],
      writable: (flags & DESC_F.WRITE) !== 0,
    };
    if (!this.#check(segment, place)) return;
    this.#segments.push(segment);
    if (segment.writable) this.#writable += segment.length;
    else this.#readable += segment.length;
  }

  /** Adds the entries of an indirect table that the descriptor in `words` refers to. */
  addTable(words: Uint32Array, allowed: boolean, withNext: boolean, place: string): void {
    const [address, length] = [addressIn(words), words[2]];
    const entries = length / DESCRIPTOR_LENGTH;
    if (!allowed) return this.fault("indirect-not-negotiated", place, "INDIRECT in a descriptor");
    if (withNext) return this.fault("indirect-with-next", place, "INDIRECT together with NEXT");
    if (length === 0) return this.fault("indirect-empty", place, "table of 0 bytes");
    if (!Number.isInteger(entries)) return this.fault("indirect-length", place, `${length} bytes`);
    if (entries > MAX_TABLE_ENTRIES) {
      return this.fault("indirect-too-long", place, `${entries} entries`);
    }
    const table = new Uint32Array(entries * 4);
    const missing = address + BigInt(length) > ADDRESS_LIMIT ||
      this.memory.copy(address, new Uint8Array(table.buffer)) !== null;
    if (missing) return this.fault("indirect-outside-memory", place, `table at ${hex(address)}`);
    if (this.format === "split") this.#linked(table, entries, place);
    else this.#consecutive(table, entries, place);
  }

  /** Notes what is wrong. */
  fault(code: FindingCode, place: string, text: string): void {
    this.#findings.push(finding(this.format, code, place, text));
  }

  /** What was collected. */
  done(id: number, count: number): TakenBuffer {
    return {
      id,
      count,
      segments: this.#segments,
      readable: this.#readable,
      writable: this.#writable,
      findings: this.#findings,
    };
  }

  #linked(table: Uint32Array, entries: number, place: string): void {
    let index = 0;
    for (let visited = 0; visited < entries; visited++) {
      const flags = table[index * 4 + 3] & 0xffff;
      if (!this.#entry(table, index, flags, place)) return;
      if ((flags & DESC_F.NEXT) === 0) return;
      index = table[index * 4 + 3] >>> 16;
      if (index >= entries) return this.fault("next-out-of-range", place, `entry ${index}`);
    }
    this.fault("loop", place, `the table's ${entries} entries have no end`);
  }

  #consecutive(table: Uint32Array, entries: number, place: string): void {
    for (let index = 0; index < entries; index++) {
      if (!this.#entry(table, index, table[index * 4 + 3] >>> 16, place)) return;
    }
  }

  #entry(table: Uint32Array, index: number, flags: number, place: string): boolean {
    const here = `${place}, entry ${index}`;
    if ((flags & DESC_F.INDIRECT) !== 0) this.fault("indirect-nested", here, "a table in a table");
    else this.add(table.subarray(index * 4, index * 4 + 4), flags, here);
    return this.good;
  }

  #check({ address, length, writable }: Segment, place: string): boolean {
    const total = this.#readable + this.#writable + length;
    if (length === 0) this.fault("zero-length", place, "a buffer of 0 bytes");
    else if (!writable && this.#writable > 0) {
      this.fault("readable-after-writable", place, "a readable buffer after a writable one");
    } else if (total > MAX_CHAIN_BYTES) this.fault("length-too-large", place, `${total} bytes`);
    else if (address + BigInt(length) > ADDRESS_LIMIT) {
      this.fault("address-overflow", place, `${hex(address)} + ${hex(length)}`);
    } else if (this.memory.status(address, BigInt(length)) !== "ok") {
      this.fault("address-outside-memory", place, `${hex(address)} + ${hex(length)}`);
    }
    return this.good;
  }
}
