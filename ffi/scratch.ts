/**
 * Copies out of and into mapped memory that may vanish while we touch it. A load from a page that a
 * truncation took away is SIGBUS, which no JavaScript survives; the kernel's own copy gives EFAULT
 * or a short count instead. So the kernel copies: `pwrite(memfd, address)` to take bytes out,
 * `pread(memfd, address)` to put bytes in. Works on PFN mappings (devices, Xen) too, where
 * process_vm_readv does not.
 *
 * @module
 */
import { cString, failure, orClose } from "./call.ts";
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  MAP_FAILED,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
} from "./constants.ts";
import type { SyscallError } from "./errno.ts";
import type { Libc } from "./libc.ts";

/** How a guarded copy ended: bytes from the start, and the errno by name of what stopped it. */
export interface Guarded {
  readonly length: number;
  readonly errno: string | null;
}

/** Bytes that one system call moves. */
const CHUNK = 256 * 1024;

/** A memfd of ours that bytes pass through, with its mapping. Shared by all copies of a thread. */
export interface Scratch {
  /** Copies from `address` until `target` is full or memory ends. */
  copyOut(address: bigint, target: Uint8Array): Guarded;
  /** Copies `source` to `address` until all is written or memory ends. */
  copyIn(address: bigint, source: Uint8Array): Guarded;
}

/** Opens the scratch memfd and keeps it for the life of the thread. */
export function openScratch(c: Libc): Scratch {
  const { fd, bytes } = mapScratch(c);
  const take: Move = (address, target) => {
    const moved = c.pwrite_at(fd, address, BigInt(target.length), 0n);
    if (moved < 0) return failure("pwrite", "scratch");
    target.set(bytes.subarray(0, moved));
    return moved;
  };
  const put: Move = (address, source) => {
    bytes.set(source);
    const moved = c.pread_at(fd, address, BigInt(source.length), 0n);
    return moved < 0 ? failure("pread", "scratch") : moved;
  };
  return {
    copyOut: (address, target) => inChunks(address, target, take),
    copyIn: (address, source) => inChunks(address, source, put),
  };
}

type Move = (address: bigint, bytes: Uint8Array) => number | SyscallError;

function inChunks(address: bigint, bytes: Uint8Array, move: Move): Guarded {
  let length = 0;
  while (length < bytes.length) {
    const chunk = bytes.subarray(length, length + CHUNK);
    const moved = move(address + BigInt(length), chunk);
    if (typeof moved === "number") {
      // A short count is followed by one more try, which names what stopped it.
      if (moved === 0) return { length, errno: "EFAULT" };
      length += moved;
    } else if (moved.errno !== "EINTR") {
      return { length, errno: moved.errno };
    }
  }
  return { length, errno: null };
}

function mapScratch(c: Libc): { fd: number; bytes: Uint8Array } {
  const fd = c.memfd_create(cString("guestmem-scratch"), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throw failure("memfd_create", "guestmem-scratch");
  return orClose(() => c.close(fd), () => {
    if (c.ftruncate(fd, BigInt(CHUNK)) < 0) throw failure("ftruncate", fd);
    c.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    const address = c.mmap(0n, BigInt(CHUNK), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0n);
    if (address === MAP_FAILED) throw failure("mmap", fd);
    // SAFETY: ours, sealed against shrinking, and mapped until the thread ends.
    const pointer = Deno.UnsafePointer.create(address)!;
    return { fd, bytes: new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, CHUNK)) };
  });
}
