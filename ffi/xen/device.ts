/**
 * Opening Xen's device nodes, and their ioctls with errors that name the object and the remedy.
 *
 * @module
 */
import { O_RDONLY, O_RDWR } from "../constants.ts";
import { isErrno, SyscallError } from "../errno.ts";
import type { Sys } from "../sys.ts";
import { IOCTL, type XenIoctl } from "./layout.ts";

/** How often a call that a signal interrupts, or that asks to be made again, is made again. */
export const RETRY_LIMIT = 100;

/** One open node under /dev/xen. */
export interface XenDevice extends Disposable {
  readonly fd: number;
  readonly path: string;
  /**
   * Calls an ioctl; `object` is for the error: `domain 3, 64 frames`. EINTR and EAGAIN are retried
   * within a bound. `remedies` maps an errno's name to what the operator can do about it.
   */
  ioctl(
    name: XenIoctl,
    argument: Uint8Array | bigint,
    object: string,
    remedies?: { readonly [errno: string]: string },
  ): number;
}

const OPEN_REMEDIES: { readonly [errno: string]: string } = {
  ENOENT: "no Xen here, or its kernel module is not loaded (modprobe the node's module in dom0)",
  ENODEV: "this kernel does not run on Xen",
  ENXIO: "this kernel does not run on Xen",
  EACCES: "run as root: Xen's device nodes are for root alone",
  EPERM: "run as root: Xen's device nodes are for root alone",
};

/**
 * Opens the first path that exists, read-only unless `write`. Throws `SyscallError` with the remedy
 * for the first path.
 */
export function openXenDevice(sys: Sys, paths: readonly string[], write: boolean): XenDevice {
  const path = paths.find((candidate) => exists(sys, candidate)) ?? paths[0];
  const fd = open(sys, path, write);
  return {
    fd,
    path,
    ioctl: (name, argument, object, remedies = {}) =>
      call(sys, fd, name, argument, object, remedies),
    [Symbol.dispose]: () => sys.close(fd),
  };
}

function exists(sys: Sys, path: string): boolean {
  try {
    sys.stat(path);
    return true;
  } catch {
    return false;
  }
}

function open(sys: Sys, path: string, write: boolean): number {
  try {
    return sys.open(path, write ? O_RDWR : O_RDONLY);
  } catch (error) {
    if (!isErrno(error)) throw error;
    throw new SyscallError("open", error.errno, path, OPEN_REMEDIES[error.errno] ?? "");
  }
}

function call(
  sys: Sys,
  fd: number,
  name: XenIoctl,
  argument: Uint8Array | bigint,
  object: string,
  remedies: { readonly [errno: string]: string },
): number {
  for (let attempt = 0;; attempt++) {
    try {
      return sys.ioctl(fd, IOCTL[name], `IOCTL_${name}`, argument);
    } catch (error) {
      if (!isErrno(error)) throw error;
      if (isErrno(error, "EINTR", "EAGAIN") && attempt < RETRY_LIMIT) continue;
      const subject = `IOCTL_${name} (${object})`;
      throw new SyscallError("ioctl", error.errno, subject, remedies[error.errno] ?? "");
    }
  }
}

/** Sleeps without giving up the thread: for the short waits between retries. */
export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
