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
  O_RDONLY,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";
import { readFdLinks } from "./proc_maps.ts";

/** Name of the memfd. */
export const PUBLISHED_NAME = "guestmem-layout";

/** Bytes of a published layout at most. */
export const PUBLISHED_LIMIT = 1 << 20;

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
 * Every layout that a process publishes, by fd number; empty where there is none, the process is
 * gone or may not be looked at.
 */
export function readPublished(sys: Sys, pid: number): PublishedLayout[] {
  const links = attempt(() => readFdLinks(sys, pid)) ?? new Map<number, string>();
  return [...links].filter(([, link]) => link === LINK).sort(([a], [b]) => a - b)
    .flatMap(([fd]) => {
      const text = attempt(() => readText(sys, pid, fd));
      return text === null ? [] : [{ fd, text }];
    });
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

/** The layout of the highest version that a process publishes, or null. */
export function newestPublished(sys: Sys, pid: number): PublishedLayout | null {
  const all = readPublished(sys, pid);
  return all.sort((a, b) => publishedVersion(a) - publishedVersion(b)).at(-1) ?? null;
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

function readText(sys: Sys, pid: number, number: number): string {
  using fd = new Fd(sys, openOf(sys, pid, number));
  const size = Math.min(sys.fstat(fd.number).size, PUBLISHED_LIMIT);
  const bytes = new Uint8Array(size);
  const length = sys.pread(fd.number, bytes, 0);
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/**
 * Our own description of a file that another process has open: by /proc, or with pidfd_getfd where
 * /proc refuses. Throws SyscallError; the caller closes it.
 */
export function openOf(sys: Sys, pid: number, fd: number, flags = O_RDONLY): number {
  const opened = attempt(() => sys.open(`/proc/${pid}/fd/${fd}`, flags));
  if (opened !== null) return opened;
  using pidfd = new Fd(sys, sys.pidfdOpen(pid));
  return sys.pidfdGetfd(pidfd.number, fd);
}
