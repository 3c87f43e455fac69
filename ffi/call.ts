/**
 * What the files that implement `Sys` share: a checked call, and strings for C.
 *
 * @module
 */
import { errnoName, type Subject, SyscallError } from "./errno.ts";
import { lastErrno } from "./libc.ts";

const EINTR = 4;
/** Largest count of one read or write (MAX_RW_COUNT of the kernel with 4 KiB pages). */
export const MAX_COUNT = 0x7fff_0000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The error of a call that has just failed. Must be the first thing after it: errno is volatile. */
export function failure(call: string, subject: Subject): SyscallError {
  return new SyscallError(call, errnoName(lastErrno()), subject);
}

/** The result, or the error of a call that returned less than 0. Not retried. */
export function check(result: number, call: string, subject: Subject): number {
  if (result < 0) throw failure(call, subject);
  return result;
}

/** Runs a call again while a signal interrupts it; throws any other failure. */
export function retry(call: string, subject: Subject, run: () => number): number {
  while (true) {
    const result = run();
    if (result >= 0) return result;
    const code = lastErrno();
    if (code !== EINTR) throw new SyscallError(call, errnoName(code), subject);
  }
}

/** `retry` for nonblocking calls: null for EAGAIN. */
export function retryOrNull(call: string, subject: Subject, run: () => number): number | null {
  while (true) {
    const result = run();
    if (result >= 0) return result;
    const name = errnoName(lastErrno());
    if (name === "EAGAIN") return null;
    if (name !== "EINTR") throw new SyscallError(call, name, subject);
  }
}

/** Bytes with a final NUL. Throws TypeError for text that holds one, as C would cut it there. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`NUL in ${JSON.stringify(text)}`);
  return encoder.encode(text + "\0");
}

/** UTF-8 to text; what is not UTF-8 becomes U+FFFD. */
export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Runs `close` where `run` throws, and passes the error on: a half-made fd is not left open. */
export function orClose<T>(close: () => void, run: () => T): T {
  try {
    return run();
  } catch (error) {
    close();
    throw error;
  }
}
