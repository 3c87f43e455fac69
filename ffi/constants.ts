/**
 * Numbers of the Linux system-call interface, LP64. Where x86-64 and aarch64 differ, the one of the
 * machine we run on. Source: Linux 7.2 uapi headers, printed by a C program on both architectures.
 *
 * @module
 */

/** The open(2) flags that differ by architecture. */
export const OPEN_FLAGS = {
  x86_64: { direct: 0x4000, directory: 0x10000, nofollow: 0x20000, tmpfile: 0x410000 },
  aarch64: { direct: 0x10000, directory: 0x4000, nofollow: 0x8000, tmpfile: 0x404000 },
} as const;

const HERE = OPEN_FLAGS[Deno.build.arch];

// open(2), fcntl.h
/** Read only. */
export const O_RDONLY = 0;
/** Write only. */
export const O_WRONLY = 1;
/** Read and write. */
export const O_RDWR = 2;
/** Which of the three: a field, not bits. */
export const O_ACCMODE = 3;
/** Create where missing. */
export const O_CREAT = 0x40;
/** With O_CREAT: fail where it exists. */
export const O_EXCL = 0x80;
/** Cut to length 0. */
export const O_TRUNC = 0x200;
/** Write at the end. */
export const O_APPEND = 0x400;
/** Do not block. */
export const O_NONBLOCK = 0x800;
/** Uncached I/O (differs by architecture). */
export const O_DIRECT: number = HERE.direct;
/** Fail where it is no directory (differs by architecture). */
export const O_DIRECTORY: number = HERE.directory;
/** Fail where it is a symbolic link (differs by architecture). */
export const O_NOFOLLOW: number = HERE.nofollow;
/** Do not update the access time. */
export const O_NOATIME = 0x40000;
/** Close on exec. */
export const O_CLOEXEC = 0x80000;
/** Write through, data and metadata. */
export const O_SYNC = 0x101000;
/** A name only, no reading. */
export const O_PATH = 0x200000;
/** An unnamed file in a directory (differs by architecture). */
export const O_TMPFILE: number = HERE.tmpfile;

/** Use the current directory. */
export const AT_FDCWD = -100;
/** Empty path: the fd itself. */
export const AT_EMPTY_PATH = 0x1000;
/** All of what stat(2) tells. */
export const STATX_BASIC_STATS = 0x7ff;

// inode(7)
/** Mask of the file's type in a mode. */
export const S_IFMT = 0xf000;
/** Socket. */
export const S_IFSOCK = 0xc000;
/** Symbolic link. */
export const S_IFLNK = 0xa000;
/** Regular file. */
export const S_IFREG = 0x8000;
/** Block device. */
export const S_IFBLK = 0x6000;
/** Directory. */
export const S_IFDIR = 0x4000;
/** Character device. */
export const S_IFCHR = 0x2000;
/** FIFO. */
export const S_IFIFO = 0x1000;

// lseek(2)
/** From the start. */
export const SEEK_SET = 0;
/** From the present offset. */
export const SEEK_CUR = 1;
/** From the end. */
export const SEEK_END = 2;
/** To the next data. */
export const SEEK_DATA = 3;
/** To the next hole. */
export const SEEK_HOLE = 4;

// mmap(2)
/** No access. */
export const PROT_NONE = 0;
/** Readable. */
export const PROT_READ = 1;
/** Writable. */
export const PROT_WRITE = 2;
/** Shared with other mappers. */
export const MAP_SHARED = 1;
/** Copy on write. */
export const MAP_PRIVATE = 2;
/** Exactly there, replacing what is there. */
export const MAP_FIXED = 0x10;
/** No file. */
export const MAP_ANONYMOUS = 0x20;
/** Lock the pages. */
export const MAP_LOCKED = 0x2000;
/** No swap is reserved. */
export const MAP_NORESERVE = 0x4000;
/** Fault in now. */
export const MAP_POPULATE = 0x8000;
/** Huge pages. */
export const MAP_HUGETLB = 0x40000;
/** Exactly there, or EEXIST. */
export const MAP_FIXED_NOREPLACE = 0x100000;
/** What mmap returns on failure, as the u64 it arrives as. */
export const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

// fcntl(2)
/** Descriptor flags. */
export const F_GETFD = 1;
/** Set descriptor flags. */
export const F_SETFD = 2;
/** Open flags. */
export const F_GETFL = 3;
/** Set open flags. */
export const F_SETFL = 4;
/** Duplicate, close-on-exec. */
export const F_DUPFD_CLOEXEC = 1030;
/** Add seals. */
export const F_ADD_SEALS = 1033;
/** Get seals. */
export const F_GET_SEALS = 1034;
/** No more seals. */
export const F_SEAL_SEAL = 0x01;
/** The file can not shrink: what makes a mapping of it safe to read in place. */
export const F_SEAL_SHRINK = 0x02;
/** The file can not grow. */
export const F_SEAL_GROW = 0x04;
/** The file can not be written. */
export const F_SEAL_WRITE = 0x08;
/** No new writable mappings or writes. */
export const F_SEAL_FUTURE_WRITE = 0x10;
/** The exec bit can not change. */
export const F_SEAL_EXEC = 0x20;

// memfd_create(2)
/** Close on exec. */
export const MFD_CLOEXEC = 1;
/** Seals may be added. */
export const MFD_ALLOW_SEALING = 2;
/** Huge pages. */
export const MFD_HUGETLB = 4;
/** Not executable, and sealed so (Linux 6.3). */
export const MFD_NOEXEC_SEAL = 8;
/** Huge pages of 2 MiB. */
export const MFD_HUGE_2MB = 0x54000000;
/** Huge pages of 1 GiB. */
export const MFD_HUGE_1GB = 0x78000000;

// statfs(2) f_type, linux/magic.h
/** tmpfs and memfd. */
export const TMPFS_MAGIC = 0x01021994;
/** hugetlbfs and memfds of huge pages. */
export const HUGETLBFS_MAGIC = 0x958458f6;
/** sysfs: the BARs of PCI devices are files there that mmap but can not be read. */
export const SYSFS_MAGIC = 0x62656572;
/** procfs. */
export const PROC_SUPER_MAGIC = 0x9fa0;

// preadv2(2)
/** EAGAIN instead of waiting, whatever the fd's own flags say. */
export const RWF_NOWAIT = 8;

// eventfd(2)
/** read takes 1, not all. */
export const EFD_SEMAPHORE = 1;
/** Do not block. */
export const EFD_NONBLOCK = 0x800;
/** Close on exec. */
export const EFD_CLOEXEC = 0x80000;

// poll(2)
/** Readable. */
export const POLLIN = 0x01;
/** Exceptional condition. */
export const POLLPRI = 0x02;
/** Writable. */
export const POLLOUT = 0x04;
/** Error; always reported. */
export const POLLERR = 0x08;
/** Hang-up; always reported. */
export const POLLHUP = 0x10;
/** Not an open fd; always reported. */
export const POLLNVAL = 0x20;
/** The peer shut down its writing half. */
export const POLLRDHUP = 0x2000;

// socket(2), unix(7)
/** Unix sockets. */
export const AF_UNIX = 1;
/** Byte stream. */
export const SOCK_STREAM = 1;
/** Datagrams. */
export const SOCK_DGRAM = 2;
/** Do not block. */
export const SOCK_NONBLOCK = 0x800;
/** Close on exec. */
export const SOCK_CLOEXEC = 0x80000;
/** Options of sockets in general. */
export const SOL_SOCKET = 1;
/** Credentials of the peer at connect time. */
export const SO_PEERCRED = 17;
/** Control message that carries fds. */
export const SCM_RIGHTS = 1;
/** Most fds in one message (SCM_MAX_FD). */
export const SCM_MAX_FD = 253;
/** Control data was lost. */
export const MSG_CTRUNC = 0x08;
/** Do not block in this call. */
export const MSG_DONTWAIT = 0x40;
/** EPIPE instead of SIGPIPE. */
export const MSG_NOSIGNAL = 0x4000;
/** Received fds are close-on-exec. */
export const MSG_CMSG_CLOEXEC = 0x40000000;
/** Both directions. */
export const SHUT_RDWR = 2;

// System calls that the C library may be too old to wrap; the same number on both architectures.
/** pidfd_open(2), Linux 5.3. */
export const SYS_pidfd_open = 434;
/** pidfd_getfd(2), Linux 5.6. */
export const SYS_pidfd_getfd = 438;
/** sysconf(3) name of the page size, glibc. */
export const SC_PAGESIZE = 30;

// kill(2), asm-generic/signal.h: the same number on both architectures.
/** Stop; it can not be caught. */
export const SIGSTOP = 19;
