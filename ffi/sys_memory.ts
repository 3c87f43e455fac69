/**
 * Memory, ioctls and eventfds of the real `Sys`.
 *
 * @module
 */
import { check, cString, failure, retryOrNull } from "./call.ts";
import {
  EFD_CLOEXEC,
  MAP_FAILED,
  MFD_CLOEXEC,
  POLLIN,
  POLLOUT,
  RWF_NOWAIT,
  SC_PAGESIZE,
} from "./constants.ts";
import { isErrno, SyscallError } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { openScratch, type Scratch } from "./scratch.ts";
import { addressOf, vector } from "./socket_message.ts";
import type { DeviceCalls, MemoryCalls, PollCalls } from "./sys.ts";

/** The memory calls over the C library. */
export function memoryCalls(c: Libc): MemoryCalls {
  let opened: Scratch | null = null;
  const scratch = () => opened ??= openScratch(c);
  return {
    pageSize: Number(c.sysconf(SC_PAGESIZE)),
    memfd: (name, flags) =>
      check(c.memfd_create(cString(name), flags | MFD_CLOEXEC), "memfd_create", name),
    mmap(length, protection, flags, fd, offset) {
      const address = c.mmap(0n, BigInt(length), protection, flags, fd, BigInt(offset));
      if (address === MAP_FAILED) throw failure("mmap", fd);
      return address;
    },
    munmap: (address, length) =>
      void check(c.munmap(address, BigInt(length)), "munmap", `${length} bytes`),
    view: viewOf,
    copyOut: (address, target) => scratch().copyOut(address, target),
    copyIn: (address, source) => scratch().copyIn(address, source),
    find(address, length, pattern) {
      const bytes = pattern as Uint8Array<ArrayBuffer>;
      const hit = c.memmem(address, BigInt(length), bytes, BigInt(pattern.length));
      return hit === 0n ? -1 : Number(hit - address);
    },
    trimHeap: () => void c.malloc_trim(0n),
  };
}

function viewOf(address: bigint, length: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(address);
  if (pointer === null) throw new RangeError("view of the null address");
  // SAFETY: the caller owns the mapping, and detaches this buffer before it unmaps.
  return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
}

/**
 * ioctl and eventfds over the C library. `pollNow` keeps a blocking eventfd from hanging us; where a
 * peer that shares it takes the counter between the poll and the read, RWF_NOWAIT does.
 */
export function deviceCalls(c: Libc, pollNow: PollCalls["pollNow"]): DeviceCalls {
  const counter = new BigUint64Array(1);
  const counterVector = vector(addressOf(new Uint8Array(counter.buffer)), 8);
  const ready = (fd: number, events: number) => (pollNow([{ fd, events }])[0] & events) !== 0;
  const takeCounter = (fd: number) => {
    try {
      const wait = RWF_NOWAIT;
      return retryOrNull("read", fd, () => c.preadv2(fd, counterVector, 1, -1n, wait));
    } catch (error) {
      // A kind of file, or a kernel, that does not know the flag.
      if (!isErrno(error, "EOPNOTSUPP", "ENOSYS")) throw error;
      return retryOrNull("read", fd, () => c.read(fd, counter, 8n));
    }
  };
  return {
    ioctl: (fd, request, name, argument) => callIoctl(c, fd, request, name, argument),
    eventfd: (initial, flags) => check(c.eventfd(initial, flags | EFD_CLOEXEC), "eventfd", ""),
    signal(fd, count = 1n) {
      counter[0] = count;
      const wrote = ready(fd, POLLOUT)
        ? retryOrNull("write", fd, () => c.write(fd, counter, 8n))
        : null;
      if (wrote === null) throw new SyscallError("write", "EAGAIN", fd, "its counter is full");
    },
    drain(fd) {
      if (!ready(fd, POLLIN)) return 0n;
      const got = takeCounter(fd);
      return got === null ? 0n : counter[0];
    },
  };
}

/** Not retried on EINTR: whether that is safe is known to the driver's caller only. */
function callIoctl(
  c: Libc,
  fd: number,
  request: number,
  name: string,
  argument: Uint8Array | bigint,
): number {
  const code = BigInt(request);
  const result = typeof argument === "bigint"
    ? c.ioctl_value(fd, code, argument)
    : c.ioctl(fd, code, argument as Uint8Array<ArrayBuffer>);
  return check(result, "ioctl", name);
}
