/**
 * The listening socket of a tap or a sink: mode 0600, own users only, and never more connections
 * than were asked for.
 *
 * @module
 */
import { POLLIN, S_IFMT, S_IFSOCK } from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import type { Poller } from "../../ffi/poller.ts";
import type { PeerCredentials, Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import { unixPath } from "../source/unix_listener.ts";

/** What a listener works with. */
export interface ListenerOptions {
  readonly sys: Sys;
  readonly poller: Poller;
  readonly path: string;
  /** A user who may connect beside root and our own: the socket becomes theirs. null for none. */
  readonly allowUid: number | null;
  /** Whether there is room for one more. */
  readonly room: () => boolean;
  /** A peer that may stay. Takes the fd over. */
  readonly accept: (fd: number, peer: PeerCredentials) => void;
  /** A peer that was sent away, and why; or accept failing, with peer null. */
  readonly refuse: (reason: string, peer: PeerCredentials | null) => void;
}

/** Waiting connections that the kernel keeps. */
const BACKLOG = 16;

/** Accepted in one go, before other sockets have their turn. */
const BATCH = 16;

/** How long accept rests when there is no fd left for another connection. */
const REST_MS = 100;

/**
 * Listens until disposed; then the socket's file is gone, too. A socket file that nobody listens on
 * any more is replaced. Throws SourceError (`busy`) where somebody does, or where the file is no
 * socket, and SyscallError.
 */
export function openListener(options: ListenerOptions): Disposable {
  const { sys, poller, path } = options;
  using undo = new DisposableStack();
  removeStale(sys, path);
  const socket = undo.use(new Fd(sys, listenAt(sys, path)));
  const inode = sys.stat(path).inode;
  undo.defer(() => unlinkOwn(sys, path, inode));
  // With mode 0600 nobody but its owner and root can connect.
  if (options.allowUid !== null) Deno.chownSync(path, options.allowUid, null);
  let resting: ReturnType<typeof setTimeout> | undefined;
  undo.defer(() => clearTimeout(resting));

  function ready(): void {
    try {
      for (let count = 0; count < BATCH; count++) if (!acceptOne(options, socket.number)) return;
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      // EMFILE and the like: the connection still waits, so poll would call again at once.
      options.refuse(error.message, null);
      poller.change(socket.number, 0);
      resting = setTimeout(() => poller.change(socket.number, POLLIN), REST_MS);
    }
  }

  poller.add(socket.number, POLLIN, ready);
  undo.defer(() => poller.remove(socket.number));
  return undo.move();
}

function acceptOne(options: ListenerOptions, listener: number): boolean {
  const { sys } = options;
  const fd = sys.accept(listener);
  if (fd === null) return false;
  const peer = sys.peerCredentials(fd);
  const reason = refusal(options, peer);
  if (reason === null) options.accept(fd, peer);
  else {
    closeAll(sys, [fd]);
    options.refuse(reason, peer);
  }
  return true;
}

function refusal(options: ListenerOptions, { uid }: PeerCredentials): string | null {
  const allowed = uid === 0 || uid === options.sys.uid || uid === options.allowUid;
  if (!allowed) return `user ${uid} may not connect`;
  return options.room() ? null : "too many connections";
}

function listenAt(sys: Sys, path: string): number {
  try {
    return sys.listenUnix(path, BACKLOG);
  } catch (error) {
    if (isSyscallFailure(error) && error.errno === "EADDRINUSE") throw taken(path, error);
    throw error;
  }
}

/**
 * A socket file stays when its owner is killed. Who listens is first asked of the kernel's table:
 * connecting to a live back-end would make us its front-end. A listener in another network namespace
 * is not in the table; there only connecting tells.
 */
function removeStale(sys: Sys, path: string): void {
  try {
    if ((sys.stat(path).mode & S_IFMT) !== S_IFSOCK) return;
    if (unixPath(sys, path).listening.length > 0) return;
    closeAll(sys, [sys.connectUnix(path)]);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    if (error.errno === "ECONNREFUSED") sys.unlink(path);
  }
}

function taken(path: string, cause: unknown): SourceError {
  const text = `${path} is there already, and somebody listens on it or it is no socket`;
  const remedy = "name a new path, or end who listens";
  return new SourceError("vhost", "listen", "busy", text, remedy, { cause });
}

/** Removes a socket's file, unless it is gone or somebody has put another there since. */
export function unlinkOwn(sys: Sys, path: string, inode: number): void {
  try {
    if (sys.stat(path).inode === inode) sys.unlink(path);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
  }
}
