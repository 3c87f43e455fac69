/**
 * Memory whose address the kernel and the hypervisor may be given: arrays of frames for an ioctl,
 * arguments of hypercalls.
 *
 * @module
 */
import {
  MAP_ANONYMOUS,
  MAP_LOCKED,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from "../constants.ts";
import { isErrno } from "../errno.ts";
import type { Sys } from "../sys.ts";

/** Memory of ours at a fixed address. Disposing detaches its buffer and unmaps it. */
export interface Pinned extends Disposable {
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
  readonly view: DataView<ArrayBuffer>;
}

/** Zeroed memory of at least `length` bytes for arrays that an ioctl reads and writes. */
export function pinMemory(sys: Sys, length: number): Pinned {
  const size = pageRound(sys, length);
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  return own(sys, sys.mmap(size, PROT_READ | PROT_WRITE, flags, -1, 0), size);
}

/** Pinned memory that is used again by the next call; it grows to what the largest one wanted. */
export interface PinnedArrays extends Disposable {
  /** At least `length` bytes, not cleared. Valid until the next call. */
  take(length: number): Pinned;
}

/** Maps nothing until it is first asked. */
export function pinArrays(sys: Sys): PinnedArrays {
  let held: Pinned | null = null;
  const drop = () => {
    held?.[Symbol.dispose]();
    held = null;
  };
  return {
    take(length) {
      if (held !== null && held.buffer.byteLength >= length) return held;
      drop();
      return held = pinMemory(sys, length);
    },
    [Symbol.dispose]: drop,
  };
}

/**
 * Zeroed memory that a hypercall may be given. A page fault in the hypervisor is EFAULT, so it must
 * be resident: /dev/xen/hypercall hands out such memory (Linux 4.18), else it is locked here.
 */
export function pinHypercallMemory(sys: Sys, length: number): Pinned {
  const size = pageRound(sys, length);
  return own(sys, fromHypercallDevice(sys, size) ?? lockedMemory(sys, size), size);
}

function fromHypercallDevice(sys: Sys, size: number): bigint | null {
  let fd: number;
  try {
    fd = sys.open("/dev/xen/hypercall", O_RDWR);
  } catch (error) {
    if (isErrno(error)) return null;
    throw error;
  }
  try {
    return sys.mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  } finally {
    sys.close(fd);
  }
}

function lockedMemory(sys: Sys, size: number): bigint {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE;
  return sys.mmap(size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

function own(sys: Sys, address: bigint, size: number): Pinned {
  // SAFETY: ours alone, mapped until dispose, which detaches the one buffer first.
  const buffer = sys.view(address, size);
  return {
    address,
    buffer,
    view: new DataView(buffer),
    [Symbol.dispose]() {
      buffer.transfer(0);
      sys.munmap(address, size);
    },
  };
}

/** Rounds up to the kernel's pages. */
export function pageRound(sys: Sys, length: number): number {
  return Math.ceil(length / sys.pageSize) * sys.pageSize;
}
