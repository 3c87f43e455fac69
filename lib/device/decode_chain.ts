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
  const readable = chain.descriptors.filter((descriptor) => !descriptor.writable);
  const writable = chain.descriptors.filter((descriptor) => descriptor.writable);
  let left = limit;
  const read = (parts: readonly ChainDescriptor[], offset: number, length: number) => {
    const bytes = copyStream(memory, parts, offset, Math.min(length, left));
    left -= bytes.length;
    return bytes;
  };
  return {
    readable: chain.readable,
    writable: chain.writable,
    written: chain.written,
    readRequest: (offset, length) => read(readable, offset, length),
    readReply: (offset, length) => read(writable, offset, length),
  };
}

/** [offset, offset + length) of the descriptors' bytes laid end to end; short at the first fault. */
function copyStream(
  memory: GuestMemory,
  parts: readonly ChainDescriptor[],
  offset: number,
  length: number,
): Uint8Array {
  const target = new Uint8Array(Math.max(0, Math.min(length, lengthFrom(parts, offset))));
  let done = 0;
  let skip = offset;
  for (const part of parts) {
    if (done === target.length) break;
    const size = Math.min(part.length - skip, target.length - done);
    if (size > 0) {
      const copied = copySome(memory, part.address + BigInt(skip), target, done, size);
      done += copied;
      if (copied < size) break;
    }
    skip = Math.max(0, skip - part.length);
  }
  return target.subarray(0, done);
}

function lengthFrom(parts: readonly ChainDescriptor[], offset: number): number {
  return parts.reduce((sum, part) => sum + part.length, 0) - offset;
}

/** Copies up to `size` bytes to `target[at…]`; gives how many before memory ended. */
function copySome(
  memory: GuestMemory,
  address: bigint,
  target: Uint8Array,
  at: number,
  size: number,
): number {
  let done = 0;
  for (const slice of memory.slices(address, BigInt(size))) {
    if (slice.region === null) break;
    const part = target.subarray(at + done, at + done + slice.length);
    const { length } = slice.region.backing.copy(slice.offset, part);
    done += length;
    if (length < part.length) break;
  }
  return done;
}
