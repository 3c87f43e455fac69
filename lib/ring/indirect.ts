/**
 * Indirect tables, walked with care: virtio 1.4, 2.7.5.3 (split) and 2.8.7 (packed).
 *
 * @module
 */
import { ADDRESS_LIMIT, hex } from "../address.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { Arena } from "./arena.ts";
import type { ChainBuilder, RawDescriptor } from "./chain_builder.ts";
import { FEATURE, type RingConfig } from "./config.ts";
import { MAX_TABLE_ENTRIES } from "./limits.ts";
import { DESC_F } from "./spec.ts";

/** A table as the ring's descriptor gives it. */
export interface TableReference {
  readonly address: bigint;
  readonly length: number;
  /** Descriptor that holds the reference: `descriptor 7`, `slot 7`. */
  readonly place: string;
  /** INDIRECT together with NEXT, or within a packed list. */
  readonly withNext: boolean;
  /** Where the walk has copied the table already, or -1. */
  readonly copiedAt: number;
  /**
   * The chain may have been used and the table freed: what is in it and where it lies is shown, but
   * no violation. What the ring's own descriptor says of it still is one.
   */
  readonly stale: boolean;
}

/** Where tables are read from. */
export interface TableSource {
  readonly memory: GuestMemory;
  readonly config: RingConfig;
  readonly arena: Arena;
}

/** Adds a table's entries to the chain. */
export function addTable(
  source: TableSource,
  builder: ChainBuilder,
  table: TableReference,
): void {
  builder.indirect = true;
  checkReference(source, builder, table);
  if (table.length === 0 || table.length % 16 !== 0) return;
  if (table.stale) builder.quietly(() => addEntries(source, builder, table));
  else addEntries(source, builder, table);
}

function addEntries(source: TableSource, builder: ChainBuilder, table: TableReference): void {
  const entries = table.length >>> 4;
  const base = locate(source, builder, table, Math.min(entries, MAX_TABLE_ENTRIES));
  if (base < 0) return;
  if (source.config.format === "split") linked(source, builder, table.place, base, entries);
  else consecutive(source, builder, table.place, base, Math.min(entries, MAX_TABLE_ENTRIES));
}

function checkReference(source: TableSource, builder: ChainBuilder, table: TableReference): void {
  const { config } = source;
  const { place, length } = table;
  const entries = length >>> 4;
  if ((config.features & FEATURE.INDIRECT_DESC) === 0n) {
    builder.find("indirect-not-negotiated", place, "INDIRECT without VIRTIO_F_INDIRECT_DESC");
  }
  if (table.withNext) builder.find("indirect-with-next", place, "INDIRECT together with NEXT");
  if (length === 0) builder.find("indirect-empty", place, "table of 0 bytes");
  else if (length % 16 !== 0) {
    builder.find("indirect-length", place, `table of ${length} bytes, not a multiple of 16`);
  }
  if (entries > config.size) {
    builder.find(
      "indirect-too-long",
      place,
      `table of ${entries} entries in a queue of ${config.size}`,
    );
  }
}

/** First word of the private copy, or -1. A table that lies outside memory is not walked at all. */
function locate(
  source: TableSource,
  builder: ChainBuilder,
  table: TableReference,
  entries: number,
): number {
  if (table.copiedAt >= 0) return table.copiedAt;
  const { address, length, place } = table;
  const outside = address + BigInt(length) > ADDRESS_LIMIT ||
    source.memory.status(address, BigInt(length)) !== "ok";
  const base = outside ? -1 : source.arena.fetch(address, entries * 16);
  if (base < 0) {
    const text = `table [${hex(address)}, +${hex(length)}) can not be read`;
    builder.find("indirect-outside-memory", place, text);
  }
  return base;
}

/** Split: entry 0, then as `next` says, as far as a table is walked. */
function linked(
  source: TableSource,
  builder: ChainBuilder,
  place: string,
  base: number,
  entries: number,
): void {
  const seen = new Set<number>();
  for (let index = 0; index < MAX_TABLE_ENTRIES;) {
    seen.add(index);
    const flags = flagsOf(source.arena, base, index, "split");
    const next = (flags & DESC_F.NEXT) !== 0 ? word3(source.arena, base, index) >>> 16 : null;
    const here = `${place}, entry ${index}`;
    entry(source, builder, here, base, index, flags, next);
    if (next === null) return;
    if (next >= entries) {
      return builder.find("next-out-of-range", here, `next is ${next} in a table of ${entries}`);
    }
    if (seen.has(next)) return builder.find("loop", here, `leads back to entry ${next}`);
    index = next;
  }
}

/** Packed: every entry in order; NEXT has no meaning here. */
function consecutive(
  source: TableSource,
  builder: ChainBuilder,
  place: string,
  base: number,
  entries: number,
): void {
  for (let index = 0; index < entries; index++) {
    const flags = flagsOf(source.arena, base, index, "packed");
    const here = `${place}, entry ${index}`;
    entry(source, builder, here, base, index, flags, index + 1 < entries ? index + 1 : null);
  }
}

function entry(
  source: TableSource,
  builder: ChainBuilder,
  here: string,
  base: number,
  index: number,
  flags: number,
  next: number | null,
): void {
  const raw = rawAt(source.arena.words, base + index * 4, index, flags, next);
  if ((flags & DESC_F.INDIRECT) === 0) return builder.add(raw, here);
  builder.find("indirect-nested", here, `table at ${hex(raw.address)} inside a table`);
  builder.keep(raw);
}

/** Descriptor whose first word is `words[at]`. */
export function rawAt(
  words: Uint32Array | Int32Array,
  at: number,
  index: number,
  flags: number,
  next: number | null,
): RawDescriptor {
  return {
    index,
    address: (BigInt(words[at + 1] >>> 0) << 32n) | BigInt(words[at] >>> 0),
    length: words[at + 2] >>> 0,
    writable: (flags & DESC_F.WRITE) !== 0,
    next,
  };
}

function word3(arena: Arena, base: number, index: number): number {
  return arena.words[base + index * 4 + 3];
}

/** Flags stand in the low half of the last word in split tables, in the high half in packed ones. */
function flagsOf(arena: Arena, base: number, index: number, format: "split" | "packed"): number {
  const word = word3(arena, base, index);
  return format === "split" ? word & 0xffff : word >>> 16;
}
