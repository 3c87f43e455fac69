// Every literal here was printed by a C program against Linux 7.2 headers and glibc, on x86-64 and
// aarch64; where one line stands, both agree.
import { assertEquals } from "@std/assert";
import * as constants from "../../ffi/constants.ts";
import * as layout from "../../ffi/layout.ts";

Deno.test("struct layouts", () => {
  assertEquals({ ...layout.IOVEC }, { SIZE: 16, base: 0, len: 8 });
  assertEquals({ ...layout.MSGHDR }, {
    SIZE: 56,
    name: 0,
    namelen: 8,
    iov: 16,
    iovlen: 24,
    control: 32,
    controllen: 40,
    flags: 48,
  });
  assertEquals({ ...layout.CMSGHDR }, { SIZE: 16, len: 0, level: 8, type: 12, data: 16 });
  assertEquals({ ...layout.SOCKADDR_UN }, { SIZE: 110, family: 0, path: 2, pathSize: 108 });
  assertEquals({ ...layout.UCRED }, { SIZE: 12, pid: 0, uid: 4, gid: 8 });
  assertEquals({ ...layout.POLLFD }, { SIZE: 8, fd: 0, events: 4, revents: 6 });
  assertEquals({ ...layout.STATFS }, { SIZE: 120, type: 0 });
  assertEquals({ ...layout.DIRENT64 }, { ino: 0, off: 8, reclen: 16, type: 18, name: 19 });
  assertEquals({ ...layout.STATX }, {
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
  });
});

Deno.test("lengths and spaces of control messages", () => {
  //            fds  CMSG_LEN  CMSG_SPACE
  const printed = [
    [1, 20, 24],
    [2, 24, 24],
    [3, 28, 32],
    [4, 32, 32],
    [5, 36, 40],
    [6, 40, 40],
    [
      7,
      44,
      48,
    ],
    [8, 48, 48],
    [253, 1028, 1032],
  ];
  for (const [fds, length, space] of printed) {
    assertEquals(layout.cmsgLength(4 * fds), length, `${fds} fds`);
    assertEquals(layout.cmsgSpace(4 * fds), space, `${fds} fds`);
  }
});

Deno.test("open flags of both architectures", () => {
  assertEquals({ ...constants.OPEN_FLAGS.x86_64 }, {
    direct: 0x4000,
    directory: 0x10000,
    nofollow: 0x20000,
    tmpfile: 0x410000,
  });
  assertEquals({ ...constants.OPEN_FLAGS.aarch64 }, {
    direct: 0x10000,
    directory: 0x4000,
    nofollow: 0x8000,
    tmpfile: 0x404000,
  });
  const here = constants.OPEN_FLAGS[Deno.build.arch];
  assertEquals(constants.O_DIRECTORY, here.directory);
  assertEquals(constants.O_NOFOLLOW, here.nofollow);
  assertEquals(constants.O_DIRECT, here.direct);
  assertEquals(constants.O_TMPFILE, here.tmpfile);
});

/** name, value: rows of the C program's output. */
const PRINTED = `
O_RDONLY 0x0  O_WRONLY 0x1  O_RDWR 0x2  O_CREAT 0x40  O_EXCL 0x80  O_TRUNC 0x200  O_APPEND 0x400
O_NONBLOCK 0x800  O_SYNC 0x101000  O_CLOEXEC 0x80000  O_PATH 0x200000  O_NOATIME 0x40000
AT_FDCWD -100  AT_EMPTY_PATH 0x1000  SEEK_DATA 3  SEEK_HOLE 4  STATX_BASIC_STATS 0x7ff
PROT_NONE 0x0  PROT_READ 0x1  PROT_WRITE 0x2  MAP_SHARED 0x1  MAP_PRIVATE 0x2  MAP_FIXED 0x10
MAP_ANONYMOUS 0x20  MAP_LOCKED 0x2000  MAP_NORESERVE 0x4000  MAP_POPULATE 0x8000
MAP_HUGETLB 0x40000  MAP_FIXED_NOREPLACE 0x100000
F_GETFD 1  F_SETFD 2  F_GETFL 3  F_SETFL 4  F_DUPFD_CLOEXEC 0x406  F_ADD_SEALS 0x409
F_GET_SEALS 0x40a  F_SEAL_SEAL 0x1  F_SEAL_SHRINK 0x2  F_SEAL_GROW 0x4  F_SEAL_WRITE 0x8
F_SEAL_FUTURE_WRITE 0x10  F_SEAL_EXEC 0x20
MFD_CLOEXEC 0x1  MFD_ALLOW_SEALING 0x2  MFD_HUGETLB 0x4  MFD_NOEXEC_SEAL 0x8
MFD_HUGE_2MB 0x54000000  MFD_HUGE_1GB 0x78000000
EFD_SEMAPHORE 0x1  EFD_CLOEXEC 0x80000  EFD_NONBLOCK 0x800
POLLIN 0x1  POLLPRI 0x2  POLLOUT 0x4  POLLERR 0x8  POLLHUP 0x10  POLLNVAL 0x20  POLLRDHUP 0x2000
AF_UNIX 1  SOCK_STREAM 1  SOCK_DGRAM 2  SOCK_CLOEXEC 0x80000  SOCK_NONBLOCK 0x800  SOL_SOCKET 1
SCM_RIGHTS 1  SO_PEERCRED 0x11  MSG_CTRUNC 0x8  MSG_DONTWAIT 0x40  MSG_NOSIGNAL 0x4000
MSG_CMSG_CLOEXEC 0x40000000  SHUT_RDWR 2  SYS_pidfd_open 434  SYS_pidfd_getfd 438`;

Deno.test("constants are those of the headers", () => {
  const rows = [...PRINTED.matchAll(/(\w+) (-?\w+)/g)];
  const here = new Map<string, unknown>(Object.entries(constants));
  assertEquals(rows.length > 60, true);
  for (const [, name, value] of rows) assertEquals(here.get(name), Number(value), name);
});
