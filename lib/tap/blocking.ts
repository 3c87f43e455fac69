/**
 * Sockets that others will use.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";

/** asm-generic/ioctls.h; the same on x86-64 and aarch64. */
const FIONBIO = 0x5421;

/**
 * Makes a socket block again. All of ours are nonblocking, and that goes with the fd to whoever gets
 * it: DPDK waits for answers in a plain recvmsg and takes EAGAIN for an error.
 */
export function blocking(sys: Pick<Sys, "ioctl">, fd: number): void {
  sys.ioctl(fd, FIONBIO, "FIONBIO", new Uint8Array(4));
}
