/**
 * I2C adapter: virtio 1.4, 5.16.6.
 *
 * @module
 */
import { hex } from "../address.ts";
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, exchange, plural, sentence, statusByte } from "./exchange.ts";
import { flags, hexBytes, pad, show, u16, u32, u8 } from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

/** `struct virtio_i2c_out_hdr`. */
const HEADER = { addr: u16, padding: pad(2), flags: flags(u32, ["FAIL_NEXT", "M_RD"]) };
const M_RD = 2;

/** Bytes of a transfer that are shown. */
const PREVIEW = 32;

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const header = x.request.struct("virtio_i2c_out_hdr", HEADER);
  const reads = header.flags === undefined ? x.writable > 1 : (header.flags & M_RD) !== 0;
  const length = Math.max(0, reads ? x.writable - 1 : x.readable - 8);
  const stream = reads ? x.reply : x.request;
  const data = hexBytes(stream.bytes(Math.min(PREVIEW, length)));
  const status = statusByte(x, ["OK", "ERR"], u8);
  const type = length === 0 && !reads ? "zero-length" : reads ? "read" : "write";
  const words = [
    type,
    header.addr !== undefined && `address ${hex(addressOf(header.addr))}`,
    plural(length, "byte"),
  ];
  return decoded("i2c", type, x, sentence(words, status), {
    ...show(HEADER, header),
    addr: header.addr === undefined ? undefined : hex(addressOf(header.addr)),
    length,
    data: data === "" ? undefined : data,
    status,
  });
}

/** 5.16.6.1: 7 bits at bit 1; 10 bits where bits 3 to 7 are 11110b: A7..A0 above, A9 A8 at bit 1. */
function addressOf(addr: number): number {
  const tenBits = ((addr >>> 3) & 0x1f) === 0x1e;
  return tenBits ? (addr >>> 8) | ((addr >>> 1) & 3) << 8 : (addr >>> 1) & 0x7f;
}

/** I2C adapter (id 34). */
export const i2c: DeviceType = {
  id: 34,
  name: "i2c",
  features: { 0: "ZERO_LENGTH_REQUEST" },
  queueName: QUEUE_NAMERS.i2c,
  decode,
};
