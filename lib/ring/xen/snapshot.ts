/**
 * What one reading of a Xen shared ring gives.
 *
 * @module
 */
import type { DecodedRequest } from "../../device/decoder.ts";
import type { Backing } from "../../memory/backing.ts";
import type { XenRingAbi, XenRingKind } from "./spec.ts";

/** What is wrong in a shared ring. */
export type XenFindingCode =
  /** More was produced than the ring holds. */
  | "producer-jump"
  /** Responses passed the requests. */
  | "response-ahead"
  /** Two outstanding requests have one id. */
  | "duplicate-id"
  | "unknown-operation"
  /** Number of segments is not allowed. */
  | "segment-count"
  /** A segment or packet part leaves its page. */
  | "range-invalid"
  /** A packet goes on behind the last request. */
  | "packet-unfinished"
  /** A grant reference that is reserved or 0. */
  | "reference-invalid"
  /** A message of the store is none. */
  | "message-invalid"
  /** The ring's pages can not be read, or are too small. */
  | "ring-unreadable";

/** One violation of the shared protocol: the same shape as a virtio `Finding`. */
export interface XenFinding {
  readonly code: XenFindingCode;
  /** `request 17`, `response index`. */
  readonly place: string;
  /** Header of Xen's public interface that says so: `io/blkif.h`. */
  readonly section: string;
  /** One sentence with the values seen. */
  readonly text: string;
}

/** What must be known to read a shared ring. */
export interface XenRingConfig {
  readonly kind: XenRingKind;
  readonly abi: XenRingAbi;
  /** The ring's pages in order. */
  readonly pages: Backing;
}

/** One direction of a ring: who produces, how far, and how far the other side got. */
export interface XenRingSide {
  /** `requests`, `responses`; `in`, `out`; `req`, `rsp`. */
  readonly name: string;
  readonly from: "front-end" | "back-end";
  /** Free-running u32. */
  readonly producer: number;
  /** The same of the consumer where it stands in the page; request rings keep it private. */
  readonly consumer: number | null;
  /** The producer index at which the consumer asked for an event; null for byte rings. */
  readonly event: number | null;
  /** Entries or bytes of this direction. */
  readonly size: number;
}

/** One slot, or one message of a byte ring. */
export interface XenRingEntry {
  /** Free-running index of its first slot, or byte offset in the stream. */
  readonly index: number;
  readonly slot: number;
  /**
   * `outstanding`: a request without an answer in its slot (a back-end may answer out of order, in
   * other slots). `answered`: a response, the newest last. `pending`: bytes nobody took yet.
   * `passed`: taken already.
   */
  readonly state: "outstanding" | "answered" | "pending" | "passed";
  readonly request: DecodedRequest;
  readonly findings: readonly XenFinding[];
}

/** The cheap part. */
export interface XenRingIndices {
  readonly kind: XenRingKind;
  readonly sides: readonly XenRingSide[];
  /** Requests without a response; bytes not taken, both ways, for byte rings. */
  readonly inFlight: number;
  /** Slots; bytes of the larger direction for byte rings. */
  readonly size: number;
  /** An index moved between the first and the last look. */
  readonly raced: boolean;
  /** Milliseconds since the epoch, of the first look. */
  readonly time: number;
}

/** One reading. */
export interface XenRingSnapshot extends XenRingIndices {
  readonly abi: XenRingAbi;
  /** The back-end wants an event for the next request; null for byte rings, which always do. */
  readonly kickWanted: boolean | null;
  /** The front-end wants one for the next response. */
  readonly callWanted: boolean | null;
  readonly entries: readonly XenRingEntry[];
  /** Last bytes of a console's output, not escaped; empty for others. */
  readonly text: string;
  /** Of the ring, then of its entries. */
  readonly findings: readonly XenFinding[];
  /** Facts that are no findings: `server is reconnecting`. */
  readonly notes: readonly string[];
}

/** How much to read. */
export interface XenSnapshotOptions {
  /** Responses (or passed messages) before the outstanding requests. Default 8. */
  readonly recentCount?: number;
}

/** A shared ring that can be read. */
export interface XenRing {
  readonly config: XenRingConfig;
  /** null where the ring's pages can not be read. */
  indices(): XenRingIndices | null;
  /** Never throws. */
  snapshot(options?: XenSnapshotOptions): XenRingSnapshot;
}
