/**
 * `guestmem/ring/1`: one ring as one line of JSON.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { DecodedRequest } from "../../lib/device/decoder.ts";
import type { RingReport } from "../../lib/guest/ring_report.ts";
import { isUnreadable } from "../../lib/ring/unreadable.ts";
import type { ChainDescriptor, DescriptorChain, RingSide } from "../../lib/ring/snapshot.ts";
import { listJsonLine, timeText } from "./json.ts";

/** One object, without line end. What could not be read is null, never 0. */
export function ringJson(report: RingReport): string {
  return listJsonLine("guestmem/ring/1", headJson(report), "chains", chainsJson(report));
}

function headJson({ target, device, queue, snapshot }: RingReport): Record<string, unknown> {
  const { config } = snapshot;
  const unread = isUnreadable(snapshot);
  return {
    target,
    time: timeText(snapshot.time),
    device: { name: device.name, type: device.type },
    queue: { index: queue.index, name: queue.name },
    format: config.format,
    size: config.size,
    features: hex(config.features),
    addressSpace: config.addressSpace,
    descriptorArea: hex(config.descriptor),
    driverArea: hex(config.driver),
    deviceArea: hex(config.device),
    available: unread ? null : sideJson(snapshot.available),
    used: unread ? null : sideJson(snapshot.used),
    inFlight: unread ? null : snapshot.inFlight,
    exact: snapshot.exact,
    raced: snapshot.raced,
    suppression: unread ? null : snapshot.suppression,
    totals: { chains: snapshot.chainCount, ...snapshot.totals },
    findings: snapshot.findings,
  };
}

function* chainsJson(report: RingReport): Generator<Record<string, unknown>> {
  for (let n = 0; n < report.snapshot.chainCount; n++) {
    const chain = report.chain(n);
    yield chainJson(chain, report.request(chain));
  }
}

/** All chains of a report, or `count` of them, oldest first. */
export function chains(report: RingReport, count = Infinity): DescriptorChain[] {
  const length = Math.min(count, report.snapshot.chainCount);
  return Array.from({ length }, (_, n) => report.chain(n));
}

/** A packed ring's positions have their wrap counters. */
function sideJson({ index, flags, event, wrap, eventWrap }: RingSide): Record<string, unknown> {
  return wrap === null ? { index, flags, event } : { index, wrap, flags, event, eventWrap };
}

function chainJson(
  chain: DescriptorChain,
  request: DecodedRequest | null,
): Record<string, unknown> {
  const { head, slot, id, readable, writable, indirect, state, written } = chain;
  const gone = state === "reused";
  return {
    head,
    slot,
    id,
    readable: gone ? null : readable,
    writable: gone ? null : writable,
    indirect: gone ? null : indirect,
    state,
    written,
    descriptors: chain.descriptors.map(descriptorJson),
    request,
    findings: chain.findings.map(({ code }) => code),
  };
}

function descriptorJson(
  { index, address, length, writable, next, status }: ChainDescriptor,
): Record<string, unknown> {
  return { index, address: hex(address), length, writable, next, status };
}
