/**
 * Memory of another process that no file backs (QEMU with share=off), read by process_vm_readv.
 *
 * Satisfies `Backing` of lib/memory/backing.ts.
 *
 * @module
 */
import { POLLIN } from "./constants.ts";
import { Fd } from "./fd.ts";
import { checkRange, errnoOf, type Span, within } from "./file_backing.ts";
import { SyscallError } from "./errno.ts";
import type { Guarded } from "./scratch.ts";
import type { Sys } from "./sys.ts";
import { TouchedPages, type TouchedPagesSys } from "./touched_pages.ts";

/** The calls it makes. */
export type ProcessBackingSys =
  & TouchedPagesSys
  & Pick<Sys, "pidfdOpen" | "pollNow" | "processVmReadv">;

/** What to read. */
export interface ProcessBackingOptions {
  readonly sys: ProcessBackingSys;
  readonly pid: number;
  /** Where the memory begins in that process. */
  readonly address: bigint;
  /** Bytes; more than 0. */
  readonly length: number;
  readonly label: string;
  /** For `pageSize`; default the machine's. */
  readonly pageSize?: number;
  /** All of it is private and no file's: pages that were never written are zeros. Default false. */
  readonly anonymous?: boolean;
}

/** Reads a range of another process. Holds a pidfd, so that a reused pid is never read. */
export class ProcessBacking implements Disposable {
  readonly length: number;
  readonly label: string;
  readonly pageSize: number;
  /** How bytes are read, for people. */
  get how(): string {
    const { pid, address } = this.#options;
    return `read by process_vm_readv of process ${pid} from 0x${
      address.toString(16)
    } on: no file backs it`;
  }
  readonly #options: ProcessBackingOptions;
  readonly #pidfd: Fd;
  readonly #touched: TouchedPages | null;

  /** Throws SyscallError ESRCH where no such process is, RangeError for a range that is none. */
  constructor(options: ProcessBackingOptions) {
    const { sys, pid, address, length, label, anonymous = false } = options;
    checkRange(0, length);
    this.length = length;
    this.label = label;
    this.pageSize = options.pageSize ?? sys.pageSize;
    this.#options = options;
    using undo = new DisposableStack();
    this.#pidfd = undo.use(new Fd(sys, sys.pidfdOpen(pid)));
    this.#touched = anonymous ? touchedPages(sys, pid, address, length) : null;
    undo.move();
  }

  /**
   * Copies from `offset`: short with `EFAULT` where nothing is mapped there, `EPERM` where we may
   * not look, 0 bytes with `ESRCH` once the process has ended.
   */
  copy(offset: number, target: Uint8Array): Guarded {
    const pidfd = this.#pidfd.number;
    const wanted = within(this.length, offset, target.length);
    const copied = this.#read(offset, target.subarray(0, wanted));
    // Asked afterwards: bytes of a process that took over the pid can not pass.
    const ended = this.#options.sys.pollNow([{ fd: pidfd, events: POLLIN }])[0] !== 0;
    if (ended) return { length: 0, errno: "ESRCH" };
    if (copied.errno !== null || wanted === target.length) return copied;
    return { length: copied.length, errno: "EFAULT" };
  }

  /** Always null: nothing is mapped here. */
  live(_offset: number, _length: number): null {
    return null;
  }

  /** Pages that were ever written, of anonymous memory; else all that is left. */
  nextData(offset: number): Span | null {
    if (offset >= this.length) return null;
    const all = { start: Math.max(0, offset), end: this.length };
    if (this.#touched === null) return all;
    try {
      return this.#touched.next(offset);
    } catch (error) {
      // A process that has ended: reading says so.
      if (!(error instanceof SyscallError)) throw error;
      return all;
    }
  }

  /** Closes the pidfd; nothing the second time. */
  close(): void {
    this.#pidfd.close();
    this.#touched?.[Symbol.dispose]();
  }

  /** {@linkcode ProcessBacking.close} */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Goes on after a short count: the next call starts at the bad page and names the errno. */
  #read(offset: number, target: Uint8Array): Guarded {
    const { sys, pid, address } = this.#options;
    let length = 0;
    try {
      while (length < target.length) {
        const from = address + BigInt(offset + length);
        const got = sys.processVmReadv(pid, from, target.subarray(length));
        if (got === 0) return { length, errno: "EFAULT" };
        length += got;
      }
      return { length, errno: null };
    } catch (error) {
      return { length, errno: errnoOf(error) };
    }
  }
}

/** Null where that is not ours to see: then all of it is read. */
function touchedPages(
  sys: TouchedPagesSys,
  pid: number,
  address: bigint,
  length: number,
): TouchedPages | null {
  try {
    return new TouchedPages(sys, pid, address, length);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return null;
  }
}
