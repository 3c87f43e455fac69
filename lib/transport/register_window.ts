/**
 * A device's registers, mapped or by port: single accesses of exactly the width asked for, which
 * copies through the kernel are not.
 *
 * @module
 */
import {
  MAP_SHARED,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  PROT_READ,
  PROT_WRITE,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import type { PciBar } from "./pci_bars.ts";
import type { Width, WritableRegisterFile } from "./register_file.ts";

/** Registers that are held open. */
export interface RegisterWindow extends WritableRegisterFile, Disposable {}

/** The calls it makes. */
export type WindowSys = Pick<
  Sys,
  "open" | "close" | "mmap" | "munmap" | "view" | "pread" | "pwrite" | "pageSize"
>;

/** What to open. */
export interface WindowOptions {
  readonly sys: WindowSys;
  /** `/sys/bus/pci/devices/…/resource4`, `/dev/mem`. */
  readonly path: string;
  /** Byte offset in the file where the registers begin. */
  readonly offset: bigint;
  /** Bytes. */
  readonly length: number;
  readonly writable: boolean;
}

/**
 * Maps registers. Throws SyscallError: EINVAL or EPERM where the kernel keeps what a driver has
 * claimed to itself (CONFIG_IO_STRICT_DEVMEM), ENOENT, EACCES.
 */
export function mapRegisters(options: WindowOptions): RegisterWindow {
  const { sys, length, writable } = options;
  const page = BigInt(sys.pageSize);
  const inPage = Number(options.offset % page);
  const mapped = Math.ceil((inPage + length) / sys.pageSize) * sys.pageSize;
  const flags = (writable ? O_RDWR : O_RDONLY) | O_SYNC;
  using fd = new Fd(sys, sys.open(options.path, flags));
  const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const start = Number(options.offset) - inPage;
  const address = sys.mmap(mapped, protection, MAP_SHARED, fd.number, start);
  const buffer = sys.view(address, mapped);
  return mappedWindow(sys, buffer, address, inPage, length, writable);
}

function mappedWindow(
  sys: WindowSys,
  buffer: ArrayBuffer,
  address: bigint,
  base: number,
  length: number,
  writable: boolean,
): RegisterWindow {
  const size = buffer.byteLength;
  const views = {
    8: new Uint8Array(buffer),
    16: new Uint16Array(buffer),
    32: new Uint32Array(buffer),
  };
  return {
    length,
    read(offset, width) {
      checkAccess(offset, width, length);
      // Atomic, so that the compiler neither drops nor moves nor splits it.
      return Atomics.load(views[width], (base + offset) / (width / 8));
    },
    write(offset, width, value) {
      checkAccess(offset, width, length);
      if (!writable) throw new TypeError("registers are mapped read-only");
      // Not Atomics.store: on x86 that is an exchange, which reads the register too.
      views[width][(base + offset) / (width / 8)] = value;
    },
    [Symbol.dispose]() {
      if (buffer.detached) return;
      buffer.transfer(0);
      sys.munmap(address, size);
    },
  };
}

/**
 * Ports of a BAR by its sysfs file, which takes single accesses of 1, 2 or 4 bytes. Throws
 * SyscallError.
 */
export function openPorts(options: Omit<WindowOptions, "offset">): RegisterWindow {
  const { sys, path, length, writable } = options;
  const fd = new Fd(sys, sys.open(path, writable ? O_RDWR : O_RDONLY));
  return {
    length,
    read(offset, width) {
      checkAccess(offset, width, length);
      const bytes = new Uint8Array(4);
      sys.pread(fd.number, bytes.subarray(0, width / 8), offset);
      return new DataView(bytes.buffer).getUint32(0, true);
    },
    write(offset, width, value) {
      checkAccess(offset, width, length);
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, value, true);
      sys.pwrite(fd.number, bytes.subarray(0, width / 8), offset);
    },
    [Symbol.dispose]: () => fd.close(),
  };
}

/** sysfs' file of a BAR. */
export function barPath(address: string, bar: number): string {
  return `/sys/bus/pci/devices/${address}/resource${bar}`;
}

/**
 * [offset, offset + length) of a BAR as registers, whatever kind of BAR it is. Throws RangeError past
 * its end, SyscallError.
 */
export function openBar(
  sys: WindowSys,
  address: string,
  bar: PciBar,
  offset: bigint,
  length: number,
  writable: boolean,
): RegisterWindow {
  if (offset + BigInt(length) > bar.length) {
    throw new RangeError(`${offset}+${length} is past the end of BAR ${bar.index}`);
  }
  const path = barPath(address, bar.index);
  if (!bar.io) return mapRegisters({ sys, path, offset, length, writable });
  if (offset !== 0n) throw new RangeError(`ports of BAR ${bar.index} are opened from its start`);
  return openPorts({ sys, path, length, writable });
}

function checkAccess(offset: number, width: Width, length: number): void {
  const bytes = width / 8;
  if (offset % bytes !== 0 || offset < 0 || offset + bytes > length) {
    throw new RangeError(`no ${width}-bit register at offset ${offset} of ${length} bytes`);
  }
}
