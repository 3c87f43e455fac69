/**
 * Messages of FUSE: Linux uapi `linux/fuse.h`, protocol 7.45. Layouts are of what follows the header.
 *
 * @module
 */
import {
  bitNames,
  count64,
  flags,
  group,
  type Kind,
  type Layout,
  named,
  type Names,
  pad,
  u16,
  u32,
  u64,
} from "./kind.ts";

/** A request's arguments and the reply's; names are strings that end with a NUL. */
export interface Message {
  readonly name: string;
  readonly args?: Layout;
  readonly names?: readonly string[];
  readonly reply?: Layout;
  /** The kernel wants no answer. */
  readonly silent?: boolean;
}

/** `struct fuse_attr`. */
const attr = group({
  ino: u64,
  size: count64,
  blocks: count64,
  atime: count64,
  mtime: count64,
  ctime: count64,
  atimensec: u32,
  mtimensec: u32,
  ctimensec: u32,
  mode: octal(),
  nlink: u32,
  uid: u32,
  gid: u32,
  rdev: u32,
  blksize: u32,
  flags: u32,
});

/** `struct fuse_entry_out`, `fuse_attr_out`, `fuse_open_out`, `fuse_statfs_out`. */
const ENTRY: Layout = {
  nodeid: u64,
  generation: u64,
  entryValid: count64,
  attrValid: count64,
  entryValidNsec: u32,
  attrValidNsec: u32,
  attr,
};
const ATTR: Layout = { attrValid: count64, attrValidNsec: u32, dummy: pad(4), attr };
const OPENED: Layout = { fh: u64, openFlags: u32, padding: pad(4) };
const STATFS: Layout = {
  blocks: count64,
  bfree: count64,
  bavail: count64,
  files: count64,
  ffree: count64,
  bsize: u32,
  namelen: u32,
  frsize: u32,
  padding: pad(28),
};

const SETATTR_FIELDS: Names = [
  "MODE",
  "UID",
  "GID",
  "SIZE",
  "ATIME",
  "MTIME",
  "FH",
  "ATIME_NOW",
  "MTIME_NOW",
  "LOCKOWNER",
  "CTIME",
  "KILL_SUIDGID",
];

const fh = { fh: u64 };
const io: Layout = {
  fh: u64,
  offset: u64,
  size: u32,
  ioFlags: u32,
  lockOwner: u64,
  flags: u32,
  padding: pad(4),
};
const opening: Layout = { flags: u32, openFlags: u32 };
const releasing: Layout = { fh: u64, flags: u32, releaseFlags: u32, lockOwner: u64 };
const syncing: Layout = { fh: u64, fsyncFlags: u32, padding: pad(4) };
const creating: Layout = { flags: u32, mode: octal(), umask: octal(), openFlags: u32 };
const sized: Layout = { size: u32, padding: pad(4) };
const locking: Layout = {
  fh: u64,
  owner: u64,
  start: u64,
  end: u64,
  type: named(u32, ["RDLCK", "WRLCK", "UNLCK"]),
  pid: u32,
  lkFlags: u32,
  padding: pad(4),
};
const name = ["name"];

/** `struct fuse_init_in` as of 7.36, and `struct fuse_init_out`. */
const INIT: Layout = {
  major: u32,
  minor: u32,
  maxReadahead: u32,
  flags: u32,
  flags2: u32,
  unused: pad(44),
};
const INITIALISED: Layout = {
  major: u32,
  minor: u32,
  maxReadahead: u32,
  flags: u32,
  maxBackground: u16,
  congestionThreshold: u16,
  maxWrite: u32,
  timeGran: u32,
  maxPages: u16,
  mapAlignment: u16,
  flags2: u32,
};
const SETATTR: Layout = {
  valid: flags(u32, SETATTR_FIELDS),
  padding: pad(4),
  fh: u64,
  size: u64,
  lockOwner: u64,
  times: pad(36),
  mode: octal(),
  unused4: pad(4),
  uid: u32,
  gid: u32,
};
const COPY: Layout = {
  fhIn: u64,
  offIn: u64,
  nodeidOut: u64,
  fhOut: u64,
  offOut: u64,
  len: u64,
  flags: u64,
};
const mappingFlags: Kind<bigint> = {
  ...u64,
  show: (value) => bitNames(["WRITE", "READ"], Number(BigInt.asUintN(32, value))),
};
const IOCTL: Layout = { fh: u64, flags: u32, cmd: u32, arg: u64, inSize: u32, outSize: u32 };

/** Opcodes; those that are missing were never given out. */
export const MESSAGES: { readonly [opcode: number]: Message } = {
  1: { name: "LOOKUP", names: name, reply: ENTRY },
  2: { name: "FORGET", args: { nlookup: count64 }, silent: true },
  3: { name: "GETATTR", args: { getattrFlags: u32, dummy: pad(4), fh: u64 }, reply: ATTR },
  4: { name: "SETATTR", args: SETATTR, reply: ATTR },
  5: { name: "READLINK" },
  6: { name: "SYMLINK", names: ["name", "target"], reply: ENTRY },
  8: {
    name: "MKNOD",
    args: { mode: octal(), rdev: u32, umask: octal(), padding: pad(4) },
    names: name,
    reply: ENTRY,
  },
  9: { name: "MKDIR", args: { mode: octal(), umask: octal() }, names: name, reply: ENTRY },
  10: { name: "UNLINK", names: name },
  11: { name: "RMDIR", names: name },
  12: { name: "RENAME", args: { newdir: u64 }, names: ["oldname", "newname"] },
  13: { name: "LINK", args: { oldnodeid: u64 }, names: name, reply: ENTRY },
  14: { name: "OPEN", args: opening, reply: OPENED },
  15: { name: "READ", args: io },
  16: { name: "WRITE", args: io, reply: sized },
  17: { name: "STATFS", reply: STATFS },
  18: { name: "RELEASE", args: releasing },
  20: { name: "FSYNC", args: syncing },
  21: { name: "SETXATTR", args: { size: u32, flags: u32 }, names: name },
  22: { name: "GETXATTR", args: sized, names: name },
  23: { name: "LISTXATTR", args: sized },
  24: { name: "REMOVEXATTR", names: name },
  25: { name: "FLUSH", args: { fh: u64, unused: pad(8), lockOwner: u64 } },
  26: { name: "INIT", args: INIT, reply: INITIALISED },
  27: { name: "OPENDIR", args: opening, reply: OPENED },
  28: { name: "READDIR", args: io },
  29: { name: "RELEASEDIR", args: releasing },
  30: { name: "FSYNCDIR", args: syncing },
  31: { name: "GETLK", args: locking },
  32: { name: "SETLK", args: locking },
  33: { name: "SETLKW", args: locking },
  34: { name: "ACCESS", args: { mask: u32, padding: pad(4) } },
  35: { name: "CREATE", args: creating, names: name, reply: { ...ENTRY, ...OPENED } },
  36: { name: "INTERRUPT", args: { interrupted: u64 } },
  37: { name: "BMAP", args: { block: u64, blocksize: u32, padding: pad(4) } },
  38: { name: "DESTROY" },
  39: { name: "IOCTL", args: IOCTL },
  40: { name: "POLL", args: { fh: u64, kh: u64, flags: u32, events: u32 } },
  41: { name: "NOTIFY_REPLY" },
  42: { name: "BATCH_FORGET", args: { count: u32, dummy: pad(4) }, silent: true },
  43: {
    name: "FALLOCATE",
    args: { fh: u64, offset: u64, length: u64, mode: u32, padding: pad(4) },
  },
  44: { name: "READDIRPLUS", args: io },
  45: {
    name: "RENAME2",
    args: {
      newdir: u64,
      flags: flags(u32, ["NOREPLACE", "EXCHANGE", "WHITEOUT"]),
      padding: pad(4),
    },
    names: ["oldname", "newname"],
  },
  46: {
    name: "LSEEK",
    args: { fh: u64, offset: u64, whence: u32, padding: pad(4) },
    reply: { offset: u64 },
  },
  47: { name: "COPY_FILE_RANGE", args: COPY, reply: sized },
  48: {
    name: "SETUPMAPPING",
    args: { fh: u64, foffset: u64, len: u64, flags: mappingFlags, moffset: u64 },
  },
  49: { name: "REMOVEMAPPING", args: { count: u32, moffset: u64, len: u64 } },
  50: { name: "SYNCFS", args: { padding: pad(8) } },
  51: { name: "TMPFILE", args: creating, reply: { ...ENTRY, ...OPENED } },
  52: {
    name: "STATX",
    args: { getattrFlags: u32, reserved: pad(4), ...fh, sxFlags: u32, sxMask: u32 },
  },
};

/** Notifications (5.11.6.3): the code stands in the header's `error`. */
export const NOTIFICATIONS: Names = {
  1: "POLL",
  2: "INVAL_INODE",
  3: "INVAL_ENTRY",
  4: "STORE",
  5: "RETRIEVE",
  6: "DELETE",
  7: "RESEND",
  8: "INC_EPOCH",
};

/** A file mode as people read it. */
function octal(): Kind<number> {
  return { ...u32, show: (value) => "0" + value.toString(8) };
}
