/**
 * Other processes, for the real `Sys`.
 *
 * @module
 */
import { check, MAX_COUNT, retry } from "./call.ts";
import { SYS_pidfd_getfd, SYS_pidfd_open } from "./constants.ts";
import type { Libc } from "./libc.ts";
import { addressOf, vector } from "./socket_message.ts";
import type { ProcessCalls } from "./sys.ts";

/** The process calls over the C library. */
export function processCalls(c: Libc): ProcessCalls {
  const getfd = (pidfd: number, fd: number) =>
    c.syscall(BigInt(SYS_pidfd_getfd), BigInt(pidfd), BigInt(fd), 0n);
  return {
    pid: c.getpid(),
    uid: c.geteuid(),
    pidfdOpen: (pid) =>
      check(c.syscall(BigInt(SYS_pidfd_open), BigInt(pid), 0n, 0n), "pidfd_open", `pid ${pid}`),
    pidfdGetfd: (pidfd, fd) => check(getfd(pidfd, fd), "pidfd_getfd", `fd ${fd} of pidfd ${pidfd}`),
    processVmReadv: (pid, address, target) =>
      transfer(c.process_vm_readv, "process_vm_readv", pid, address, target),
    processVmWritev: (pid, address, source) =>
      transfer(c.process_vm_writev, "process_vm_writev", pid, address, source),
    killGroup: (signal) => void check(c.kill(0, signal), "kill", `process group, ${signal}`),
  };
}

function transfer(
  run: Libc["process_vm_readv"],
  call: string,
  pid: number,
  address: bigint,
  bytes: Uint8Array,
): number {
  const length = Math.min(bytes.length, MAX_COUNT);
  const local = vector(addressOf(bytes), length);
  const remote = vector(address, length);
  const moved = retry(
    call,
    `pid ${pid} at 0x${address.toString(16)}`,
    () => run(pid, local, 1n, remote, 1n, 0n),
  );
  // SAFETY: `bytes` is used after the call, so that no collection takes it before.
  return Math.min(moved, bytes.length);
}
