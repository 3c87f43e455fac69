/**
 * Guest memory drawn as a line, a letter per page: `d` data, `.` a hole in the file, `x` a page that
 * can not be read, `_` no memory.
 *
 * ```text
 * dd..x_d   pages 0 and 1 hold data, 2 and 3 were never written, 4 is unreadable, 5 is no memory
 * ```
 *
 * @module
 */
import { guestAddress } from "../../lib/address.ts";
import { BufferBacking, type CopyResult, type Extent } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import type { Region } from "../../lib/memory/region.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";

/** Bytes a letter stands for. */
export const PAGE = 4096;

/** A backing that counts what it is asked to copy. */
export class DrawnBacking extends BufferBacking {
  /** Bytes that were asked for in `copy`. */
  asked = 0;

  constructor(readonly pages: string) {
    super(new ArrayBuffer(pages.length * PAGE), "drawn", PAGE);
  }

  override copy(offset: number, target: Uint8Array): CopyResult {
    this.asked += target.length;
    const bad = this.pages.indexOf("x", Math.floor(offset / PAGE)) * PAGE;
    const room = bad < 0 ? target.length : Math.max(0, bad - offset);
    if (room >= target.length) return super.copy(offset, target);
    return { length: super.copy(offset, target.subarray(0, room)).length, errno: "EIO" };
  }

  override live(): null {
    return null;
  }

  override nextData(offset: number): Extent | null {
    const start = Math.floor(offset / PAGE);
    const rest = this.pages.slice(start).search(/[dx]/);
    if (rest < 0) return null;
    const run = /^[dx]+/.exec(this.pages.slice(start + rest)) as RegExpExecArray;
    return { start: (start + rest) * PAGE, end: (start + rest + run[0].length) * PAGE };
  }
}

/** The memory of a drawing that starts at guest address `base`, and the backing of all of it. */
export function drawnMemory(
  drawing: string,
  base = 0n,
): { memory: GuestMemory; backing: DrawnBacking; bytes: Uint8Array } {
  const backing = new DrawnBacking(drawing);
  const regions = [...drawing.matchAll(/[^_]+/g)].map((match): Region => ({
    guest: guestAddress(base + BigInt(match.index * PAGE)),
    length: BigInt(match[0].length * PAGE),
    backing,
    offset: match.index * PAGE,
    access: "ro",
    name: `drawn ${match.index}`,
    user: null,
  }));
  const memory = new GuestMemory(new RegionTable(regions), "drawn memory");
  return { memory, backing, bytes: new Uint8Array(backing.buffer) };
}
