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
/** Chains whose buffers are compared. */
const MOST_CHAINS = 2048;

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
  for (let n = 0; n < Math.min(snapshot.chainCount, MOST_CHAINS); n++) {
    const chain = snapshot.chain(n);
    (chain.state === "used" ? past : now).push(chain);
  }
  return [...distinct(past, now), ...now.slice(0, OUTSTANDING)]
    .map((chain) => sampleOf(memory, chain));
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

/**
 * A driver that reuses one descriptor shows the same buffers in every used element: those of the same
 * length count once. Buffers that are with the device again are not what they were.
 */
function distinct(
  past: readonly DescriptorChain[],
  now: readonly DescriptorChain[],
): DescriptorChain[] {
  const fresh = new Set(now.map(buffersOf));
  const seen = new Map<string, DescriptorChain>();
  for (const chain of past) {
    const buffers = buffersOf(chain);
    if (!fresh.has(buffers)) seen.set(`${buffers} ${chain.written}`, chain);
  }
  return [...seen.values()];
}

function buffersOf({ descriptors }: DescriptorChain): string {
  return descriptors.map(({ address, length }) => `${address}+${length}`).join();
}
