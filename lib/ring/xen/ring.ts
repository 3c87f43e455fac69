/**
 * Opens a Xen shared ring, whatever it carries.
 *
 * @module
 */
import { openByteRing } from "./byte_ring.ts";
import { openSlotRing } from "./slot_ring.ts";
import type { XenRing, XenRingConfig } from "./snapshot.ts";

/** A reader of the ring. Reads nothing yet. */
export function openXenRing(config: XenRingConfig): XenRing {
  const bytes = config.kind === "console" || config.kind === "xenstore";
  return bytes ? openByteRing(config) : openSlotRing(config);
}
