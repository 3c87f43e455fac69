/**
 * The two ways to xenstored: its Unix socket, and the kernel's device.
 *
 * @module
 */
import { O_NONBLOCK, O_RDWR, POLLIN, POLLOUT } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/errno.ts";
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";

/** A byte stream to xenstored. */
export interface StoreTransport extends Disposable {
  /** Socket or device, for messages. */
  readonly name: string;
  readonly fd: number;
  /** Bytes taken; null where none can be taken now. */
  send(bytes: Uint8Array): number | null;
  /** Bytes that arrived; null where none did; empty at the end of the stream. */
  receive(): Uint8Array | null;
}

/** Tried in this order, as libxenstore does. */
export const STORE_SOCKETS = ["/run/xenstored/socket", "/var/run/xenstored/socket"] as const;
/** Tried after the sockets. */
export const STORE_DEVICES = ["/dev/xen/xenbus", "/proc/xen/xenbus"] as const;

/**
 * Opens the first way that works. `only` names one path instead. Throws `SourceError` naming what was
 * tried and why each failed.
 */
export function openTransport(sys: Sys, only: string | null = null): StoreTransport {
  const attempts = only === null
    ? [...STORE_SOCKETS.map((path) => [path, true]), ...STORE_DEVICES.map((path) => [path, false])]
    : [[only, !only.endsWith("/xenbus")]];
  const refusals: { path: string; errno: string }[] = [];
  for (const [path, socket] of attempts as [string, boolean][]) {
    try {
      return socket ? socketTransport(sys, path) : deviceTransport(sys, path);
    } catch (error) {
      if (!isErrno(error)) throw error;
      refusals.push({ path, errno: error.errno });
    }
  }
  throw unreachable(refusals);
}

function unreachable(refusals: readonly { path: string; errno: string }[]): SourceError {
  const list = refusals.map(({ path, errno }) => `${path} ${errno}`).join(", ");
  const denied = refusals.some(({ errno }) => errno === "EACCES" || errno === "EPERM");
  const absent = refusals.every(({ errno }) => errno === "ENOENT");
  const kind = denied ? "permission" : absent ? "unsupported" : "failed";
  const remedy = denied
    ? "run as root"
    : absent
    ? "no Xen here, or xenstored is not running (systemctl start xenstored)"
    : "see whether xenstored is running";
  return new SourceError("xen", "connect to xenstore", kind, `no way in: ${list}`, remedy);
}

function socketTransport(sys: Sys, path: string): StoreTransport {
  const fd = sys.connectUnix(path);
  const buffer = new Uint8Array(8192);
  return {
    name: path,
    fd,
    send: (bytes) => sys.sendmsg(fd, bytes, []),
    receive() {
      const got = sys.recvmsg(fd, buffer, 0);
      return got === null ? null : buffer.slice(0, got.length);
    },
    [Symbol.dispose]: () => sys.close(fd),
  };
}

function deviceTransport(sys: Sys, path: string): StoreTransport {
  const fd = sys.open(path, O_RDWR | O_NONBLOCK);
  const buffer = new Uint8Array(8192);
  const ready = (events: number) => (sys.pollNow([{ fd, events }])[0] & events) !== 0;
  return {
    name: path,
    fd,
    send: (bytes) => sys.write(fd, bytes),
    receive: () => ready(POLLIN) ? buffer.slice(0, sys.read(fd, buffer)) : null,
    [Symbol.dispose]: () => sys.close(fd),
  };
}

/** Waits until a transport can be read (or written); false after `timeoutMs`. */
export async function awaitTransport(
  sys: Sys,
  transport: StoreTransport,
  write: boolean,
  timeoutMs: number,
): Promise<boolean> {
  const events = write ? POLLOUT : POLLIN;
  const [got] = await sys.poll([{ fd: transport.fd, events }], timeoutMs);
  return got !== 0;
}
