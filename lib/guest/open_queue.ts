/**
 * Opens a queue's ring, whatever hypervisor it belongs to.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import { openRing } from "../ring/ring.ts";
import type { Ring } from "../ring/snapshot.ts";
import { asRing } from "../ring/xen/as_ring.ts";
import type { Queue } from "./guest.ts";

/** Whether {@linkcode openQueue} gives a ring. */
export function hasRing({ ring, xen }: Queue): boolean {
  return ring !== null || (xen?.open ?? null) !== null;
}

/**
 * The ring of a queue, or null where it has none. A shared ring of Xen comes in a virtqueue's terms;
 * guest memory is not touched for it. Throws `SourceError` where it can not be mapped.
 */
export function openQueue(
  attachment: { readonly memory: GuestMemory },
  { ring, xen }: Queue,
): Ring | null {
  if (xen !== undefined && xen.open !== null) return asRing(xen.open());
  return ring === null ? null : openRing(attachment.memory, ring);
}
