/**
 * Network device: virtio 1.4, 5.1.9.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, type Exchange, exchange, plural, sentence } from "./exchange.ts";
import { has } from "./features.ts";
import {
  flags,
  type Kind,
  type Layout,
  mac,
  named,
  nameOf,
  pad,
  show,
  sizeOf,
  u16,
  u32,
  u8,
  type Values,
  when,
} from "./kind.ts";
import { decodeControl, HASH_TYPES, TUNNEL_TYPES } from "./net_control.ts";
import { packetSummary, SUMMARY_BYTES } from "./packet.ts";
import { netQueueRole, QUEUE_NAMERS } from "./queue_roles.ts";

const F = {
  MRG_RXBUF: 15,
  MQ: 22,
  VERSION_1: 32,
  HASH_REPORT: 57,
  RSS: 60,
  GUEST_UDP_TUNNEL_GSO: 65,
  HOST_UDP_TUNNEL_GSO: 67,
  OUT_NET_HEADER: 69,
  IPSEC: 70,
} as const;

const GSO_TYPES = { 0: "NONE", 1: "TCPV4", 3: "UDP", 4: "TCPV6", 5: "UDP_L4" };
const GSO_EXTRAS = { 5: "TUNNEL_IPV4", 6: "TUNNEL_IPV6", 7: "ECN" };

const HASH_REPORTS = [
  "NONE",
  "IPv4",
  "TCPv4",
  "UDPv4",
  "IPv6",
  "TCPv6",
  "UDPv6",
  "IPv6_EX",
  "TCPv6_EX",
  "UDPv6_EX",
];

/** A segmentation type and the bits beside it: `TCPV4`, `TCPV4+ECN`; the number where unknown. */
const gsoType: Kind<number> = { ...u8, show: gsoText };

/** `struct virtio_net_hdr`: each layout goes on where the one before ends. */
const LEGACY = {
  flags: flags(u8, [
    "NEEDS_CSUM",
    "DATA_VALID",
    "RSC_INFO",
    "UDP_TUNNEL_CSUM",
    "SECURITY",
    "SECURITY_ERR",
    "SECURITY_SA_SOFT_EXPIRY_WARN",
  ]),
  gsoType,
  hdrLen: u16,
  gsoSize: u16,
  csumStart: u16,
  csumOffset: u16,
};
const MERGEABLE = { ...LEGACY, numBuffers: u16 };
const HASHED = {
  ...MERGEABLE,
  hashValue: when(F.HASH_REPORT, u32),
  hashReport: when(F.HASH_REPORT, named(u16, HASH_REPORTS)),
  paddingReserved: pad(2),
};
const TUNNELLED = {
  ...HASHED,
  outerThOffset: when([F.GUEST_UDP_TUNNEL_GSO, F.HOST_UDP_TUNNEL_GSO], u16),
  innerNhOffset: when([F.GUEST_UDP_TUNNEL_GSO, F.HOST_UDP_TUNNEL_GSO], u16),
};
const OUTER = {
  ...TUNNELLED,
  outerNhOffset: when(F.OUT_NET_HEADER, u16),
  resourceId: when(F.IPSEC, u32),
  resourceType: when(F.IPSEC, u16),
};

/** The header that all packets of a device carry: 10, 12, 20, 24 or 32 bytes. */
function headerLayout(features: bigint): typeof LEGACY & Layout {
  if (has(features, F.OUT_NET_HEADER) || has(features, F.IPSEC)) return OUTER;
  if (has(features, F.HOST_UDP_TUNNEL_GSO) || has(features, F.GUEST_UDP_TUNNEL_GSO)) {
    return TUNNELLED;
  }
  if (has(features, F.HASH_REPORT)) return HASHED;
  return has(features, F.VERSION_1) || has(features, F.MRG_RXBUF) ? MERGEABLE : LEGACY;
}

/** Bytes of `struct virtio_net_hdr` before each packet, by the negotiated features. */
export function netHeaderSize(features: bigint): number {
  return sizeOf(headerLayout(features));
}

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const role = netQueueRole(context.queue, context);
  if (role === "ctrl") return decodeControl(x);
  return role === "tx" ? decodeTransmit(x) : decodeReceive(x);
}

function decodeTransmit(x: Exchange): DecodedRequest {
  const layout = headerLayout(x.context.features);
  const header = x.request.struct("virtio_net_hdr", layout);
  const frameLength = x.request.rest;
  return packetRequest(x, "tx", layout, header, x.request.bytes(SUMMARY_BYTES), frameLength);
}

function decodeReceive(x: Exchange): DecodedRequest {
  if (x.pending) {
    const summary = `receive buffer of ${plural(x.writable, "byte")}`;
    return decoded("net", "rx", x, summary, { bufferLength: x.writable });
  }
  if (x.context.continuation) {
    const summary = `rx ${plural(x.written, "byte")}, continues a merged packet`;
    return decoded("net", "rx", x, summary, { frameLength: x.written });
  }
  const layout = headerLayout(x.context.features);
  const header = x.reply.struct("virtio_net_hdr", layout);
  notePlausibility(x, header);
  const frameLength = Math.max(0, x.written - sizeOf(layout));
  const frame = x.reply.bytes(Math.min(SUMMARY_BYTES, frameLength));
  return packetRequest(x, "rx", layout, header, frame, frameLength);
}

/** A chain can not tell that it continues a merged packet; its first bytes mostly do not fit a header. */
function notePlausibility(x: Exchange, header: Values<typeof LEGACY>): void {
  const { flags = 0, gsoType = 0 } = header;
  const base = gsoType & 0x1f;
  const { numBuffers } = header as Values<typeof MERGEABLE>;
  if (flags < 0x80 && base in GSO_TYPES && numBuffers !== 0) return;
  x.notes.push("not a plausible virtio_net_hdr: perhaps this continues a merged packet");
}

function packetRequest(
  x: Exchange,
  direction: "rx" | "tx",
  layout: typeof LEGACY & Layout,
  header: Values<typeof LEGACY>,
  frame: Uint8Array,
  frameLength: number,
): DecodedRequest {
  const packet = frame.length > 0 ? packetSummary(frame, frameLength) : undefined;
  const { numBuffers } = header as Values<typeof MERGEABLE>;
  const merged = direction === "rx" && numBuffers !== undefined && numBuffers > 1;
  const words = [direction, plural(frameLength, "byte"), merged && `in ${numBuffers} buffers`];
  const summary = sentence([sentence(words, packet), ...offloadWords(header)]);
  return decoded("net", direction, x, summary, {
    ...show(layout, header, x.context.features),
    headerLength: sizeOf(layout),
    frameLength,
    packet,
  });
}

function offloadWords(header: Values<typeof LEGACY>): (string | false)[] {
  const { gsoType = 0, gsoSize, flags = 0 } = header;
  return [
    gsoType !== 0 && `[GSO ${gsoText(gsoType)} ${gsoSize ?? "?"}]`,
    (flags & 1) === 1 && "[needs checksum]",
  ];
}

function gsoText(value: number): string | number {
  const base = nameOf(GSO_TYPES, value & 0x1f);
  if (typeof base === "number") return value;
  const extras = Object.entries(GSO_EXTRAS).filter(([bit]) => (value >>> Number(bit)) & 1);
  return [base, ...extras.map(([, name]) => name)].join("+");
}

/** Network device (id 1). */
export const net: DeviceType = {
  id: 1,
  name: "net",
  features: {
    0: "CSUM",
    1: "GUEST_CSUM",
    2: "CTRL_GUEST_OFFLOADS",
    3: "MTU",
    5: "MAC",
    6: "GSO",
    7: "GUEST_TSO4",
    8: "GUEST_TSO6",
    9: "GUEST_ECN",
    10: "GUEST_UFO",
    11: "HOST_TSO4",
    12: "HOST_TSO6",
    13: "HOST_ECN",
    14: "HOST_UFO",
    15: "MRG_RXBUF",
    16: "STATUS",
    17: "CTRL_VQ",
    18: "CTRL_RX",
    19: "CTRL_VLAN",
    20: "CTRL_RX_EXTRA",
    21: "GUEST_ANNOUNCE",
    22: "MQ",
    23: "CTRL_MAC_ADDR",
    41: "GUEST_RSC4",
    42: "GUEST_RSC6",
    50: "DEVICE_STATS",
    51: "HASH_TUNNEL",
    52: "VQ_NOTF_COAL",
    53: "NOTF_COAL",
    54: "GUEST_USO4",
    55: "GUEST_USO6",
    56: "HOST_USO",
    57: "HASH_REPORT",
    59: "GUEST_HDRLEN",
    60: "RSS",
    61: "RSC_EXT",
    62: "STANDBY",
    63: "SPEED_DUPLEX",
    64: "RSS_CONTEXT",
    65: "GUEST_UDP_TUNNEL_GSO",
    66: "GUEST_UDP_TUNNEL_GSO_CSUM",
    67: "HOST_UDP_TUNNEL_GSO",
    68: "HOST_UDP_TUNNEL_GSO_CSUM",
    69: "OUT_NET_HEADER",
    70: "IPSEC",
  },
  config: {
    mac: when(5, mac),
    status: when(16, flags(u16, ["LINK_UP", "ANNOUNCE"])),
    maxVirtqueuePairs: when([F.MQ, F.RSS], u16),
    mtu: when(3, u16),
    speed: when(63, u32),
    duplex: when(63, u8),
    rssMaxKeySize: when([F.RSS, F.HASH_REPORT], u8),
    rssMaxIndirectionTableLength: when(F.RSS, u16),
    supportedHashTypes: when([F.RSS, F.HASH_REPORT], flags(u32, HASH_TYPES)),
    supportedTunnelTypes: when(51, flags(u32, TUNNEL_TYPES)),
  },
  queueName: QUEUE_NAMERS.net,
  decode,
};
