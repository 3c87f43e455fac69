/**
 * Offsets and sizes of the C structs that cross the system-call boundary, in bytes, LP64. The same
 * on x86-64 and aarch64. `SIZE` is sizeof. Source: Linux 7.2 uapi headers and glibc, printed by C.
 *
 * @module
 */

/** struct iovec, sys/uio.h. */
export const IOVEC = { SIZE: 16, base: 0, len: 8 } as const;

/** struct msghdr, sys/socket.h. */
export const MSGHDR = {
  SIZE: 56,
  name: 0,
  namelen: 8,
  iov: 16,
  iovlen: 24,
  control: 32,
  controllen: 40,
  flags: 48,
} as const;

/** struct cmsghdr, sys/socket.h; `data` is where CMSG_DATA points. */
export const CMSGHDR = { SIZE: 16, len: 0, level: 8, type: 12, data: 16 } as const;

/** struct sockaddr_un, sys/un.h. `pathSize` includes the final NUL. */
export const SOCKADDR_UN = { SIZE: 110, family: 0, path: 2, pathSize: 108 } as const;

/** struct ucred, sys/socket.h. */
export const UCRED = { SIZE: 12, pid: 0, uid: 4, gid: 8 } as const;

/** struct pollfd, poll.h. */
export const POLLFD = { SIZE: 8, fd: 0, events: 4, revents: 6 } as const;

/** struct statx, linux/stat.h. */
export const STATX = {
  SIZE: 256,
  mask: 0,
  blksize: 4,
  uid: 20,
  mode: 28,
  ino: 32,
  size: 40,
  blocks: 48,
  devMajor: 136,
  devMinor: 140,
} as const;

/** struct statfs, sys/statfs.h. */
export const STATFS = { SIZE: 120, type: 0 } as const;

/** struct linux_dirent64, getdents(2). `name` is NUL-terminated; `reclen` leads to the next. */
export const DIRENT64 = { ino: 0, off: 8, reclen: 16, type: 18, name: 19 } as const;

/** CMSG_ALIGN(3): up to a multiple of 8. */
export function cmsgAlign(length: number): number {
  return (length + 7) & ~7;
}

/** CMSG_LEN(3): header and payload, without padding. */
export function cmsgLength(payload: number): number {
  return CMSGHDR.data + payload;
}

/** CMSG_SPACE(3): header and payload with padding. */
export function cmsgSpace(payload: number): number {
  return CMSGHDR.data + cmsgAlign(payload);
}
