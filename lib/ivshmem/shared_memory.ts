/**
 * The memory that an ivshmem server shares: a POSIX shared memory object, or a sealed memfd.
 *
 * @module
 */
import { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { sealedMemfd } from "../../ffi/memfd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import { isBarSize } from "../wire/ivshmem/registers.ts";

/** What to share. */
export interface SharedMemoryOptions {
  readonly sys: Sys;
  /** Bytes: a power of two, at least 4096, as a PCI BAR must be. */
  readonly size: number;
  /** Name in /dev/shm; null for a memfd that ends with the last who holds it. */
  readonly shmName: string | null;
}

/**
 * Opens or makes the memory. The caller closes it; an object in /dev/shm stays. Throws RangeError for
 * a size that would make every peer fail, SourceError for an object of another size.
 */
export function openSharedMemory(options: SharedMemoryOptions): Fd {
  const { sys, size, shmName } = options;
  if (!isBarSize(size)) {
    throw new RangeError(
      `size ${size} is not a power of two of at least 4096 bytes: a PCI BAR must be one`,
    );
  }
  return shmName === null ? sealedMemfd(sys, "ivshmem", size) : openObject(sys, shmName, size);
}

function openObject(sys: Sys, shmName: string, size: number): Fd {
  const name = shmName.replace(/^\//, "");
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    throw new RangeError(`"${shmName}" is no name of a shared memory object`);
  }
  const path = `/dev/shm/${name}`;
  using undo = new DisposableStack();
  const flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const fd = undo.use(new Fd(sys, sys.open(path, flags, 0o600)));
  const stat = sys.fstat(fd.number);
  if ((stat.mode & S_IFMT) !== S_IFREG || (stat.size !== 0 && stat.size !== size)) {
    const text = `${path} has ${stat.size} bytes, and ${size} are wanted`;
    throw new SourceError("ivshmem", "open", "unsupported", text, "remove it, or name that size");
  }
  // Never shrunk: who has it mapped would be killed.
  if (stat.size === 0) sys.ftruncate(fd.number, size);
  undo.move();
  return fd;
}
