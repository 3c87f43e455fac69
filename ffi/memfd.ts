/**
 * Memory of our own that others may map: the demo's guest, tests, back-ends.
 *
 * @module
 */
import {
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
} from "./constants.ts";
import { Fd } from "./fd.ts";
import type { Sys } from "./sys.ts";

/** The calls it makes. */
export type MemfdSys = Pick<Sys, "memfd" | "ftruncate" | "addSeals" | "close">;

/**
 * A memfd of `length` bytes, all hole, sealed against any change of size as QEMU's
 * memory-backend-memfd is: mappings of it can be used in place. The caller closes it.
 */
export function sealedMemfd(sys: MemfdSys, name: string, length: number): Fd {
  using undo = new DisposableStack();
  const fd = undo.use(new Fd(sys, sys.memfd(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)));
  sys.ftruncate(fd.number, length);
  sys.addSeals(fd.number, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  undo.move();
  return fd;
}
