/**
 * What a guest did that the standard forbids. A finding is data: it is reported, never thrown. One of
 * them is nobody's fault that stands in memory: `ring-unreadable`, where the host refused to read it.
 *
 * Sections are those of OASIS virtio 1.4.
 *
 * @module
 */

/** Codes that a walker can report. Their names are part of the JSON output. */
export const FINDING_CODES = [
  "loop",
  "next-out-of-range",
  "head-out-of-range",
  "address-outside-memory",
  "address-overflow",
  "length-too-large",
  "zero-length",
  "indirect-nested",
  "indirect-length",
  "indirect-empty",
  "indirect-outside-memory",
  "indirect-with-next",
  "indirect-not-negotiated",
  "indirect-too-long",
  "readable-after-writable",
  "avail-jump",
  "used-ahead",
  "duplicate-head",
  "shared-descriptor",
  "chain-unavailable",
  "chain-too-long",
  "id-out-of-range",
  "duplicate-id",
  "flags-invalid",
  "ring-outside-memory",
  "ring-misaligned",
  "ring-unreadable",
  "size-invalid",
] as const;

/** One of {@linkcode FINDING_CODES}. */
export type FindingCode = (typeof FINDING_CODES)[number];

/** One violation, or memory that can not be read: what, where, and the section of the standard that says so. */
export interface Finding {
  /** What was violated: stable, for programs. */
  readonly code: FindingCode;
  /** Where it stands, for a person: `descriptor 7`, `available ring`, `descriptor 3, entry 1`. */
  readonly place: string;
  /** Section number of virtio 1.4, such as `2.7.5.2`; empty where nothing was violated. */
  readonly section: string;
  /** One sentence with the values seen. */
  readonly text: string;
}
