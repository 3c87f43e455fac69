/**
 * Where the standard forbids what a finding reports: sections of virtio 1.4.
 *
 * @module
 */
import type { Finding, FindingCode } from "../finding.ts";
import type { RingFormat } from "./config.ts";

/** Section per code: of split rings, of packed rings. */
const SECTIONS: Record<FindingCode, readonly [split: string, packed: string]> = {
  "loop": ["2.7.5.2", "2.8.6"],
  "next-out-of-range": ["2.7.5", "2.8.6"],
  "head-out-of-range": ["2.7.6", "2.8.6"],
  "address-outside-memory": ["2.7.5", "2.8.4"],
  "address-overflow": ["2.7.5", "2.8.4"],
  "length-too-large": ["2.7.5.2", "2.8.5"],
  "zero-length": ["2.7.5", "2.8.4"],
  "indirect-nested": ["2.7.5.3.1", "2.8.7"],
  "indirect-length": ["2.7.5.3", "2.8.7"],
  "indirect-empty": ["2.7.5.3", "2.8.7"],
  "indirect-outside-memory": ["2.7.5.3", "2.8.7"],
  "indirect-with-next": ["2.7.5.3.1", "2.8.7"],
  "indirect-not-negotiated": ["2.7.5.3.1", "2.8.7"],
  "indirect-too-long": ["2.7.5.3.1", "2.8.7"],
  "readable-after-writable": ["2.7.4.2", "2.8.5"],
  "avail-jump": ["2.7.13.3", "2.8.21"],
  "used-ahead": ["2.7.8", "2.8.22"],
  "duplicate-head": ["2.7.13", "2.8.21"],
  "shared-descriptor": ["2.7.13", "2.8.21"],
  "chain-unavailable": ["2.7.13", "2.8.6"],
  "chain-too-long": ["2.7.5.2", "2.8.6"],
  "id-out-of-range": ["2.7.8", "2.8.13"],
  "duplicate-id": ["2.7.8", "2.8.13"],
  "flags-invalid": ["2.7.7", "2.8.1"],
  "ring-outside-memory": ["2.7", "2.8"],
  "ring-misaligned": ["2.7", "2.8"],
  "ring-unreadable": ["", ""],
  "size-invalid": ["2.7", "2.8"],
};

/** A finding with its section filled in. */
export function finding(
  format: RingFormat,
  code: FindingCode,
  place: string,
  text: string,
): Finding {
  return { code, place, section: SECTIONS[code][format === "split" ? 0 : 1], text };
}
