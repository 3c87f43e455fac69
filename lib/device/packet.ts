/**
 * One line about an Ethernet frame: Ethernet II, VLAN (802.1Q), ARP, IPv4 (RFC 791), IPv6 (RFC 8200);
 * what they carry is in `packet_transport.ts`. Works on the first bytes of a frame, is bounded and
 * never throws; what is cut off is `truncated`.
 *
 * @module
 */
import { type Fields, fieldsOf } from "./fields.ts";
import { mac, nameOf, type Names, pad, raw, u16, u32, u8 } from "./kind.ts";
import { ipv4Text, ipv6Text } from "./packet_address.ts";
import { transport } from "./packet_transport.ts";

/** Bytes of a frame that suffice for its summary: enough to find a DHCP message's type. */
export const SUMMARY_BYTES = 400;

const ETHERNET = { destination: mac, source: mac, type: u16 };
const VLAN = { tag: u16, type: u16 };
const ARP = {
  hardware: u16,
  protocol: u16,
  hardwareLength: u8,
  protocolLength: u8,
  operation: u16,
  senderMac: mac,
  senderIp: raw(4),
  targetMac: pad(6),
  targetIp: raw(4),
};
const IPV4 = {
  versionLength: u8,
  service: u8,
  totalLength: u16,
  id: u16,
  fragment: u16,
  ttl: u8,
  protocol: u8,
  checksum: u16,
  source: raw(4),
  destination: raw(4),
};
const IPV6 = {
  versionClassFlow: u32,
  payloadLength: u16,
  nextHeader: u8,
  hopLimit: u8,
  source: raw(16),
  destination: raw(16),
};
const EXTENSION = { nextHeader: u8, length: u8 };
const FRAGMENT = { nextHeader: u8, reserved: pad(1), offset: u16, id: u32 };

/** Most VLAN tags and IPv6 extension headers that are followed. */
const TAG_LIMIT = 4;
const EXTENSION_LIMIT = 8;

const ETHERTYPES: Names = {
  0x0842: "Wake-on-LAN",
  0x8035: "RARP",
  0x8809: "LACP",
  0x8847: "MPLS",
  0x8863: "PPPoE discovery",
  0x8864: "PPPoE",
  0x888e: "EAPOL",
  0x88cc: "LLDP",
  0x88e5: "MACsec",
  0x88f7: "PTP",
};

/** What is left where a header could not be read whole. */
const TRUNCATED = "truncated";

/**
 * Sums up a frame in one line, such as `IPv4 10.0.2.15 > 10.0.2.2 ICMP echo request id 1 seq 2`.
 * `frame` is its beginning ({@linkcode SUMMARY_BYTES} suffice), `length` its length in bytes.
 */
export function packetSummary(frame: Uint8Array, length: number = frame.length): string {
  const fields = fieldsOf(frame, { name: "frame", notes: [], little: false });
  const { destination, source, type } = fields.struct("Ethernet", ETHERNET);
  if (type === undefined || source === undefined || destination === undefined) return TRUNCATED;
  const ends = `${mac.show(source)} > ${mac.show(destination)}`;
  return tagged(fields, type, ends, length);
}

function tagged(fields: Fields, first: number, ends: string, length: number): string {
  const words: string[] = [];
  let type = first;
  for (let tags = 0; isTag(type) && tags < TAG_LIMIT; tags++) {
    const vlan = fields.struct("VLAN", VLAN);
    if (vlan.type === undefined || vlan.tag === undefined) return [...words, TRUNCATED].join(" ");
    words.push(`VLAN ${vlan.tag & 0xfff}`);
    type = vlan.type;
  }
  return [...words, payload(fields, type, ends, length)].join(" ");
}

function isTag(type: number): boolean {
  return type === 0x8100 || type === 0x88a8 || type === 0x9100;
}

function payload(fields: Fields, type: number, ends: string, length: number): string {
  if (type === 0x0800) return ipv4(fields, length);
  if (type === 0x86dd) return ipv6(fields, length);
  if (type === 0x0806) return arp(fields);
  if (type < 0x600) return `LLC ${ends} length ${type}`;
  return `${nameOf(ETHERTYPES, type)} ${ends}`.replace(/^(\d+)/, (n) => `ethertype 0x${hex4(+n)}`);
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}

function arp(fields: Fields): string {
  const { operation, senderMac, senderIp, targetIp } = fields.struct("ARP", ARP);
  if (operation === undefined || !senderMac || !senderIp || !targetIp) return `ARP ${TRUNCATED}`;
  const [sender, target] = [ipv4Text(senderIp), ipv4Text(targetIp)];
  if (operation === 1) {
    return sender === target
      ? `ARP announcement for ${sender}`
      : `ARP who has ${target}? ${tell()}`;
  }
  return operation === 2
    ? `ARP ${sender} is at ${mac.show(senderMac)}`
    : `ARP operation ${operation} ${sender} > ${target}`;

  function tell(): string {
    return sender === "0.0.0.0" ? "(probe)" : `tell ${sender}`;
  }
}

function ipv4(fields: Fields, length: number): string {
  const start = fields.offset;
  const header = fields.struct("IPv4", IPV4);
  const { versionLength, totalLength, fragment, protocol, source, destination } = header;
  if (versionLength === undefined || totalLength === undefined || fragment === undefined) {
    return `IPv4 ${TRUNCATED}`;
  }
  if (protocol === undefined || !source || !destination) return `IPv4 ${TRUNCATED}`;
  const headerLength = (versionLength & 0xf) * 4;
  if (versionLength >>> 4 !== 4 || headerLength < 20) return "IPv4 with a bad header";
  fields.seek(start + headerLength);
  // Segmentation offload leaves 0 here where the packet is larger than the field can say.
  const total = totalLength === 0 ? length - start : totalLength;
  const ends = { source: ipv4Text(source), destination: ipv4Text(destination) };
  const offset = (fragment & 0x1fff) * 8;
  return "IPv4 " + transport(fields, protocol, ends, total - headerLength, offset);
}

function ipv6(fields: Fields, length: number): string {
  const header = fields.struct("IPv6", IPV6);
  const { versionClassFlow, payloadLength, nextHeader, source, destination } = header;
  if (versionClassFlow === undefined || payloadLength === undefined || nextHeader === undefined) {
    return `IPv6 ${TRUNCATED}`;
  }
  if (!source || !destination) return `IPv6 ${TRUNCATED}`;
  if (versionClassFlow >>> 28 !== 6) return "IPv6 with a bad header";
  const ends = { source: ipv6Text(source), destination: ipv6Text(destination) };
  const start = fields.offset;
  const total = payloadLength === 0 ? length - start : payloadLength;
  const end = skipExtensions(fields, nextHeader);
  if (end === null) return `IPv6 ${ends.source} > ${ends.destination} ${TRUNCATED}`;
  return "IPv6 " +
    transport(fields, end.protocol, ends, total - (fields.offset - start), end.offset);
}

/** Passes extension headers (RFC 8200, 4) up to the protocol they precede; null where they are cut. */
function skipExtensions(
  fields: Fields,
  first: number,
): { protocol: number; offset: number } | null {
  let [protocol, offset] = [first, 0];
  for (let passed = 0; passed < EXTENSION_LIMIT && offset === 0; passed++) {
    if (protocol === 44) {
      const fragment = fields.struct("IPv6 fragment", FRAGMENT);
      if (fragment.nextHeader === undefined || fragment.id === undefined) return null;
      [protocol, offset] = [fragment.nextHeader, (fragment.offset ?? 0) & 0xfff8];
    } else if (protocol === 0 || protocol === 43 || protocol === 60 || protocol === 135) {
      const start = fields.offset;
      const extension = fields.struct("IPv6 extension", EXTENSION);
      if (extension.nextHeader === undefined || extension.length === undefined) return null;
      protocol = extension.nextHeader;
      fields.seek(start + (extension.length + 1) * 8);
    } else break;
  }
  return { protocol, offset };
}
