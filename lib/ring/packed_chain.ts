/**
 * One list of a packed ring, walked with care: virtio 1.4, 2.8.6 and 2.8.7.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import { ChainBuilder, type RawDescriptor } from "./chain_builder.ts";
import type { RingConfig } from "./config.ts";
import { addTable, rawAt } from "./indirect.ts";
import { availBit, usedBit } from "./packed_position.ts";
import type { StaleLists } from "./packed_stale.ts";
import type { PackedWalk } from "./packed_walk.ts";
import type { ChainState, DescriptorChain } from "./snapshot.ts";
import { DESC_F } from "./spec.ts";

/** What a list is looked at with. */
export interface PackedChainContext {
  readonly memory: GuestMemory;
  readonly config: RingConfig;
  readonly walk: PackedWalk;
  /**
   * Whether ids may stand twice: where the device completes out of order a list may be stale, and so
   * may the first ones be where its position is a guess.
   */
  readonly mayBeStale: boolean;
  /** Lists whose indirect tables prove nothing. */
  readonly stale: StaleLists;
}

/** A slot within the walked lap. */
interface Cursor {
  slot: number;
  wrap: boolean;
  /** Slots taken by this list. */
  taken: number;
  /** Slots of the lap that were left when the list began. */
  readonly left: number;
}

/** Walks list number `chain` and reports everything that is wrong with it. */
export function packedChain(
  context: PackedChainContext,
  chain: number,
  state: ChainState,
): DescriptorChain {
  const { walk, config, memory } = context;
  const builder = new ChainBuilder(memory, config);
  const slot = walk.slots[chain];
  const id = follow(context, builder, chain, start(context, slot));
  checkId(context, builder, chain, id);
  const { readable, writable, indirect, descriptors, findings } = builder;
  const rest = { readable, writable, indirect, state, written: null, descriptors, findings };
  return { head: slot, slot, id, ...rest };
}

function start({ walk, config }: PackedChainContext, slot: number): Cursor {
  const { index, wrap } = walk.first;
  const gone = (slot - index + config.size) % config.size;
  return { slot, wrap: slot >= index ? wrap : !wrap, taken: 0, left: config.size - gone };
}

/**
 * Takes slots while NEXT is set; of several tables only the first is followed. Returns the buffer
 * id: that of the last descriptor (2.8.6).
 */
function follow(
  context: PackedChainContext,
  builder: ChainBuilder,
  chain: number,
  cursor: Cursor,
): number {
  const { table } = context.walk;
  for (;;) {
    const { slot } = cursor;
    const tail = table[slot * 4 + 3];
    takeSlot(context, builder, chain, cursor);
    if (((tail >>> 16) & DESC_F.NEXT) === 0) return tail & 0xffff;
    if (!canFollow(context, builder, slot, cursor)) return tail & 0xffff;
  }
}

function takeSlot(
  context: PackedChainContext,
  builder: ChainBuilder,
  chain: number,
  cursor: Cursor,
): void {
  const { walk, config } = context;
  const { slot } = cursor;
  const flags = walk.table[slot * 4 + 3] >>> 16;
  const following = (slot + 1) % config.size;
  const next = (flags & DESC_F.NEXT) !== 0 ? following : null;
  const raw = rawAt(walk.table, slot * 4, slot, flags, next);
  if ((flags & DESC_F.INDIRECT) === 0) builder.add(raw, `slot ${slot}`);
  else if (!builder.indirect) takeTable(context, builder, chain, raw, cursor.taken);
  else {
    // A table for each slot of a list would be more than there is memory for.
    builder.find("indirect-with-next", `slot ${slot}`, "another table in the list: not followed");
  }
  cursor.taken++;
  if (following === 0) cursor.wrap = !cursor.wrap;
  cursor.slot = following;
}

function takeTable(
  context: PackedChainContext,
  builder: ChainBuilder,
  chain: number,
  { index, address, length, next }: RawDescriptor,
  taken: number,
): void {
  const { walk, stale } = context;
  const withNext = next !== null || taken > 0;
  const copiedAt = taken === 0 ? walk.tableAt[chain] : -1;
  const reference = { address, length, place: `slot ${index}`, withNext, copiedAt };
  const source = { ...context, arena: walk.arena };
  addTable(source, builder, { ...reference, stale: stale.has(chain) });
}

/** The next slot of a list must be there in this lap, and available as the first one is. */
function canFollow(
  { walk, config }: PackedChainContext,
  builder: ChainBuilder,
  from: number,
  cursor: Cursor,
): boolean {
  if (cursor.taken >= config.size) {
    builder.find("chain-too-long", `slot ${from}`, `a list of all ${config.size} slots has no end`);
    return false;
  }
  const available = availBit(walk.table, cursor.slot) === cursor.wrap &&
    usedBit(walk.table, cursor.slot) !== cursor.wrap;
  if (available && cursor.taken < cursor.left) return true;
  const text = `the list goes on in slot ${cursor.slot}, which is not available`;
  builder.find("chain-unavailable", `slot ${from}`, text);
  return false;
}

function checkId(
  { walk, config, mayBeStale }: PackedChainContext,
  builder: ChainBuilder,
  chain: number,
  id: number,
): void {
  const place = `slot ${walk.slots[chain]}`;
  if (id >= config.size) {
    builder.find("id-out-of-range", place, `buffer id ${id} in a ring of ${config.size}`);
    return;
  }
  const owner = walk.owner[id] - 1;
  if (owner < 0 || owner >= chain || mayBeStale) return;
  builder.find(
    "duplicate-id",
    place,
    `buffer id ${id} is that of the list in slot ${walk.slots[owner]}, too`,
  );
}
