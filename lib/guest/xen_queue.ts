/**
 * A shared ring or an event channel of a Xen guest, in the place of a virtqueue.
 *
 * @module
 */
import type { XenRing } from "../ring/xen/snapshot.ts";
import type { XenRingKind } from "../ring/xen/spec.ts";

/** What is known of it without mapping anything. */
export interface XenQueue {
  /** null for an event channel without a ring. */
  readonly kind: XenRingKind | null;
  /** The guest: the front-end. */
  readonly domain: number;
  /** The domain of the back-end. */
  readonly backend: number;
  /** The front-end's port of the event channel; null where the guest has not told it. */
  readonly port: number | null;
  /** Where the ring is: `grant 8`, `frame 0xa8c02`; empty where there is none. */
  readonly place: string;
  /**
   * Maps the ring and opens it; the same ring each time, held by the attachment. Throws `SourceError`
   * where it can not be mapped. Null in a listing, and where `kind` is null.
   */
  readonly open: (() => XenRing) | null;
}
