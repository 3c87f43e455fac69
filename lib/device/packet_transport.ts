/**
 * What an IP packet carries, in a few words: TCP (RFC 9293), UDP, ICMP (RFC 792), ICMPv6 (RFC 4443,
 * 4861), and the message type of DHCP (RFC 2131).
 *
 * @module
 */
import type { Fields } from "./fields.ts";
import { bitNames, nameOf, type Names, pad, raw, u16, u32, u8 } from "./kind.ts";
import { ipv6Text } from "./packet_address.ts";

/** Both addresses of a packet, as text. */
export interface Ends {
  readonly source: string;
  readonly destination: string;
}

const TCP = {
  source: u16,
  destination: u16,
  sequence: u32,
  acknowledgment: u32,
  offset: u8,
  flags: u8,
  window: u16,
};
const UDP = { source: u16, destination: u16, length: u16, checksum: u16 };
const ICMP = { type: u8, code: u8, checksum: u16, id: u16, sequence: u16 };
const TARGET = { target: raw(16) };

const PROTOCOLS: Names = {
  1: "ICMP",
  2: "IGMP",
  4: "IPv4 in IP",
  6: "TCP",
  17: "UDP",
  41: "IPv6 in IP",
  47: "GRE",
  50: "ESP",
  51: "AH",
  58: "ICMPv6",
  59: "no next header",
  89: "OSPF",
  103: "PIM",
  112: "VRRP",
  132: "SCTP",
};

const TCP_FLAGS: Names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

const SERVICES: Names = {
  53: "DNS",
  67: "DHCP",
  68: "DHCP",
  69: "TFTP",
  123: "NTP",
  137: "NBNS",
  500: "ISAKMP",
  546: "DHCPv6",
  547: "DHCPv6",
  1900: "SSDP",
  4500: "ESP in UDP",
  4789: "VXLAN",
  5353: "mDNS",
  5355: "LLMNR",
  6081: "Geneve",
};

const ICMP_TYPES: Names = {
  0: "echo reply",
  3: "destination unreachable",
  5: "redirect",
  8: "echo request",
  9: "router advertisement",
  10: "router solicitation",
  11: "time exceeded",
  12: "parameter problem",
  13: "timestamp request",
  14: "timestamp reply",
};

const ICMPV6_TYPES: Names = {
  1: "destination unreachable",
  2: "packet too big",
  3: "time exceeded",
  4: "parameter problem",
  128: "echo request",
  129: "echo reply",
  130: "multicast listener query",
  131: "multicast listener report",
  132: "multicast listener done",
  133: "router solicitation",
  134: "router advertisement",
  135: "neighbor solicitation",
  136: "neighbor advertisement",
  137: "redirect",
  143: "multicast listener report v2",
};

const DHCP_MESSAGES: Names = {
  1: "discover",
  2: "offer",
  3: "request",
  4: "decline",
  5: "ack",
  6: "nak",
  7: "release",
  8: "inform",
};

/**
 * Addresses, protocol and what matters of it. `length` is of what follows the IP header, in bytes;
 * `offset` is the fragment's, in bytes: only the first fragment has a header to read.
 */
export function transport(
  fields: Fields,
  protocol: number,
  ends: Ends,
  length: number,
  offset: number,
): string {
  const name = nameOf(PROTOCOLS, protocol);
  const plain = `${ends.source} > ${ends.destination} ${
    typeof name === "number" ? `protocol ${name}` : name
  }`;
  if (offset > 0) return `${plain} fragment at ${offset}`;
  if (protocol === 6) return tcp(fields, ends, length) ?? `${plain} truncated`;
  if (protocol === 17) return udp(fields, ends) ?? `${plain} truncated`;
  if (protocol === 1) return `${plain} ${icmp(fields) ?? "truncated"}`;
  return protocol === 58 ? `${plain} ${icmpv6(fields) ?? "truncated"}` : plain;
}

function withPorts(ends: Ends, source: number, destination: number): string {
  const at = (address: string, port: number) =>
    address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  return `${at(ends.source, source)} > ${at(ends.destination, destination)}`;
}

function tcp(fields: Fields, ends: Ends, length: number): string | null {
  const { source, destination, sequence, acknowledgment, offset, flags, window } = fields.struct(
    "TCP",
    TCP,
  );
  if (source === undefined || destination === undefined || sequence === undefined) return null;
  if (acknowledgment === undefined || offset === undefined || flags === undefined) return null;
  const data = Math.max(0, length - (offset >>> 4) * 4);
  const acknowledged = (flags & 0x10) === 0 ? "" : ` ack ${acknowledgment}`;
  return `${withPorts(ends, source, destination)} TCP [${bitNames(TCP_FLAGS, flags).join(" ")}]` +
    ` seq ${sequence}${acknowledged} win ${window ?? "?"} len ${data}`;
}

function udp(fields: Fields, ends: Ends): string | null {
  const { source, destination, length } = fields.struct("UDP", UDP);
  if (source === undefined || destination === undefined || length === undefined) return null;
  const service = SERVICES[destination] ?? SERVICES[source];
  const detail = service === "DHCP" ? dhcpMessage(fields) : undefined;
  return [
    withPorts(ends, source, destination),
    "UDP",
    service,
    detail,
    "len",
    Math.max(0, length - 8),
  ]
    .filter((word) => word !== undefined).join(" ");
}

/** The message type is option 53, behind 236 fixed bytes and a cookie (RFC 2131, 3). */
function dhcpMessage(fields: Fields): string | undefined {
  const { cookie } = fields.struct("DHCP", { fixed: pad(236), cookie: u32 });
  if (cookie !== 0x63825363) return undefined;
  for (let options = 0; options < 32; options++) {
    const { code } = fields.struct("DHCP option", { code: u8 });
    if (code === undefined || code === 255) return undefined;
    const { length } = code === 0 ? { length: 0 } : fields.struct("DHCP option", { length: u8 });
    const value = fields.bytes(length ?? 0);
    if (code === 53 && value.length > 0) return String(nameOf(DHCP_MESSAGES, value[0]));
  }
  return undefined;
}

function icmp(fields: Fields): string | null {
  const { type, code, id, sequence } = fields.struct("ICMP", ICMP);
  if (type === undefined || code === undefined) return null;
  const echo = type === 0 || type === 8;
  return describe(ICMP_TYPES, type, code, echo ? id : undefined, sequence);
}

function icmpv6(fields: Fields): string | null {
  const { type, code, id, sequence } = fields.struct("ICMPv6", ICMP);
  if (type === undefined || code === undefined) return null;
  const echo = type === 128 || type === 129;
  const words = describe(ICMPV6_TYPES, type, code, echo ? id : undefined, sequence);
  if (type !== 135 && type !== 136) return words;
  const { target } = fields.struct("neighbor discovery", TARGET);
  return target === undefined ? words : `${words} for ${ipv6Text(target)}`;
}

function describe(
  names: Names,
  type: number,
  code: number,
  id?: number,
  sequence?: number,
): string {
  const name = names[type] ?? `type ${type}`;
  const detail = code === 0 ? "" : ` code ${code}`;
  return id === undefined ? name + detail : `${name} id ${id} seq ${sequence ?? "?"}`;
}
