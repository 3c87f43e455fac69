/**
 * From a descriptor chain and guest memory to a decoded request.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { ChainDescriptor, DescriptorChain } from "../ring/snapshot.ts";
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";

/** Bytes copied out of one chain at most, whatever a decoder asks for. */
export const CHAIN_COPY_LIMIT = 64 << 10;

/**
 * What a chain asks of its device, or null where the type is unknown or the decoder has nothing to
 * say. Never throws on guest data.
 */
export function decodeChain(
  chain: DescriptorChain,
  memory: GuestMemory,
  type: DeviceType | null,
  context: DecodeContext,
): DecodedRequest | null {
  return type === null ? null : type.decode(chainBytes(chain, memory), context);
}

/**
 * The bytes of a chain as two streams. All reads together copy at most `limit` bytes; past that, and
 * where memory ends, they are short.
 */
export function chainBytes(
  chain: DescriptorChain,
  memory: GuestMemory,
  limit = CHAIN_COPY_LIMIT,
): ChainBytes {
  let left = limit;
  const read = (total: number, writable: boolean, offset: number, length: number) => {
    const wanted = Math.max(0, Math.min(length, left, total - offset));
    const bytes = copyStream(memory, chain.descriptors, writable, offset, wanted);
    left -= bytes.length;
    return bytes;
  };
  return {
    readable: chain.readable,
    writable: chain.writable,
    written: chain.written,
    readRequest: (offset, length) => read(chain.readable, false, offset, length),
    readReply: (offset, length) => read(chain.writable, true, offset, length),
  };
}

/**
 * [offset, offset + length) of the readable or writable descriptors' bytes laid end to end; short at
 * the first fault.
 */
function copyStream(
  memory: GuestMemory,
  parts: readonly ChainDescriptor[],
  writable: boolean,
  offset: number,
  length: number,
): Uint8Array {
  const target = new Uint8Array(length);
  let done = 0;
  let skip = offset;
  for (const part of parts) {
    if (part.writable !== writable) continue;
    if (done === length) break;
    const size = Math.min(part.length - skip, length - done);
    if (size > 0) {
      const room = size === length ? target : target.subarray(done, done + size);
      const copied = memory.copySome(part.address + BigInt(skip), room);
      done += copied;
      if (copied < size) break;
    }
    skip = Math.max(0, skip - part.length);
  }
  return done === length ? target : target.subarray(0, done);
}
