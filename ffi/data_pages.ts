/**
 * Remembers which pages of a sparse file are known to hold data, so that reading them in place
 * allocates nothing. Asking the kernel costs a system call; asking again costs a few nanoseconds.
 *
 * What is known grows old: a balloon may punch a page out later, and touching it would then allocate
 * it anew. So answers are kept for about a second, and only small reads rely on them.
 *
 * @module
 */
import { O_CLOEXEC, O_RDONLY, SEEK_DATA, SEEK_HOLE } from "./constants.ts";
import { isErrno } from "./errno.ts";
import type { Sys } from "./sys.ts";

/** Pages remembered at most: one slot each, the newest page wins. A power of two, as all lengths are. */
const SLOTS = 1 << 16;
/** Ranges of more pages than this are asked for as one extent. */
const MANY_PAGES = 64;
/** How long an answer holds, in milliseconds. */
const MAX_AGE_MS = 1000;
/** Reading the clock costs more than a check: only every so many checks look at it. */
const CLOCK_EVERY = 64;

/** Pages whose presence is asked for at once, once so many of them were asked for one by one. */
const WINDOW = 512;
const SINGLY = 8;
/** Our page table, 8 bytes per page (proc_pid_pagemap(5)), and its bit 63 in the last of them. */
const PAGE_TABLE = "/proc/self/pagemap";
const ENTRY = 8;
const PRESENT = 0x80;

/** The calls it makes. */
export type DataPagesSys = Pick<Sys, "lseek" | "pageSize" | "open" | "pread" | "close">;

/** Known data pages of `length` bytes of `fd`, from file offset `base` (a multiple of a page) on. */
export class DataPages {
  readonly #sys: DataPagesSys;
  readonly #fd: number;
  readonly #base: number;
  readonly #length: number;
  readonly #pageSize: number;
  /** Slot → page number + 1; 0 is empty. As many as there are pages, where they are few. */
  readonly #slots: Float64Array;
  readonly #now: () => number;
  /** Page number of what is mapped first, in this process; null where nothing is. */
  readonly #mapped: number | null;
  /** The window that was asked about last, page by page, and how often. */
  #window = -1;
  #singly = 0;
  #extentStart = 0;
  #extentEnd = 0;
  #since: number;
  #checks = 0;

  /**
   * `address` is where `base` is mapped, if it is. `now` is the clock, in milliseconds, for tests to
   * move.
   */
  constructor(
    sys: DataPagesSys,
    fd: number,
    base: number,
    length: number,
    now: () => number = () => performance.now(),
    address: bigint | null = null,
  ) {
    this.#mapped = address === null ? null : Number(address / BigInt(sys.pageSize));
    this.#now = now;
    this.#since = now();
    this.#sys = sys;
    this.#fd = fd;
    this.#base = base;
    this.#length = length;
    this.#pageSize = sys.pageSize;
    let slots = 1;
    while (slots < SLOTS && slots * this.#pageSize < length) slots *= 2;
    this.#slots = new Float64Array(slots);
  }

  /** Whether [offset, offset + length) lies inside and every page of it holds data. */
  hold(offset: number, length: number): boolean {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.#length)) return false;
    if (++this.#checks % CLOCK_EVERY === 0) this.#forgetOld();
    const first = Math.floor(offset / this.#pageSize);
    const last = Math.floor((offset + Math.max(length, 1) - 1) / this.#pageSize);
    if (last - first > MANY_PAGES) return this.#extentHolds(offset, offset + length);
    const mask = this.#slots.length - 1;
    for (let page = first; page <= last; page++) {
      if (this.#slots[page & mask] !== page + 1 && !this.#probe(page)) return false;
    }
    return true;
  }

  /** Forgets everything, so that the next check asks the kernel. */
  forget(): void {
    this.#slots.fill(0);
    this.#extentStart = this.#extentEnd = 0;
    this.#window = -1;
    this.#since = this.#now();
  }

  #forgetOld(): void {
    if (this.#now() - this.#since > MAX_AGE_MS) this.forget();
  }

  /** One SEEK_DATA at the page: it answers with the same offset where the page is there. */
  #probe(page: number): boolean {
    const offset = this.#base + page * this.#pageSize;
    if (this.#seek(offset, SEEK_DATA) !== offset) return false;
    this.#slots[page & (this.#slots.length - 1)] = page + 1;
    this.#lookAround(page);
    return true;
  }

  /**
   * Where page after page is asked for, those that our page table has: each of them is there, or a
   * punch would have taken it out of the table. Others are asked for one by one.
   */
  #lookAround(page: number): void {
    const window = Math.floor(page / WINDOW);
    if (window !== this.#window) this.#singly = 0;
    this.#window = window;
    if (this.#mapped === null || ++this.#singly !== SINGLY) return;
    const first = window * WINDOW;
    const count = Math.min(WINDOW, Math.ceil(this.#length / this.#pageSize) - first);
    const entries = new Uint8Array(count * ENTRY);
    const read = this.#readPageTable(entries, (this.#mapped + first) * ENTRY);
    for (let at = 0; at + ENTRY <= read; at += ENTRY) {
      const present = (entries[at + ENTRY - 1] & PRESENT) !== 0;
      const near = first + at / ENTRY;
      if (present) this.#slots[near & (this.#slots.length - 1)] = near + 1;
    }
  }

  /** Bytes read; 0 where there is no page table to read. */
  #readPageTable(entries: Uint8Array, offset: number): number {
    try {
      const fd = this.#sys.open(PAGE_TABLE, O_RDONLY | O_CLOEXEC);
      try {
        return this.#sys.pread(fd, entries, offset);
      } finally {
        this.#sys.close(fd);
      }
    } catch (error) {
      if (isErrno(error)) return 0;
      throw error;
    }
  }

  #extentHolds(start: number, end: number): boolean {
    if (start >= this.#extentStart && end <= this.#extentEnd) return true;
    const from = start - start % this.#pageSize;
    const hole = this.#seek(this.#base + from, SEEK_HOLE);
    if (hole === null || hole - this.#base < end) return false;
    this.#extentStart = from;
    this.#extentEnd = hole - this.#base;
    return true;
  }

  /** null where nothing follows, or the file system does not know. */
  #seek(offset: number, whence: number): number | null {
    try {
      return this.#sys.lseek(this.#fd, offset, whence);
    } catch (error) {
      if (isErrno(error)) return null;
      throw error;
    }
  }
}
