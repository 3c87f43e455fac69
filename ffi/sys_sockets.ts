/**
 * Unix sockets of the real `Sys`: nonblocking, close-on-exec, and able to carry fds.
 *
 * @module
 */
import { check, orClose, retry, retryOrNull } from "./call.ts";
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SCM_MAX_FD,
  SHUT_RDWR,
  SO_PEERCRED,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./constants.ts";
import { isErrno, SyscallError } from "./errno.ts";
import { cmsgSpace, MSGHDR, SOCKADDR_UN, UCRED } from "./layout.ts";
import type { Libc } from "./libc.ts";
import { decodeRights, encodeRights, message } from "./socket_message.ts";
import type { PeerCredentials, Received, SocketCalls } from "./sys.ts";

const TYPE = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

/** The socket calls over the C library. */
export function socketCalls(c: Libc): SocketCalls {
  return {
    listenUnix: (path, backlog) => listenUnix(c, path, backlog),
    connectUnix: (path) => connectUnix(c, path),
    accept: (fd) => acceptOne(c, fd),
    socketpair: () => pair(c),
    sendmsg: (fd, bytes, fds) => send(c, fd, bytes, fds),
    recvmsg: (fd, target, maxFds) => receive(c, fd, target, maxFds),
    peerCredentials: (fd) => credentials(c, fd),
    shutdown: (fd) => shutDown(c, fd),
  };
}

function newSocket(c: Libc): number {
  return check(c.socket(AF_UNIX, TYPE, 0), "socket", "AF_UNIX");
}

function listenUnix(c: Libc, path: string, backlog: number): number {
  const address = unixAddress("bind", path);
  const fd = newSocket(c);
  return orClose(() => c.close(fd), () => {
    // bind gives the new name the mode of the socket's inode: set here, it is never wider.
    check(c.fchmod(fd, 0o600), "fchmod", path);
    check(c.bind(fd, address, address.length), "bind", path);
    check(c.listen(fd, backlog), "listen", path);
    return fd;
  });
}

function connectUnix(c: Libc, path: string): number {
  const address = unixAddress("connect", path);
  const fd = newSocket(c);
  return orClose(() => c.close(fd), () => {
    retry("connect", path, () => c.connect(fd, address, address.length));
    return fd;
  });
}

/** struct sockaddr_un as long as it needs to be; a path that starts with NUL is an abstract name. */
function unixAddress(call: string, path: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(path);
  if (name.length >= SOCKADDR_UN.pathSize) throw new SyscallError(call, "ENAMETOOLONG", path);
  if (name.lastIndexOf(0) > 0) throw new TypeError(`NUL in ${JSON.stringify(path)}`);
  const end = name[0] === 0 ? 0 : 1;
  const address = new Uint8Array(SOCKADDR_UN.path + name.length + end);
  new DataView(address.buffer).setUint16(SOCKADDR_UN.family, AF_UNIX, true);
  address.set(name, SOCKADDR_UN.path);
  return address;
}

function acceptOne(c: Libc, fd: number): number | null {
  try {
    return retryOrNull("accept4", fd, () => c.accept4(fd, 0n, 0n, SOCK_NONBLOCK | SOCK_CLOEXEC));
  } catch (error) {
    // The peer left before we came: nobody to talk to, and nothing wrong with the listener.
    if (isErrno(error, "ECONNABORTED")) return null;
    throw error;
  }
}

function pair(c: Libc): [number, number] {
  const fds = new Int32Array(2);
  check(c.socketpair(AF_UNIX, TYPE, 0, fds), "socketpair", "AF_UNIX");
  return [fds[0], fds[1]];
}

function send(c: Libc, fd: number, bytes: Uint8Array, fds: readonly number[]): number | null {
  if (fds.length > SCM_MAX_FD) throw new RangeError(`${fds.length} fds in one message`);
  if (fds.length > 0 && bytes.length === 0) throw new RangeError("fds need a byte to ride on");
  const control = encodeRights(fds);
  // SAFETY: what the header points to is kept until the next one is made, and the call is synchronous.
  const header = message(bytes, control);
  return retryOrNull(
    "sendmsg",
    fd,
    () => c.sendmsg(fd, header, MSG_NOSIGNAL | MSG_DONTWAIT),
  );
}

function receive(c: Libc, fd: number, target: Uint8Array, maxFds: number): Received | null {
  if (target.length === 0) throw new RangeError("recvmsg needs room for a byte");
  const room = Math.min(Math.max(0, maxFds), SCM_MAX_FD);
  const control = new Uint8Array(room === 0 ? 0 : cmsgSpace(4 * room));
  // SAFETY: as in `send`.
  const header = message(target, control);
  const flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
  const length = retryOrNull("recvmsg", fd, () => c.recvmsg(fd, header, flags));
  if (length === null) return null;
  const view = new DataView(header.buffer);
  const used = Number(view.getBigUint64(MSGHDR.controllen, true));
  const all = decodeRights(control.subarray(0, used));
  // Padding of the control buffer can let one more in than was asked for.
  for (const extra of all.slice(room)) c.close(extra);
  const lost = (view.getInt32(MSGHDR.flags, true) & MSG_CTRUNC) !== 0;
  return {
    length,
    fds: all.slice(0, room),
    truncated: lost || all.length > room,
  };
}

function credentials(c: Libc, fd: number): PeerCredentials {
  const value = new DataView(new ArrayBuffer(UCRED.SIZE));
  const size = new Uint32Array([UCRED.SIZE]);
  check(c.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, size), "getsockopt(SO_PEERCRED)", fd);
  return {
    pid: value.getInt32(UCRED.pid, true),
    uid: value.getUint32(UCRED.uid, true),
    gid: value.getUint32(UCRED.gid, true),
  };
}

function shutDown(c: Libc, fd: number): void {
  try {
    check(c.shutdown(fd, SHUT_RDWR), "shutdown", fd);
  } catch (error) {
    if (!isErrno(error, "ENOTCONN")) throw error;
  }
}
