/**
 * A Xen shared ring in the terms of a virtqueue, for what only looks at indices: rates and stalls.
 *
 * ```text
 *   req_prod  -> available index       req_event - 1 -> avail_event
 *   rsp_prod  -> used index            rsp_event - 1 -> used_event
 * ```
 *
 * Both want a notification when the other side's index passes an event index; Xen counts to the entry
 * itself, virtio to the one before. Of a byte ring the guest's direction is shown, in bytes.
 *
 * @module
 */
import type { Finding, FindingCode } from "../../finding.ts";
import { FEATURE, type RingConfig } from "../config.ts";
import { fillPositions } from "../positions.ts";
import type { Ring, RingIndices, RingPositions, RingSide, RingSnapshot } from "../snapshot.ts";
import { unreadable } from "../unreadable.ts";
import type { XenFinding, XenFindingCode, XenRing, XenRingIndices } from "./snapshot.ts";

/** virtio's word for a fault of a shared ring; place and text say what it is. */
const CODES: Record<XenFindingCode, FindingCode> = {
  "producer-jump": "avail-jump",
  "response-ahead": "used-ahead",
  "duplicate-id": "duplicate-id",
  "unknown-operation": "flags-invalid",
  "segment-count": "chain-too-long",
  "range-invalid": "length-too-large",
  "packet-unfinished": "next-out-of-range",
  "reference-invalid": "address-outside-memory",
  "message-invalid": "flags-invalid",
  "ring-unreadable": "ring-unreadable",
};

/** The ring's view as a virtqueue. It has no descriptors, so its snapshots have no chains. */
export function asRing(ring: XenRing): Ring {
  const config = configOf(ring.indices());
  const read = () => {
    const indices = ring.indices();
    return indices === null ? null : virtqueueIndices(indices);
  };
  const positions = (into: RingPositions) => {
    const indices = read();
    if (indices !== null) fillPositions(into, indices, config.size);
    return indices !== null;
  };
  const snapshot = () => snapshotOf(config, ring);
  const suppression = () => snapshot().suppression;
  // SHARED_RING_INIT sets rsp_event to 1, and every front-end moves it on as it takes answers.
  const isArmedAtZero = () => true;
  // What is mapped of another domain fails without an errno.
  const fault = () => null;
  const walker = { indices: read, positions, suppression, isArmedAtZero, fault, snapshot };
  return { config, findings: [], ...walker };
}

function configOf(indices: XenRingIndices | null): RingConfig {
  const size = indices === null ? 0 : guestSide(indices).size;
  const features = FEATURE.EVENT_IDX | FEATURE.VERSION_1;
  const areas = { descriptor: 0n, driver: 0n, device: 0n };
  return { format: "split", size, ...areas, addressSpace: "guest", features };
}

/** Requests, or the bytes that the guest sends. */
function guestSide({ sides }: XenRingIndices) {
  return sides.find(({ from }) => from === "front-end") ?? sides[0];
}

function virtqueueIndices(indices: XenRingIndices): RingIndices {
  const { raced, time } = indices;
  const sent = guestSide(indices);
  const answers = indices.sides.find(({ name }) => name === "responses");
  const produced = sent.producer;
  const taken = answers?.producer ?? sent.consumer ?? produced;
  return {
    available: side(produced, answers?.event ?? null, taken),
    used: side(taken, sent.event, produced),
    inFlight: Math.min((produced - taken) >>> 0, sent.size),
    exact: true,
    ...{ raced, time },
  };
}

/**
 * `event` is the other side's: virtio keeps used_event beside the available index. An event index of
 * 0 beside a producer of 0 is a page that SHARED_RING_INIT has not seen: nobody asks for anything.
 */
function side(index: number, event: number | null, produced: number): RingSide {
  const unset = event === null || event === 0 && produced === 0;
  return {
    index: index & 0xffff,
    flags: 0,
    event: unset ? null : (event - 1) & 0xffff,
    wrap: null,
    eventWrap: null,
  };
}

function snapshotOf(config: RingConfig, ring: XenRing): RingSnapshot {
  const reading = ring.snapshot({ recentCount: 0 });
  const findings = reading.findings.map(asFinding);
  const unread = reading.findings.some(({ code }) => code === "ring-unreadable");
  if (unread) return unreadable(config, null, findings, reading.time);
  return {
    ...virtqueueIndices(reading),
    config,
    suppression: {
      kickWanted: reading.kickWanted ?? true,
      callWanted: reading.callWanted ?? true,
      by: "event index",
    },
    chainCount: 0,
    totals: { descriptors: 0, readable: 0, writable: 0 },
    chain: () => {
      throw new RangeError("a shared ring has no chains");
    },
    findings,
  };
}

function asFinding({ code, place, section, text }: XenFinding): Finding {
  return { code: CODES[code], place, section, text: `${code}: ${text}` };
}
