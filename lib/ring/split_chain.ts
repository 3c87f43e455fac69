/**
 * One chain of a split ring, walked with care: virtio 1.4, 2.7.5.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import { ChainBuilder } from "./chain_builder.ts";
import type { RingConfig } from "./config.ts";
import { addTable, rawAt } from "./indirect.ts";
import type { ChainState, DescriptorChain } from "./snapshot.ts";
import { DESC_F } from "./spec.ts";
import type { SplitWalk } from "./split_walk.ts";

/** What a chain is looked at with. */
export interface SplitChainContext {
  readonly memory: GuestMemory;
  readonly config: RingConfig;
  readonly walk: SplitWalk;
  /**
   * Whether a chain may have been completed already: out of order, its entry still stands in the
   * available ring. That is no violation, nor that others hold its descriptors, nor what stands in
   * its indirect table by now: the driver has freed it.
   */
  readonly mayBeStale: (chain: number) => boolean;
}

/** A chain to look at: its place among the walked chains, or -1 for one that was used before. */
export interface SplitChainPlace {
  readonly chain: number;
  readonly head: number;
  readonly slot: number;
  readonly state: ChainState;
  readonly written: number | null;
}

/** Walks one chain and reports everything that is wrong with it. */
export function splitChain(context: SplitChainContext, place: SplitChainPlace): DescriptorChain {
  const stale = place.chain < 0 || context.mayBeStale(place.chain);
  const builder = new ChainBuilder(context.memory, context.config, stale);
  const { size } = context.config;
  if (place.head < size) follow(context, builder, place, stale);
  else {
    const text = `head ${place.head} in a ring of ${size}`;
    builder.find("head-out-of-range", `available ring slot ${place.slot}`, text);
  }
  const { head, slot, state, written } = place;
  const { readable, writable, indirect, descriptors, findings } = builder;
  return {
    head,
    slot,
    id: head,
    readable,
    writable,
    indirect,
    state,
    written,
    descriptors,
    findings,
  };
}

/** The descriptors of the ring's own table, from the head on. */
function follow(
  context: SplitChainContext,
  builder: ChainBuilder,
  place: SplitChainPlace,
  stale: boolean,
): void {
  const { walk, config } = context;
  const seen = new Set<number>();
  for (let index = place.head;;) {
    seen.add(index);
    checkOwner(context, builder, place, index);
    const flags = walk.table[index * 4 + 3] & 0xffff;
    const next = (flags & DESC_F.NEXT) !== 0 ? walk.table[index * 4 + 3] >>> 16 : null;
    const raw = rawAt(walk.table, index * 4, index, flags, next);
    if ((flags & DESC_F.INDIRECT) !== 0) {
      const copiedAt = seen.size === 1 && place.chain >= 0 ? walk.tableAt[place.chain] : -1;
      const { address, length } = raw;
      const reference = { address, length, place: `descriptor ${index}`, withNext: next !== null };
      addTable({ ...context, arena: walk.arena }, builder, { ...reference, copiedAt, stale });
      return;
    }
    builder.add(raw, `descriptor ${index}`);
    if (next === null || !canFollow(builder, config.size, seen, index, next)) return;
    index = next;
  }
}

function canFollow(
  builder: ChainBuilder,
  size: number,
  seen: ReadonlySet<number>,
  index: number,
  next: number,
): boolean {
  if (next >= size) {
    builder.find(
      "next-out-of-range",
      `descriptor ${index}`,
      `next is ${next} in a table of ${size}`,
    );
    return false;
  }
  if (seen.has(next)) {
    builder.find("loop", `descriptor ${index}`, `leads back to descriptor ${next}`);
    return false;
  }
  return true;
}

/** A descriptor belongs to one chain at a time. */
function checkOwner(
  context: SplitChainContext,
  builder: ChainBuilder,
  place: SplitChainPlace,
  index: number,
): void {
  const owner = context.walk.owner[index] - 1;
  if (place.chain < 0 || owner < 0 || owner >= place.chain || context.mayBeStale(owner)) return;
  if (builder.findings.some((one) => one.code === "duplicate-head")) return;
  const head = context.walk.head(owner);
  if (index === place.head && head === index) {
    builder.find(
      "duplicate-head",
      `available ring slot ${place.slot}`,
      `head ${head} is available twice`,
    );
  } else {
    const text = `belongs to the chain of head ${head}, too`;
    builder.find("shared-descriptor", `descriptor ${index}`, text);
  }
}
