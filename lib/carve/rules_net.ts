/**
 * Requests of network and socket devices: virtio 1.4, 5.1.9 and 5.10.6.
 *
 * @module
 */
import { readsOnly, type Rule, writesOnly } from "./rule.ts";
import type { Sample } from "./sample.ts";

/** `struct virtio_net_hdr` of devices of version 1, and the shorter one of legacy devices. */
const HEADERS = [12, 10] as const;
/** The smallest frame that is looked at: Ethernet, and the beginning of what it carries. */
const FRAME = 34;
const GSO_TYPES = new Set([0, 1, 3, 4, 5]);
/** Room for a whole frame of Ethernet; larger than a page with the largest offloads. */
const RECEIVE_ROOM = { least: 1514 + 10, most: 70_000 } as const;

const CTRL_VQ = 1n << 17n;

function transmit(sample: Sample): number | null {
  return readsOnly(sample) ? packet(sample.request(12 + FRAME), 0) : null;
}

function receive(sample: Sample): number | null {
  if (!writesOnly(sample)) return null;
  const { chain: { writable }, fresh } = sample;
  const roomy = writable >= RECEIVE_ROOM.least && writable <= RECEIVE_ROOM.most;
  // Buffers of a page are everybody's.
  if (fresh) return roomy ? (writable === 4096 ? 0.25 : 1) : null;
  return packet(sample.reply(12 + FRAME), 1);
}

/** A header and a frame behind it. `buffers` is what num_buffers is at least, where it is there. */
function packet(view: DataView | null, buffers: number): number | null {
  if (view === null) return null;
  for (const size of HEADERS) {
    const count = size === 12 ? view.getUint16(10, true) : buffers;
    if (isHeader(view) && count >= buffers && count <= 64) {
      const bits = frame(view, size);
      if (bits > 0) return bits;
    }
  }
  return null;
}

/** flags, gso_type, hdr_len, gso_size, csum_start, csum_offset. */
function isHeader(view: DataView): boolean {
  const [flags, gso] = [view.getUint8(0), view.getUint8(1)];
  if (flags > 0x1f || !GSO_TYPES.has(gso & 0x1f)) return false;
  return (flags & 1) === 0 || view.getUint16(6, true) <= 0xffff;
}

/** Bits of what an Ethernet frame carries; 0 where it is nothing known. */
function frame(view: DataView, at: number): number {
  const type = view.getUint16(at + 12);
  const version = view.getUint8(at + 14) >>> 4;
  if (type === 0x0800) return version === 4 && (view.getUint8(at + 14) & 15) >= 5 ? 24 : 0;
  if (type === 0x86dd) return version === 6 ? 24 : 0;
  if (type === 0x0806) return view.getUint32(at + 14) === 0x0001_0800 ? 24 : 0;
  return type === 0x8100 || type === 0x88cc ? 12 : 0;
}

/**
 * 5.1.9.5: class and command alone in the first buffer, as drivers have it, then what they are about,
 * and a byte for the answer. A command without anything more could be a request of gpio as well.
 */
function control({ chain, request, reply }: Sample): number | null {
  const header = request(2);
  const [first, last] = [chain.descriptors.at(0), chain.descriptors.at(-1)];
  if (
    header === null || chain.readable === 2 || first?.length !== 2 || last?.length !== 1 ||
    !last.writable
  ) return null;
  const known = header.getUint8(0) <= 9 && header.getUint8(1) <= 8;
  const answer = reply(1);
  const answered = chain.written === null || (chain.written === 1 && answer !== null);
  return known && answered && (answer?.getUint8(0) ?? 0) <= 1 ? 13 : null;
}

function vsock(view: DataView | null): number | null {
  if (view === null) return null;
  const cids = view.getUint32(4, true) === 0 && view.getUint32(12, true) === 0;
  const [type, operation] = [view.getUint16(28, true), view.getUint16(30, true)];
  const known = type >= 1 && type <= 2 && operation >= 1 && operation <= 7;
  return cids && known && view.getUint32(0, true) >= 1 ? 20 : null;
}

/** Rules, the strictest first. */
export const NET_RULES: readonly Rule[] = [
  { device: "net", queue: 1, weigh: transmit },
  { device: "net", queue: 0, weigh: receive },
  { device: "net", queue: 2, features: CTRL_VQ, weigh: control },
  { device: "vsock", queue: 1, weigh: (sample) => vsock(sample.request(44)) },
  {
    device: "vsock",
    queue: 0,
    weigh: (sample) => sample.fresh ? null : writesOnly(sample) ? vsock(sample.reply(44)) : null,
  },
];
