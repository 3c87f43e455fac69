/**
 * A Xen host that misbehaves on demand: what a healthy one will not do. Memory is one buffer at a made-
 * up address, ioctls are answered by a function, and every call is logged by `fakeSys`.
 *
 * @module
 */
import { SyscallError } from "../../ffi/errno.ts";
import { IOCTL, type XenIoctl } from "../../ffi/xen/layout.ts";
import { type FakeSys, fakeSys } from "./fake_sys.ts";

/** Where the made-up memory begins. */
const BASE = 0x10_0000_0000n;

/** What an ioctl sees of the made-up machine. */
export interface FakeXenMemory {
  /** The argument as it was given. */
  readonly argument: DataView;
  /** Memory at an address that mmap gave. */
  at(address: bigint): DataView;
}

/** Answers an ioctl: its result, or the name of an errno. */
export type FakeIoctl = (name: XenIoctl, memory: FakeXenMemory, nth: number) => number | string;

/** How mmap behaves: null works, a string is an errno. */
export type FakeMmap = (fd: number, protection: number, nth: number) => string | null;

/** The fake, and what is mapped and open at any time. */
export interface FakeXen extends FakeSys {
  /** Mappings that nobody unmapped, by address. */
  readonly mapped: ReadonlyMap<bigint, number>;
  /** fds that nobody closed. */
  readonly open: ReadonlySet<number>;
  /** Names of the ioctls so far. */
  ioctls(): XenIoctl[];
}

/** Makes the fake. Nodes under /dev/xen exist unless `absent` says so. */
export function fakeXen(
  ioctl: FakeIoctl,
  options: { mmap?: FakeMmap; absent?: boolean } = {},
): FakeXen {
  const memory = memoryArea();
  const open = new Set<number>();
  const names: XenIoctl[] = [];
  let next = 10;
  let mmaps = 0;
  const fake = fakeSys({
    script: {
      pageSize: 4096,
      stat(path) {
        if (options.absent) throw new SyscallError("stat", "ENOENT", path);
        return {} as ReturnType<FakeSys["sys"]["stat"]>;
      },
      open(path) {
        if (options.absent) throw new SyscallError("open", "ENOENT", path);
        if (path === "/dev/xen/hypercall") throw new SyscallError("open", "ENOENT", path);
        open.add(next);
        return next++;
      },
      close: (fd) => void open.delete(fd),
      readText: (path) => {
        throw new SyscallError("open", "ENOENT", path);
      },
      mmap(length, protection, _flags, fd) {
        const errno = options.mmap?.(fd, protection, ++mmaps) ?? null;
        if (errno !== null) throw new SyscallError("mmap", errno, fd);
        return memory.map(length);
      },
      munmap: (address) => memory.unmap(address),
      view: (address, length) => memory.view(address, length),
      copyOut: (address, target) => memory.copyOut(address, target),
      copyIn: (address, source) => memory.copyIn(address, source),
      find: (address, length, pattern) => memory.find(address, length, pattern),
      ioctl(_fd, request, name, bytes) {
        const known = Object.entries(IOCTL).find(([, code]) => code === request);
        if (known === undefined || typeof bytes === "bigint") throw new Error(`unknown ${name}`);
        names.push(known[0] as XenIoctl);
        const argument = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const nth = names.filter((other) => other === known[0]).length;
        const result = ioctl(known[0] as XenIoctl, { argument, at: memory.at }, nth);
        if (typeof result === "string") throw new SyscallError("ioctl", result, name);
        return result;
      },
    },
  });
  return { ...fake, mapped: memory.mapped, open, ioctls: () => names };
}

function memoryArea() {
  const mapped = new Map<bigint, number>();
  const buffers = new Map<bigint, ArrayBuffer>();
  let top = BASE;
  const find = (address: bigint) => {
    for (const [base, buffer] of buffers) {
      const offset = address - base;
      if (offset >= 0n && offset < BigInt(buffer.byteLength)) {
        return { buffer, offset: Number(offset) };
      }
    }
    throw new Error(`a touch of 0x${address.toString(16)}, which is not mapped`);
  };
  return {
    mapped,
    map(length: number) {
      const address = top;
      top += BigInt(length) + 0x10000n;
      mapped.set(address, length);
      buffers.set(address, new ArrayBuffer(length));
      return address;
    },
    unmap(address: bigint) {
      if (!mapped.delete(address)) throw new Error("munmap of what is not mapped");
      buffers.delete(address);
    },
    view(address: bigint, length: number) {
      const { buffer } = find(address);
      if (buffer.byteLength !== length) throw new Error("a view of a part");
      return buffer;
    },
    at(address: bigint) {
      const { buffer, offset } = find(address);
      return new DataView(buffer, offset);
    },
    copyOut(address: bigint, target: Uint8Array) {
      const { buffer, offset } = find(address);
      target.set(new Uint8Array(buffer, offset, target.length));
      return { length: target.length, errno: null };
    },
    find(address: bigint, length: number, pattern: Uint8Array) {
      const { buffer, offset } = find(address);
      const text = String.fromCharCode(...new Uint8Array(buffer, offset, length));
      return text.indexOf(String.fromCharCode(...pattern));
    },
    copyIn(address: bigint, source: Uint8Array) {
      const { buffer, offset } = find(address);
      new Uint8Array(buffer, offset).set(source);
      return { length: source.length, errno: null };
    },
  };
}
