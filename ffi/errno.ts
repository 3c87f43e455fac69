/**
 * errno: names, what they mean, and the error that carries one.
 *
 * Numbers are those of Linux asm-generic, which x86-64 and aarch64 share.
 *
 * @module
 */

/** name → number and the words of strerror(3), lower case. */
const TABLE: Record<string, readonly [number, string]> = {
  EPERM: [1, "operation not permitted"],
  ENOENT: [2, "no such file or directory"],
  ESRCH: [3, "no such process"],
  EINTR: [4, "interrupted system call"],
  EIO: [5, "input/output error"],
  ENXIO: [6, "no such device or address"],
  E2BIG: [7, "argument list too long"],
  ENOEXEC: [8, "exec format error"],
  EBADF: [9, "bad file descriptor"],
  ECHILD: [10, "no child processes"],
  EAGAIN: [11, "resource temporarily unavailable"],
  ENOMEM: [12, "cannot allocate memory"],
  EACCES: [13, "permission denied"],
  EFAULT: [14, "bad address"],
  ENOTBLK: [15, "block device required"],
  EBUSY: [16, "device or resource busy"],
  EEXIST: [17, "file exists"],
  EXDEV: [18, "invalid cross-device link"],
  ENODEV: [19, "no such device"],
  ENOTDIR: [20, "not a directory"],
  EISDIR: [21, "is a directory"],
  EINVAL: [22, "invalid argument"],
  ENFILE: [23, "too many open files in system"],
  EMFILE: [24, "too many open files"],
  ENOTTY: [25, "inappropriate ioctl for device"],
  ETXTBSY: [26, "text file busy"],
  EFBIG: [27, "file too large"],
  ENOSPC: [28, "no space left on device"],
  ESPIPE: [29, "illegal seek"],
  EROFS: [30, "read-only file system"],
  EMLINK: [31, "too many links"],
  EPIPE: [32, "broken pipe"],
  EDOM: [33, "argument out of domain"],
  ERANGE: [34, "result out of range"],
  EDEADLK: [35, "resource deadlock avoided"],
  ENAMETOOLONG: [36, "file name too long"],
  ENOLCK: [37, "no locks available"],
  ENOSYS: [38, "not implemented by this kernel"],
  ENOTEMPTY: [39, "directory not empty"],
  ELOOP: [40, "too many levels of symbolic links"],
  ENODATA: [61, "no data available"],
  ETIME: [62, "timer expired"],
  EPROTO: [71, "protocol error"],
  EOVERFLOW: [75, "value too large for its type"],
  EILSEQ: [84, "invalid byte sequence"],
  EUSERS: [87, "too many users"],
  ENOTSOCK: [88, "not a socket"],
  EDESTADDRREQ: [89, "destination address required"],
  EMSGSIZE: [90, "message too long"],
  EPROTOTYPE: [91, "wrong protocol type for socket"],
  ENOPROTOOPT: [92, "protocol option not available"],
  EPROTONOSUPPORT: [93, "protocol not supported"],
  EOPNOTSUPP: [95, "operation not supported"],
  EAFNOSUPPORT: [97, "address family not supported"],
  EADDRINUSE: [98, "address already in use"],
  EADDRNOTAVAIL: [99, "address not available"],
  ENETUNREACH: [101, "network is unreachable"],
  ECONNABORTED: [103, "connection aborted"],
  ECONNRESET: [104, "connection reset by peer"],
  ENOBUFS: [105, "no buffer space available"],
  EISCONN: [106, "already connected"],
  ENOTCONN: [107, "not connected"],
  ETOOMANYREFS: [109, "too many references"],
  ETIMEDOUT: [110, "timed out"],
  ECONNREFUSED: [111, "connection refused"],
  EALREADY: [114, "already in progress"],
  EINPROGRESS: [115, "in progress"],
  ESTALE: [116, "stale file handle"],
  EDQUOT: [122, "disk quota exceeded"],
  ECANCELED: [125, "canceled"],
  EOWNERDEAD: [130, "owner died"],
  EHWPOISON: [133, "memory page has hardware error"],
};

const NAMES = new Map(Object.entries(TABLE).map(([name, [code]]) => [code, name]));

/** `ENOENT` for 2; `errno 999` for a number without a name here. */
export function errnoName(code: number): string {
  return NAMES.get(code) ?? `errno ${code}`;
}

/** 2 for `ENOENT`. Throws RangeError for a name that is not in the table. */
export function errnoCode(name: string): number {
  const row = TABLE[name];
  if (row === undefined) throw new RangeError(`unknown errno name ${name}`);
  return row[0];
}

/** `no such file or directory` for `ENOENT`; empty for an unknown name. */
export function errnoText(name: string): string {
  return TABLE[name]?.[1] ?? "";
}

/** What a call was about: a path or name as it is, a number as `fd N`. */
export type Subject = string | number;

/** A system call failed. Has the shape of `SyscallFailure` of lib/errors.ts, which can not import it. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  /** The object: a path, `fd 7`, an ioctl's name. */
  readonly subject: string;

  constructor(
    /** The call: `open`, `mmap`, `ioctl`. */
    readonly call: string,
    /** errno by name, such as `EACCES`. */
    readonly errno: string,
    subject: Subject,
    /** What the operator can do about it; empty where nothing is known to help. */
    readonly remedy = "",
    options?: ErrorOptions,
  ) {
    const object = typeof subject === "number" ? `fd ${subject}` : subject;
    const text = errnoText(errno);
    super(
      `${call} ${object}: ${errno}${text && ` (${text})`}${remedy && `; ${remedy}`}`,
      options,
    );
    this.subject = object;
  }
}

/** Whether `error` is a failed system call, with one of `names` if any are given. */
export function isErrno(error: unknown, ...names: string[]): error is SyscallError {
  return error instanceof SyscallError && (names.length === 0 || names.includes(error.errno));
}
