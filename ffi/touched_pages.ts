/**
 * Which pages of another process's anonymous memory were ever written: the others are zeros, and
 * reading them would make the kernel allocate them (proc_pid_pagemap(5)).
 *
 * @module
 */
import { O_RDONLY } from "./constants.ts";
import { Fd } from "./fd.ts";
import type { Span } from "./file_backing.ts";
import type { Sys } from "./sys.ts";

/** The calls it makes. */
export type TouchedPagesSys = Pick<Sys, "open" | "close" | "pread" | "pageSize">;

/** Bytes of an entry. */
const ENTRY = 8;
/** Entries read at a time: 16 MiB of memory. */
const ENTRIES = 4096;
/** Bits 63 (present) and 62 (swapped), as they stand in an entry's upper half. */
const PRESENT_OR_SWAPPED = 30;

/** Looks at [address, address + length) of a process. */
export class TouchedPages implements Disposable {
  readonly #sys: TouchedPagesSys;
  readonly #file: Fd;
  readonly #address: number;
  readonly #length: number;
  readonly #bytes = new Uint8Array(ENTRY * ENTRIES);
  readonly #halves = new Uint32Array(this.#bytes.buffer);

  /** Throws SyscallError where the process may not be looked at. */
  constructor(sys: TouchedPagesSys, pid: number, address: bigint, length: number) {
    this.#sys = sys;
    this.#address = Number(address);
    this.#length = length;
    this.#file = new Fd(sys, sys.open(`/proc/${pid}/pagemap`, O_RDONLY));
  }

  /**
   * The first stretch of offsets that ends after `offset` and holds touched pages, or null. Long ones
   * come in parts. What can not be told counts as touched. Throws SyscallError.
   */
  next(offset: number): Span | null {
    const { pageSize } = this.#sys;
    const end = Math.ceil((this.#address + this.#length) / pageSize);
    let page = Math.floor((this.#address + Math.max(0, offset)) / pageSize);
    while (page < end) {
      const count = this.#read(page, Math.min(ENTRIES, end - page));
      if (count === 0) return { start: Math.max(0, offset), end: this.#length };
      const first = this.#find(0, count, true);
      if (first < count) {
        return this.#span(page + first, page + this.#find(first, count, false), offset);
      }
      page += count;
    }
    return null;
  }

  /** Nothing the second time. */
  [Symbol.dispose](): void {
    this.#file.close();
  }

  /** How many entries came. */
  #read(page: number, count: number): number {
    const target = this.#bytes.subarray(0, count * ENTRY);
    return Math.floor(this.#sys.pread(this.#file.number, target, page * ENTRY) / ENTRY);
  }

  #find(from: number, count: number, touched: boolean): number {
    let at = from;
    while (at < count && (this.#halves[2 * at + 1] >>> PRESENT_OR_SWAPPED !== 0) !== touched) at++;
    return at;
  }

  #span(first: number, last: number, offset: number): Span {
    const { pageSize } = this.#sys;
    const place = (page: number) => page * pageSize - this.#address;
    return {
      start: Math.max(0, offset, place(first)),
      end: Math.min(this.#length, place(last)),
    };
  }
}
