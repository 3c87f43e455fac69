/**
 * Ethernet frames that the demo's driver sends, and what its device answers: ARP (RFC 826), ICMP
 * echo (RFC 792) and a UDP echo (RFC 768) between 10.0.2.15 and 10.0.2.2.
 *
 * @module
 */

const GUEST = { mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56], ip: [10, 0, 2, 15] };
const HOST = { mac: [0x52, 0x55, 10, 0, 2, 2], ip: [10, 0, 2, 2] };

/** Offsets in a frame: Ethernet 14 bytes, IPv4 20. */
const [ETHERNET, IP, PAYLOAD] = [0, 14, 34];
const [TYPE_IP, TYPE_ARP] = [0x0800, 0x0806];
const [PROTOCOL_ICMP, PROTOCOL_UDP] = [1, 17];
/** RFC 862: the port of the echo service. */
const ECHO_PORT = 7;

type Host = typeof GUEST;

/** The `n`th frame that the driver sends: every 16th asks for the host's address. */
export function frame(n: number): Uint8Array<ArrayBuffer> {
  if (n % 16 === 0) return arp(1, GUEST, HOST, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  const data = new Uint8Array(8 + (n * 37) % 1000);
  for (let at = 0; at < data.length; at++) data[at] = n + at;
  return n % 2 === 0 ? udp(n, data) : icmp(8, GUEST, HOST, n, data);
}

/** What the device answers to a frame, or null for one that it does not know. */
export function answer(request: Uint8Array): Uint8Array<ArrayBuffer> | null {
  const view = new DataView(request.buffer, request.byteOffset, request.length);
  if (request.length < PAYLOAD + 8) return null;
  if (view.getUint16(12) === TYPE_ARP) return arp(2, HOST, GUEST, GUEST.mac);
  const data = request.subarray(PAYLOAD + 8);
  const protocol = view.getUint8(IP + 9);
  if (protocol === PROTOCOL_ICMP) return icmp(0, HOST, GUEST, view.getUint16(PAYLOAD + 6), data);
  return protocol === PROTOCOL_UDP ? echoed(request) : null;
}

function arp(
  operation: number,
  from: Host,
  to: Host,
  destination: number[],
): Uint8Array<ArrayBuffer> {
  const bytes = ethernet(42, from, destination, TYPE_ARP);
  const known = operation === 1 ? [0, 0, 0, 0, 0, 0] : to.mac;
  bytes.set([0, 1, 8, 0, 6, 4, 0, operation, ...from.mac, ...from.ip, ...known, ...to.ip], IP);
  return bytes;
}

function icmp(
  type: number,
  from: Host,
  to: Host,
  sequence: number,
  data: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = ip(from, to, PROTOCOL_ICMP, 8 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(PAYLOAD, type);
  view.setUint16(PAYLOAD + 4, 0x6767);
  view.setUint16(PAYLOAD + 6, sequence & 0xffff);
  bytes.set(data, PAYLOAD + 8);
  view.setUint16(PAYLOAD + 2, checksum(bytes.subarray(PAYLOAD)));
  return bytes;
}

function udp(n: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = ip(GUEST, HOST, PROTOCOL_UDP, 8 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(PAYLOAD, 40000 + n % 20000);
  view.setUint16(PAYLOAD + 2, ECHO_PORT);
  view.setUint16(PAYLOAD + 4, 8 + data.length);
  // A checksum of 0 says that there is none.
  bytes.set(data, PAYLOAD + 8);
  return bytes;
}

/** The datagram with both ends swapped. */
function echoed(request: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = ip(HOST, GUEST, PROTOCOL_UDP, request.length - PAYLOAD);
  bytes.set(request.subarray(PAYLOAD), PAYLOAD);
  bytes.set(request.subarray(PAYLOAD + 2, PAYLOAD + 4), PAYLOAD);
  bytes.set(request.subarray(PAYLOAD, PAYLOAD + 2), PAYLOAD + 2);
  return bytes;
}

function ip(from: Host, to: Host, protocol: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = ethernet(PAYLOAD + length, from, to.mac, TYPE_IP);
  const view = new DataView(bytes.buffer);
  view.setUint8(IP, 0x45);
  view.setUint16(IP + 2, 20 + length);
  view.setUint8(IP + 8, 64);
  view.setUint8(IP + 9, protocol);
  bytes.set([...from.ip, ...to.ip], IP + 12);
  view.setUint16(IP + 10, checksum(bytes.subarray(IP, PAYLOAD)));
  return bytes;
}

function ethernet(
  length: number,
  from: Host,
  destination: number[],
  type: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  bytes.set([...destination, ...from.mac, type >> 8, type & 0xff], ETHERNET);
  return bytes;
}

/** RFC 1071: ones' complement of the ones' complement sum of 16-bit words. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes[at] << 8 | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
