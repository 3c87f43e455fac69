/**
 * A front-end's memory, mapped read-write by the fds that it sent.
 *
 * @module
 */
import { guestAddress, hex, userAddress } from "../address.ts";
import { ProtocolError } from "../errors.ts";
import { Mapping } from "../../ffi/mapping.ts";
import type { Sys } from "../../ffi/sys.ts";
import { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { Region } from "../memory/region.ts";
import { RegionTable } from "../memory/region_table.ts";
import type { MemorySlot } from "../tap/connection.ts";

/** Mapped memory; disposing unmaps it. */
export interface ServedMemory extends Disposable {
  readonly memory: WritableGuestMemory;
}

/** A region may end here in its file at most: 1 TiB, which one ArrayBuffer is known to carry. */
const LARGEST = 1n << 40n;

/**
 * Maps the regions. Duplicates the fds that it keeps. Throws ProtocolError for sizes that no guest
 * has, and SyscallError where mmap fails; nothing stays mapped then.
 */
export function mapMemory(sys: Sys, slots: readonly MemorySlot[]): ServedMemory {
  using undo = new DisposableStack();
  const regions = slots.map((slot, index) => mapSlot(sys, slot, index, undo));
  const memory = new WritableGuestMemory(tableOf(regions), "memory of the front-end");
  const resources = undo.move();
  return { memory, [Symbol.dispose]: () => resources.dispose() };
}

/** A table that can not be is the front-end's fault, not ours. */
function tableOf(regions: readonly Region[]): RegionTable {
  try {
    return new RegionTable(regions);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ProtocolError("vhost-user", "memory table", "regions that can be", error.message);
  }
}

function mapSlot(
  sys: Sys,
  { region, fd }: MemorySlot,
  index: number,
  undo: DisposableStack,
): Region {
  const item = `memory region ${index}`;
  if (fd === null) throw new ProtocolError("vhost-user", item, "an fd", "none");
  const end = region.mmapOffset + region.size;
  if (end > LARGEST) {
    throw new ProtocolError("vhost-user", item, `an end of at most ${hex(LARGEST)}`, hex(end));
  }
  if (region.size === 0n) throw new ProtocolError("vhost-user", item, "a size", "0 bytes");
  const map = { sys, fd, length: Number(end), writable: true, label: item };
  return {
    guest: guestAddress(region.guestAddress),
    length: region.size,
    backing: undo.use(Mapping.open(map)),
    offset: Number(region.mmapOffset),
    access: "rw",
    name: item,
    user: userAddress(region.userAddress),
  };
}
