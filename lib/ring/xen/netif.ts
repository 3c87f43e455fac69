/**
 * Requests and responses of network devices (io/netif.h). `tx` carries packets from the guest, `rx`
 * empty buffers for packets to it.
 *
 * @module
 */
import type { DecodedRequest, Field } from "../../device/decoder.ts";
import type { Slots } from "./slot_ring.ts";
import type { XenFinding, XenFindingCode, XenRingEntry } from "./snapshot.ts";

const TX_FLAGS = ["csum_blank", "data_validated", "more_data", "extra_info"] as const;
const RX_FLAGS = ["data_validated", "csum_blank", "more_data", "extra_info", "gso_prefix"] as const;
const MORE_DATA = 4;
const EXTRA_INFO = 8;

const TX_STATUS: { readonly [status: number]: string } = {
  0: "OKAY",
  [-1]: "ERROR",
  [-2]: "DROPPED",
  1: "NULL",
};

const EXTRA_TYPES = ["NONE", "GSO", "MCAST_ADD", "MCAST_DEL", "HASH", "XDP"] as const;
const EXTRA_MORE = 1;
const GSO_TYPES = ["NONE", "TCPV4", "TCPV6"] as const;

const PAGE_SIZE = 4096;

type Fault = readonly [XenFindingCode, string];

function entry(
  slots: Slots,
  n: number,
  state: XenRingEntry["state"],
  request: DecodedRequest,
  faults: readonly Fault[] = [],
): XenRingEntry {
  const index = (slots.first + n) >>> 0;
  const place = `${state === "answered" ? "response" : "request"} ${index}`;
  const findings = faults.map(([code, text]): XenFinding => ({
    ...{ code, place, section: "io/netif.h", text },
  }));
  return { index, slot: index & (slots.size - 1), state, request, findings };
}

function made(type: string, summary: string, fields: { [key: string]: Field }): DecodedRequest {
  return { device: "vif", type, summary, fields, notes: [] };
}

function flagNames(flags: number, names: readonly string[]): string[] {
  return names.filter((_, bit) => (flags & (1 << bit)) !== 0);
}

/**
 * Transmit requests. A packet is its first request (whose size is the whole packet's), extra infos
 * if that says so, then further parts while `more_data` is set. The first slot may belong to a packet
 * that began before it: nothing in the ring says so.
 */
export function txRequests(slots: Slots): XenRingEntry[] {
  const entries: XenRingEntry[] = [];
  let n = 0;
  while (n < slots.count) n = txPacket(slots, n, entries);
  return entries;
}

/** Decodes one packet from slot `n` on; returns the slot after it. */
function txPacket(slots: Slots, n: number, entries: XenRingEntry[]): number {
  let at = n;
  let more = true;
  while (more && at < slots.count) {
    const part = txPart(slots.at(at), at === n);
    const unfinished = part.more && at + 1 >= slots.count;
    const faults = unfinished
      ? [...part.faults, ["packet-unfinished", "more parts are announced than there are"] as const]
      : part.faults;
    entries.push(entry(slots, at++, "outstanding", part.request, faults));
    if (part.extra) at = extraInfos(slots, at, "outstanding", entries);
    more = part.more;
  }
  return at;
}

function txPart(view: DataView, first: boolean) {
  const [ref, offset, flags] = [
    view.getUint32(0, true),
    view.getUint16(4, true),
    view.getUint16(6, true),
  ];
  const [id, size] = [view.getUint16(8, true), view.getUint16(10, true)];
  const more = (flags & MORE_DATA) !== 0;
  const faults: Fault[] = [];
  // The first request of a packet of several gives the whole size, so only its start can be checked.
  if (offset >= PAGE_SIZE || !(first && more) && offset + size > PAGE_SIZE) {
    faults.push(["range-invalid", `${size} bytes at ${offset} of a page`]);
  }
  if (ref < 8) faults.push(["reference-invalid", `reserved reference ${ref}`]);
  const names = flagNames(flags, TX_FLAGS);
  const summary = `${first ? "packet" : "part"} of ${size} bytes, ref ${ref}+${offset}` +
    (names.length > 0 ? ` (${names.join(", ")})` : "");
  const request = made("tx", summary, { id, ref, offset, size, flags: names });
  return { request, faults, more, extra: first && (flags & EXTRA_INFO) !== 0 };
}

/** Extra infos take slots of their own, one after the other while each says that more follow. */
function extraInfos(
  slots: Slots,
  n: number,
  state: XenRingEntry["state"],
  entries: XenRingEntry[],
): number {
  for (let at = n; at < slots.count; at++) {
    const view = slots.at(at);
    const more = (view.getUint8(1) & EXTRA_MORE) !== 0;
    entries.push(entry(slots, at, state, extraInfo(view)));
    if (!more) return at + 1;
  }
  return slots.count;
}

function extraInfo(view: DataView): DecodedRequest {
  const type = EXTRA_TYPES[view.getUint8(0)] ?? `unknown(${view.getUint8(0)})`;
  if (type !== "GSO") return made("extra", `extra info ${type}`, { type });
  const size = view.getUint16(2, true);
  const kind = GSO_TYPES[view.getUint8(4)] ?? `unknown(${view.getUint8(4)})`;
  return made("extra", `extra info GSO ${kind}, segments of ${size} bytes`, {
    ...{ type, gsoSize: size, gsoType: kind },
  });
}

/** Transmit responses: an id and a status each. */
export function txResponses(slots: Slots): XenRingEntry[] {
  return Array.from({ length: slots.count }, (_, n) => {
    const view = slots.at(n);
    const id = view.getUint16(0, true);
    const status = view.getInt16(2, true);
    const name = TX_STATUS[status] ?? `status ${status}`;
    return entry(slots, n, "answered", made("tx", `sent ${name} id ${id}`, { id, status: name }));
  });
}

/** Receive requests: a granted page each, waiting for a packet. */
export function rxRequests(slots: Slots): XenRingEntry[] {
  return Array.from({ length: slots.count }, (_, n) => {
    const view = slots.at(n);
    const id = view.getUint16(0, true);
    const ref = view.getUint32(4, true);
    const faults: Fault[] = ref < 8 ? [["reference-invalid", `reserved reference ${ref}`]] : [];
    return entry(slots, n, "outstanding", made("rx", `buffer ref ${ref}`, { id, ref }), faults);
  });
}

/** Receive responses: a part of a packet each, extra infos in slots of their own. */
export function rxResponses(slots: Slots): XenRingEntry[] {
  const entries: XenRingEntry[] = [];
  let n = 0;
  while (n < slots.count) {
    const view = slots.at(n);
    const flags = view.getUint16(4, true);
    entries.push(entry(slots, n++, "answered", rxResponse(view, flags)));
    if ((flags & EXTRA_INFO) !== 0) n = extraInfos(slots, n, "answered", entries);
  }
  return entries;
}

function rxResponse(view: DataView, flags: number): DecodedRequest {
  const id = view.getUint16(0, true);
  const offset = view.getUint16(2, true);
  const status = view.getInt16(6, true);
  const names = flagNames(flags, RX_FLAGS);
  const what = status >= 0 ? `received ${status} bytes at ${offset}` : `failed with ${status}`;
  return made("rx", `${what} id ${id}`, { id, offset, status, flags: names });
}
