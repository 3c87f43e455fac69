/**
 * The C library's symbols, each below its prototype. Opened on first use, never at import.
 *
 * - Pointers, sizes and file offsets cross as bigint: a u64 given as a JS number is 15 times slower.
 * - `ssize_t` results are declared i32: the kernel moves at most 0x7ffff000 bytes per call.
 * - Only `poll_async` is nonblocking: errno of a call on another thread is lost.
 * - Variadic functions (open, fcntl, ioctl, syscall) take their arguments in the same registers as
 *   others do on Linux x86-64 and aarch64.
 *
 * @module
 */

const SYMBOLS = {
  // int *__errno_location(void)
  __errno_location: { parameters: [], result: "pointer" },
  // int open(const char *path, int flags, mode_t mode)
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  // int close(int fd)
  close: { parameters: ["i32"], result: "i32" },
  // ssize_t read(int fd, void *buf, size_t count)
  read: { parameters: ["i32", "buffer", "u64"], result: "i32" },
  // ssize_t write(int fd, const void *buf, size_t count)
  write: { parameters: ["i32", "buffer", "u64"], result: "i32" },
  // ssize_t pread(int fd, void *buf, size_t count, off_t offset)
  pread: { parameters: ["i32", "buffer", "u64", "i64"], result: "i32" },
  // ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)
  pwrite: { parameters: ["i32", "buffer", "u64", "i64"], result: "i32" },
  // the same two with the buffer given as an address
  pread_at: { name: "pread", parameters: ["i32", "u64", "u64", "i64"], result: "i32" },
  pwrite_at: { name: "pwrite", parameters: ["i32", "u64", "u64", "i64"], result: "i32" },
  // ssize_t preadv2(int fd, const struct iovec *iov, int iovcnt, off_t offset, int flags)
  preadv2: { parameters: ["i32", "buffer", "i32", "i64", "i32"], result: "i32" },
  // off_t lseek(int fd, off_t offset, int whence)
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  // int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *buf)
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  // int fstatfs(int fd, struct statfs *buf)
  fstatfs: { parameters: ["i32", "buffer"], result: "i32" },
  // int ftruncate(int fd, off_t length)
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  // int fchmod(int fd, mode_t mode)
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  // ssize_t readlink(const char *path, char *buf, size_t size)
  readlink: { parameters: ["buffer", "buffer", "u64"], result: "i32" },
  // ssize_t getdents64(int fd, void *dirp, size_t count)
  getdents64: { parameters: ["i32", "buffer", "u64"], result: "i32" },
  // int unlink(const char *path)
  unlink: { parameters: ["buffer"], result: "i32" },
  // int rename(const char *oldpath, const char *newpath)
  rename: { parameters: ["buffer", "buffer"], result: "i32" },
  // int fcntl(int fd, int op, ... /* int arg */)
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int ioctl(int fd, unsigned long op, ... /* void *arg */)
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  // the same with a plain number as its argument
  ioctl_value: { name: "ioctl", parameters: ["i32", "u64", "u64"], result: "i32" },
  // int memfd_create(const char *name, unsigned flags)
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
  mmap: { parameters: ["u64", "u64", "i32", "i32", "i32", "i64"], result: "u64" },
  // int munmap(void *addr, size_t length)
  munmap: { parameters: ["u64", "u64"], result: "i32" },
  // void *memmem(const void *haystack, size_t haystacklen, const void *needle, size_t needlelen)
  memmem: { parameters: ["u64", "u64", "buffer", "u64"], result: "u64" },
  // int malloc_trim(size_t pad)
  malloc_trim: { parameters: ["u64"], result: "i32" },
  // int eventfd(unsigned initval, int flags)
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  // int poll(struct pollfd *fds, nfds_t nfds, int timeout)
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
  // the same off the main thread
  poll_async: {
    name: "poll",
    parameters: ["buffer", "u64", "i32"],
    result: "i32",
    nonblocking: true,
  },
  // int usleep(useconds_t usec)
  usleep: { parameters: ["u32"], result: "i32" },
  // int socket(int domain, int type, int protocol)
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int socketpair(int domain, int type, int protocol, int sv[2])
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int bind(int fd, const struct sockaddr *addr, socklen_t len)
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // int listen(int fd, int backlog)
  listen: { parameters: ["i32", "i32"], result: "i32" },
  // int connect(int fd, const struct sockaddr *addr, socklen_t len)
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
  accept4: { parameters: ["i32", "u64", "u64", "i32"], result: "i32" },
  // ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  // ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  // int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  // int shutdown(int fd, int how)
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  // pid_t getpid(void)
  getpid: { parameters: [], result: "i32" },
  // int kill(pid_t pid, int sig)
  kill: { parameters: ["i32", "i32"], result: "i32" },
  // uid_t geteuid(void)
  geteuid: { parameters: [], result: "u32" },
  // long sysconf(int name)
  sysconf: { parameters: ["i32"], result: "i64" },
  // ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long liovcnt,
  //                          const struct iovec *remote, unsigned long riovcnt, unsigned long flags)
  process_vm_readv: {
    parameters: ["i32", "buffer", "u64", "buffer", "u64", "u64"],
    result: "i32",
  },
  // ssize_t process_vm_writev(…the same…)
  process_vm_writev: {
    parameters: ["i32", "buffer", "u64", "buffer", "u64", "u64"],
    result: "i32",
  },
  // long syscall(long number, ...): for calls that the C library may be too old to wrap
  syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of the C library that ffi uses. */
export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: Libc | null = null;
let errnoView: Deno.UnsafePointerView | null = null;

/**
 * The C library, opened on the first call and kept for the life of the thread. Throws what
 * `Deno.dlopen` throws where --allow-ffi is missing.
 */
export function libc(): Libc {
  if (opened === null) {
    const symbols = Deno.dlopen("libc.so.6", SYMBOLS).symbols;
    // SAFETY: the C library keeps errno of this thread at a fixed address for the thread's life.
    errnoView = new Deno.UnsafePointerView(symbols.__errno_location()!);
    opened = symbols;
  }
  return opened;
}

/**
 * errno of the last failed call. Only right as the first thing after a synchronous call: any Deno
 * operation in between changes it.
 */
export function lastErrno(): number {
  return errnoView!.getInt32();
}
