/**
 * The narrow system-call interface that everything else uses, so that a test can put a failing fake
 * in its place. Every call throws `SyscallError` (call, errno, subject) and retries EINTR where that
 * is safe. No guest vocabulary here.
 *
 * fds are plain numbers at this level; `fd.ts` owns them.
 *
 * @module
 */
import { libc } from "./libc.ts";
import { fileCalls } from "./sys_files.ts";
import { deviceCalls, memoryCalls } from "./sys_memory.ts";
import { pollCalls } from "./sys_poll.ts";
import { processCalls } from "./sys_process.ts";
import { socketCalls } from "./sys_sockets.ts";

/** What statx tells. */
export interface FileStat {
  /** Bytes. */
  readonly size: number;
  /** 512-byte blocks allocated. */
  readonly blocks: number;
  readonly inode: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  /** Preferred block size; the huge page size on hugetlbfs. */
  readonly blockSize: number;
}

/** Files and directories. Paths under /proc, /sys and /dev are fine. */
export interface FileCalls {
  /** `flags` from `constants.ts`; O_CLOEXEC is always added. Returns the fd. */
  open(path: string, flags: number, mode?: number): number;
  close(fd: number): void;
  /** Bytes read; 0 at the end. */
  read(fd: number, target: Uint8Array): number;
  write(fd: number, source: Uint8Array): number;
  pread(fd: number, target: Uint8Array, offset: number): number;
  pwrite(fd: number, source: Uint8Array, offset: number): number;
  /** New offset. SEEK_DATA past the last data throws ENXIO. */
  lseek(fd: number, offset: number, whence: number): number;
  stat(path: string): FileStat;
  fstat(fd: number): FileStat;
  ftruncate(fd: number, length: number): void;
  readlink(path: string): string;
  /** Names without `.` and `..`, in no order. */
  readdir(path: string): string[];
  unlink(path: string): void;
  /** Replaces `to` at once where it exists; both must be on one file system. */
  rename(from: string, to: string): void;
  /** The whole of a file of at most `limit` bytes (default 16 MiB); longer throws EFBIG. */
  readFile(path: string, limit?: number): Uint8Array;
  /** `readFile` as UTF-8 with replacement of what is not. */
  readText(path: string, limit?: number): string;
  /** Bits of F_SEAL_*; 0 where the file system knows no seals. */
  seals(fd: number): number;
  addSeals(fd: number, seals: number): void;
  /** Flags that the fd was opened with (F_GETFL): O_RDONLY, O_WRONLY, O_RDWR or O_PATH, and others. */
  openFlags(fd: number): number;
  /** f_type of fstatfs: tells hugetlbfs and tmpfs. */
  fileSystemType(fd: number): number;
}

/** Memory. Addresses are those of this process and never leave ffi and lib/source. */
export interface MemoryCalls {
  /** Bytes per page. */
  readonly pageSize: number;
  /** Returns an fd. `flags` MFD_*; MFD_CLOEXEC is always added. */
  memfd(name: string, flags: number): number;
  mmap(length: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, length: number): void;
  /** Read-only or read-write view of mapped memory. The caller keeps exactly one per mapping. */
  view(address: bigint, length: number): ArrayBuffer;
  /** Copies out of memory that may vanish: bytes copied, short instead of SIGBUS. */
  copyOut(address: bigint, target: Uint8Array): { length: number; errno: string | null };
  /** Copies into memory that may vanish. */
  copyIn(address: bigint, source: Uint8Array): { length: number; errno: string | null };
  /**
   * Offset of the first match of `pattern` in [address, address + length), or -1. Reads in user space:
   * only for memory that can not vanish.
   */
  find(address: bigint, length: number, pattern: Uint8Array): number;
  /** Gives free pages of the C library's heap back to the system. */
  trimHeap(): void;
}

/** ioctl and eventfds. */
export interface DeviceCalls {
  /** `name` is for the error: `IOCTL_PRIVCMD_MMAPBATCH_V2`. Returns the call's result. */
  ioctl(fd: number, request: number, name: string, argument: Uint8Array | bigint): number;
  eventfd(initial: number, flags: number): number;
  /** Adds to an eventfd's counter. */
  signal(fd: number, count?: bigint): void;
  /** Takes an eventfd's counter; 0n where it is zero. Waits for none, even if the fd is blocking. */
  drain(fd: number): bigint;
}

/** An fd to wait on, with POLL* bits. */
export interface PollEntry {
  readonly fd: number;
  readonly events: number;
}

/** Waiting: the only call that runs off the main thread. */
export interface PollCalls {
  /** `revents` per entry, in order; all 0 on timeout. `timeoutMs` -1 waits for ever. */
  poll(entries: readonly PollEntry[], timeoutMs: number): Promise<number[]>;
  /**
   * The same without waiting; or, for who can not do anything else meanwhile, blocking the whole
   * thread for at most `blockMs`: no timer, no signal handler runs.
   */
  pollNow(entries: readonly PollEntry[], blockMs?: number): number[];
  /**
   * Blocks the whole thread for about so many microseconds, below 1000: for waits that are shorter
   * than a timer can keep.
   */
  nap(microseconds: number): void;
}

/** What one recvmsg gave. */
export interface Received {
  /** Bytes; 0 at the end of the stream. */
  readonly length: number;
  /** fds, close-on-exec; the caller owns them. */
  readonly fds: readonly number[];
  /** MSG_CTRUNC: fds were lost. */
  readonly truncated: boolean;
}

/** Who is at the other end of a Unix socket. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Unix sockets: nonblocking and close-on-exec, all of them. EAGAIN is given as null. */
export interface SocketCalls {
  /** Binds and listens with mode 0600 on the socket; throws EADDRINUSE where the path exists. */
  listenUnix(path: string, backlog: number): number;
  connectUnix(path: string): number;
  accept(fd: number): number | null;
  socketpair(): [number, number];
  /** Bytes sent, with fds attached to the first of them; null for EAGAIN. MSG_NOSIGNAL. */
  sendmsg(fd: number, bytes: Uint8Array, fds: readonly number[]): number | null;
  /** null for EAGAIN. Room for `maxFds` fds (at most 253). */
  recvmsg(fd: number, target: Uint8Array, maxFds: number): Received | null;
  peerCredentials(fd: number): PeerCredentials;
  shutdown(fd: number): void;
}

/** Other processes. */
export interface ProcessCalls {
  readonly pid: number;
  readonly uid: number;
  pidfdOpen(pid: number): number;
  pidfdGetfd(pidfd: number, fd: number): number;
  /** Bytes copied from another process; short where its memory ends; EFAULT where it begins so. */
  processVmReadv(pid: number, address: bigint, target: Uint8Array): number;
  processVmWritev(pid: number, address: bigint, source: Uint8Array): number;
  /** Sends a signal to every process of our own process group, ourselves among them. */
  killGroup(signal: number): void;
}

/** All of it. */
export interface Sys
  extends FileCalls, MemoryCalls, DeviceCalls, PollCalls, SocketCalls, ProcessCalls {
  /** Duplicates an fd, close-on-exec. */
  dup(fd: number): number;
}

let real: Sys | null = null;

/**
 * The real system calls. Opens the C library on the first call (which needs --allow-ffi) and keeps
 * it: later calls give the same instance. A test opens it at module level, as the library counts as
 * a resource that outlives the test.
 */
export function openSys(): Sys {
  return real ??= composeSys();
}

function composeSys(): Sys {
  const c = libc();
  const poll = pollCalls(c);
  return {
    ...fileCalls(c),
    ...memoryCalls(c),
    ...deviceCalls(c, poll.pollNow),
    ...poll,
    ...socketCalls(c),
    ...processCalls(c),
  };
}
