/**
 * sysfs and /proc as the enumeration reads them: files that come and go, below a root that a test
 * can put elsewhere.
 *
 * @module
 */
import { O_NONBLOCK, O_RDONLY } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "../source/attempt.ts";

/** Looks, and never throws for what is not there. Paths are relative to the root: `sys/bus/pci`. */
export interface SysfsReader {
  /** Names in a directory, sorted; empty where there is none. */
  list(path: string): string[];
  /** A file's text without the line end; null where it is not there or not readable. */
  text(path: string): string | null;
  /** At most `limit` bytes from a file's start. */
  bytes(path: string, limit: number): Uint8Array | null;
  /** Target of a symbolic link. */
  link(path: string): string | null;
}

/** Attributes are at most a page; /proc/iomem and /proc/interrupts are longer. */
const TEXT_LIMIT = 1 << 20;

/** The calls it makes. */
export type SysfsSys = Pick<Sys, "readdir" | "open" | "read" | "readlink" | "close">;

/** A reader over the real file system; `root` ends without a slash, `` for the real root. */
export function sysfsReader(sys: SysfsSys, root = ""): SysfsReader {
  const at = (path: string) => `${root}/${path}`;
  const bytes = (path: string, limit: number) => attempt(() => readStart(sys, at(path), limit));
  return {
    list: (path) => attempt(() => sys.readdir(at(path)).sort()) ?? [],
    text(path) {
      const read = bytes(path, TEXT_LIMIT);
      return read === null ? null : new TextDecoder().decode(read).trimEnd();
    },
    bytes,
    link: (path) => attempt(() => sys.readlink(at(path))),
  };
}

function readStart(sys: SysfsSys, path: string, limit: number): Uint8Array {
  using fd = new Fd(sys, sys.open(path, O_RDONLY | O_NONBLOCK));
  const chunks = new Uint8Array(limit);
  let length = 0;
  while (length < limit) {
    const got = sys.read(fd.number, chunks.subarray(length));
    if (got === 0) break;
    length += got;
  }
  return chunks.slice(0, length);
}

/** `0x1af4` or `1af4` as a number; null for anything else. */
export function hexAttribute(text: string | null): number | null {
  const match = /^(?:0x)?([0-9a-f]{1,8})$/i.exec(text?.trim() ?? "");
  return match === null ? null : parseInt(match[1], 16);
}
