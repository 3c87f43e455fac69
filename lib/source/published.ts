/**
 * Layouts that a process publishes about itself: a sealed memfd named `guestmem-layout` among its
 * open files, holding a layout (`layout.ts`) whose fd numbers are the process's own. The demo guest
 * and taps publish so; anyone who may look at the process's fds can attach, with no socket, no
 * registry and nothing left behind when the process dies.
 *
 * A layout that changes is published anew and the old one closed afterwards, so that a reader finds
 * one at any moment. Where a reader sees both, the higher `version` counts.
 *
 * @module
 */
import {
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  S_IFMT,
  S_IFREG,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";
import { readFdLinks } from "./proc_maps.ts";

/** Name of the memfd. */
export const PUBLISHED_NAME = "guestmem-layout";

/** Bytes of a published layout at most. */
export const PUBLISHED_LIMIT = 1 << 20;

/** Bytes read of all layouts of one process: with 64 connections a tap publishes 5 MiB at most. */
const PROCESS_LIMIT = 16 << 20;

/** What the link of such an fd says. */
const LINK = `/memfd:${PUBLISHED_NAME} (deleted)`;

/** A layout of this process that others can see. */
export interface Publication extends Disposable {
  /** Puts `layout` in the place of the last one; its `version` is set here. Throws SyscallError. */
  replace(layout: Readonly<Record<string, unknown>>): void;
  /** Takes it away. */
  close(): void;
}

/** Counts what this process has published, so that of two layouts the newer can be told. */
let version = 0;

/** Starts with nothing published. Call `replace` for the first layout. */
export function publication(sys: Sys): Publication {
  let current: Fd | null = null;
  const close = () => {
    current?.close();
    current = null;
  };
  return {
    replace(layout) {
      const text = JSON.stringify({ ...layout, version: ++version });
      const old = current;
      current = sealedText(sys, text);
      old?.close();
    },
    close,
    [Symbol.dispose]: close,
  };
}

/** One layout found in a process. */
export interface PublishedLayout {
  /** fd number in the process. */
  readonly fd: number;
  /** JSON, not checked. */
  readonly text: string;
}

/**
 * Every layout that a process publishes, by fd number, each file once; empty where there is none, the
 * process is gone or may not be looked at. Of a process that publishes without end, the first ones.
 */
export function readPublished(sys: Sys, pid: number): PublishedLayout[] {
  const links = attempt(() => readFdLinks(sys, pid)) ?? new Map<number, string>();
  const named = [...links].filter(([, link]) => link === LINK).map(([fd]) => fd);
  const seen = new Set<number>();
  const found: PublishedLayout[] = [];
  let left = PROCESS_LIMIT;
  for (const fd of named.sort((a, b) => a - b)) {
    const bytes = left > 0 ? attempt(() => readBytes(sys, pid, fd, seen, left)) : null;
    if (bytes === null) continue;
    left -= bytes.length;
    found.push({ fd, text: new TextDecoder().decode(bytes) });
  }
  return found;
}

/** A field of a published layout, or null where it is no JSON object or has no such field. */
export function publishedField(published: PublishedLayout, name: string): unknown {
  try {
    const value: unknown = JSON.parse(published.text);
    return (value as Record<string, unknown> | null)?.[name] ?? null;
  } catch {
    return null;
  }
}

/** The `version` of a published layout; 0 where it has none. */
export function publishedVersion(published: PublishedLayout): number {
  const version = publishedField(published, "version");
  return typeof version === "number" ? version : 0;
}

/** A memfd that holds `text` and can not change any more. */
function sealedText(sys: Sys, text: string): Fd {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > PUBLISHED_LIMIT) throw new RangeError(`layout of ${bytes.length} bytes`);
  using undo = new DisposableStack();
  const fd = undo.use(new Fd(sys, sys.memfd(PUBLISHED_NAME, MFD_ALLOW_SEALING)));
  sys.pwrite(fd.number, bytes, 0);
  sys.addSeals(fd.number, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  undo.move();
  return fd;
}

/** null for what was read under another number (its inode is in `seen`), and for what is no file. */
function readBytes(
  sys: Sys,
  pid: number,
  number: number,
  seen: Set<number>,
  limit: number,
): Uint8Array | null {
  // By name alone, so that what is looked at is what is opened then.
  using pin = new Fd(sys, sys.open(`/proc/${pid}/fd/${number}`, O_PATH));
  const { mode, inode } = sys.fstat(pin.number);
  // A link's text proves nothing: opening a pipe waits, and opening a device can do things.
  if ((mode & S_IFMT) !== S_IFREG || seen.has(inode)) return null;
  seen.add(inode);
  const own = attempt(() => sys.open(`/proc/self/fd/${pin.number}`, O_RDONLY | O_NONBLOCK));
  using fd = new Fd(sys, own ?? takeFd(sys, pid, number));
  const { inode: opened, size } = sys.fstat(fd.number);
  if (opened !== inode) return null;
  const bytes = new Uint8Array(Math.min(size, PUBLISHED_LIMIT, limit));
  return bytes.subarray(0, sys.pread(fd.number, bytes, 0));
}

/** An fd as it is, where the file's mode keeps us out. Throws SyscallError; the caller closes it. */
function takeFd(sys: Sys, pid: number, fd: number): number {
  using pidfd = new Fd(sys, sys.pidfdOpen(pid));
  return sys.pidfdGetfd(pidfd.number, fd);
}
