/**
 * A program that shows long output a screen at a time, such as less. It is started by the C library:
 * Deno's own way to run programs wants a permission for it, and one that can not be narrowed to a
 * program that the user names in PAGER.
 *
 * @module
 */
import { POLLIN, POLLOUT } from "../ffi/constants.ts";
import { Fd } from "../ffi/fd.ts";
import { reap, spawn } from "../ffi/spawn.ts";
import { openSys, type Sys } from "../ffi/sys.ts";
import { isSyscallFailure } from "./errors.ts";
import { attempt } from "./source/attempt.ts";

/** A running pager. */
export interface Pager {
  /** Hands on bytes, which may be reused afterwards. False once nobody reads any more. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Says that this was all, and waits until the pager has ended. */
  close(): Promise<void>;
}

/** Starts a command line, as sh reads it, on our terminal. Null where it can not be started. */
export function startPager(
  command: string,
  environment: Readonly<Record<string, string>>,
  sys: Sys = openSys(),
): Pager | null {
  // A socket, as our end of a pipe would block all of us while the pager waits for a key.
  const [ours, theirs] = sys.socketpair().map((fd) => new Fd(sys, fd));
  using _theirs = theirs;
  const argv = ["sh", "-c", command];
  const program = { path: "/bin/sh", argv, environment, stdin: theirs.number };
  const pid = attempt(() => spawn(program));
  if (pid === null) {
    ours.close();
    return null;
  }
  return {
    write: (bytes) => send(sys, ours.number, bytes),
    async close() {
      ours.close();
      using process = new Fd(sys, sys.pidfdOpen(pid));
      await sys.poll([{ fd: process.number, events: POLLIN }], -1);
      reap(pid);
    },
  };
}

async function send(sys: Sys, fd: number, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let at = 0; at < bytes.length;) {
      const sent = sys.sendmsg(fd, bytes.subarray(at), []);
      if (sent === null) await sys.poll([{ fd, events: POLLOUT }], -1);
      else at += sent;
    }
    return true;
  } catch (error) {
    if (isSyscallFailure(error) && ["EPIPE", "ECONNRESET"].includes(error.errno)) return false;
    throw error;
  }
}

/** Whether a program can be found: in the folders of a PATH, or where it says itself. */
export function isOnPath(name: string, path: string, sys: Pick<Sys, "stat"> = openSys()): boolean {
  const places = name.includes("/") ? [name] : path.split(":").map((folder) => `${folder}/${name}`);
  return places.some((place) => attempt(() => sys.stat(place)) !== null);
}
