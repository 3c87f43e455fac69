/**
 * Used buffers that are gone: what the driver has put into a newer buffer since says nothing of the
 * old one, though it looks like it.
 *
 * @module
 */
import type { DescriptorChain, RingSnapshot } from "./snapshot.ts";

/**
 * The chains of a snapshot, by number, of which a descriptor stands in a newer chain of it. What was
 * freed and not taken again yet is not among them, and may be anything all the same.
 */
export function reusedChains(snapshot: RingSnapshot): ReadonlySet<number> {
  const newer = new Set<number>();
  const reused = new Set<number>();
  for (let n = snapshot.chainCount - 1; n >= 0; n--) {
    const chain = snapshot.chain(n);
    const own = entriesOf(chain);
    if (chain.state === "used" && own.some((entry) => newer.has(entry))) reused.add(n);
    for (const entry of own) newer.add(entry);
  }
  return reused;
}

/** What is known of a used buffer whose descriptors are a newer one's: that it was used, and how. */
export function reusedChain(chain: DescriptorChain): DescriptorChain {
  const none = { readable: 0, writable: 0, indirect: false, descriptors: [], findings: [] };
  return { ...chain, ...none, state: "reused" };
}

/** Entries of the ring's own table. */
function entriesOf({ head, indirect, descriptors }: DescriptorChain): number[] {
  return indirect ? [head] : [head, ...descriptors.map(({ index }) => index)];
}
