/**
 * Chains of a ring that was found, to guess from them what device it belongs to.
 *
 * @module
 */
import { chainBytes } from "../device/decode_chain.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { DescriptorChain, RingSnapshot } from "../ring/snapshot.ts";

/** Bytes that one guess reads of a chain at most. */
const READ_LIMIT = 4096;
/** Chains that are looked at: of those with the device, and of those that went back. */
const OUTSTANDING = 24;
export const RECENT = 48;

/** A chain and its bytes. */
export interface Sample {
  readonly chain: DescriptorChain;
  /** With the device now: what is in it must be a request. Else it may have been overwritten. */
  readonly fresh: boolean;
  /** The first `length` bytes of the readable part; null where it is shorter or can not be read. */
  request(length: number): DataView | null;
  /** The same of what the device wrote; null until it has. */
  reply(length: number): DataView | null;
}

/** Chains of a snapshot that differ, the newest last. */
export function samplesOf(memory: GuestMemory, snapshot: RingSnapshot): Sample[] {
  const past: DescriptorChain[] = [];
  const now: DescriptorChain[] = [];
  const count = Math.min(snapshot.chainCount, RECENT + OUTSTANDING);
  for (let n = 0; n < count; n++) {
    const chain = snapshot.chain(n);
    if (chain.state === "used") past.push(chain);
    else if (now.length < OUTSTANDING) now.push(chain);
  }
  return distinct([...past, ...now]).map((chain) => sampleOf(memory, chain));
}

/** One chain as a sample. */
export function sampleOf(memory: GuestMemory, chain: DescriptorChain): Sample {
  const bytes = chainBytes(chain, memory, READ_LIMIT * 8);
  const view = (part: Uint8Array, length: number) =>
    part.length < length ? null : new DataView(part.buffer, part.byteOffset, part.length);
  const written = Math.min(chain.written ?? 0, chain.writable);
  return {
    chain,
    fresh: chain.state !== "used",
    request: (length) =>
      length > chain.readable ? null : view(bytes.readRequest(0, checked(length)), length),
    reply: (length) => length > written ? null : view(bytes.readReply(0, checked(length)), length),
  };
}

function checked(length: number): number {
  return Math.min(length, READ_LIMIT);
}

/** A driver that reuses one descriptor shows the same buffers in every entry: they count once. */
function distinct(chains: readonly DescriptorChain[]): DescriptorChain[] {
  const seen = new Map<string, DescriptorChain>();
  for (const chain of chains) {
    const key = chain.descriptors.map(({ address, length }) => `${address}+${length}`).join();
    seen.delete(key);
    seen.set(key, chain);
  }
  return [...seen.values()];
}
