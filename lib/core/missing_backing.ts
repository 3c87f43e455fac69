/**
 * Memory that a dump says the guest had, and that is not in the file.
 *
 * @module
 */
import type { Backing, CopyResult } from "../memory/backing.ts";

/** The end of a dump that was cut short. Every read of it fails with `ENODATA`. */
export class MissingBacking implements Backing {
  readonly gaps = "unreadable";
  /** As much as a guest can have. */
  readonly length = 2 ** 52;

  /** For people: what should have had the bytes, and the size of a page there. */
  constructor(readonly label: string, readonly pageSize = 4096) {}

  copy(_offset: number, target: Uint8Array): CopyResult {
    return { length: 0, errno: target.length === 0 ? null : "ENODATA" };
  }

  live(): null {
    return null;
  }

  nextData(): null {
    return null;
  }
}
