/**
 * Blocks of a pcapng capture file, little-endian. Layout: the IETF draft "PCAP Now Generic (pcapng)
 * Capture File Format" (draft-ietf-opsawg-pcapng), sections 4.1 to 4.3. Pure: bytes out, no I/O.
 *
 * @module
 */

const BLOCK = { SECTION: 0x0a0d0d0a, INTERFACE: 1, ENHANCED_PACKET: 6 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const OPTION = { END: 0, COMMENT: 1 } as const;
const SECTION_OPTION = { APPLICATION: 4 } as const;
const INTERFACE_OPTION = { NAME: 2, DESCRIPTION: 3, TIME_RESOLUTION: 9 } as const;
const PACKET_OPTION = { FLAGS: 2, DROP_COUNT: 4 } as const;

/** One option of a block. */
type Option = readonly [code: number, value: Uint8Array];

/** A captured frame. */
export interface CapturedPacket {
  /** Index of its interface block in the file, from 0. */
  readonly interface: number;
  /** Nanoseconds since the epoch. */
  readonly time: bigint;
  /** The frame, as far as it was captured. */
  readonly bytes: Uint8Array;
  /** Bytes that it had on the wire. */
  readonly length: number;
  /** From the guest's side: `in` was received by it, `out` was sent. */
  readonly direction: "in" | "out";
  /** Frames that were lost on this interface since the one before. */
  readonly dropped: number;
  /** What is special about it; empty where nothing is. */
  readonly comment: string;
}

/** The section header, first in a file (4.1). */
export function sectionHeader(application: string): Uint8Array {
  const body = new DataView(new ArrayBuffer(16));
  body.setUint32(0, BYTE_ORDER_MAGIC, true);
  body.setUint16(4, 1, true);
  // Bytes 6 and 7: minor version 0. The section's length is not known beforehand: -1.
  body.setBigInt64(8, -1n, true);
  return block(BLOCK.SECTION, [new Uint8Array(body.buffer)], [
    [SECTION_OPTION.APPLICATION, utf8(application)],
  ]);
}

/** An Ethernet interface (4.2). Times are in nanoseconds. `snap` is the most bytes kept of a frame. */
export function interfaceDescription(name: string, description: string, snap: number): Uint8Array {
  const body = new DataView(new ArrayBuffer(8));
  body.setUint16(0, LINKTYPE_ETHERNET, true);
  body.setUint32(4, snap, true);
  return block(BLOCK.INTERFACE, [new Uint8Array(body.buffer)], [
    [INTERFACE_OPTION.NAME, utf8(name)],
    [INTERFACE_OPTION.DESCRIPTION, utf8(description)],
    [INTERFACE_OPTION.TIME_RESOLUTION, Uint8Array.of(9)],
  ]);
}

/**
 * A packet with its time, its direction and what was lost before it (4.3). Written to the start of
 * `into` where that is given: of what it gives, nothing is new then. Throws RangeError where there is
 * no room.
 */
export function enhancedPacket(packet: CapturedPacket, into?: Uint8Array): Uint8Array {
  const head = new DataView(new ArrayBuffer(20));
  head.setUint32(0, packet.interface, true);
  head.setUint32(4, Number(packet.time >> 32n), true);
  head.setUint32(8, Number(packet.time & 0xffffffffn), true);
  head.setUint32(12, packet.bytes.length, true);
  head.setUint32(16, packet.length, true);
  const flags = new DataView(new ArrayBuffer(4));
  flags.setUint32(0, packet.direction === "in" ? 1 : 2, true);
  const options: Option[] = [[PACKET_OPTION.FLAGS, new Uint8Array(flags.buffer)]];
  if (packet.dropped > 0) {
    const count = new DataView(new ArrayBuffer(8));
    count.setBigUint64(0, BigInt(packet.dropped), true);
    options.push([PACKET_OPTION.DROP_COUNT, new Uint8Array(count.buffer)]);
  }
  if (packet.comment !== "") options.push([OPTION.COMMENT, utf8(packet.comment)]);
  return block(BLOCK.ENHANCED_PACKET, [new Uint8Array(head.buffer), packet.bytes], options, into);
}

/** Type, total length, body, options, total length; every part padded to 32 bits. */
function block(
  type: number,
  body: readonly Uint8Array[],
  options: readonly Option[],
  into?: Uint8Array,
): Uint8Array {
  const bodyLength = body.reduce((sum, part) => sum + part.length, 0);
  const optionLength = options.reduce((sum, [, value]) => sum + 4 + padded(value.length), 4);
  const length = 12 + padded(bodyLength) + optionLength;
  const bytes = into?.subarray(0, length).fill(0) ?? new Uint8Array(length);
  if (bytes.length < length) throw new RangeError(`no room for ${length} bytes in ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  let at = 8;
  for (const part of body) {
    bytes.set(part, at);
    at += part.length;
  }
  at = 8 + padded(bodyLength);
  for (const [code, value] of [...options, [OPTION.END, new Uint8Array(0)] as const]) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  view.setUint32(length - 4, length, true);
  return bytes;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** An option's text; longer than a u16 can say is cut. */
function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text).subarray(0, 0xffff);
}
