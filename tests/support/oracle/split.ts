/**
 * A second reader of split rings, written from virtio 1.4, 2.7, and sharing no code with the
 * walker: it reads every field from memory when it needs it, and keeps nothing.
 *
 * What the standard leaves open it does as the walker's documentation says: where a walk starts,
 * what staleness excuses, how much is listed.
 *
 * @module
 */
import type { RingConfig } from "../../../lib/ring/config.ts";
import type { ChainState, SnapshotOptions } from "../../../lib/ring/snapshot.ts";
import { areaReadable, checkAreas, half, unreadable } from "./areas.ts";
import { finished, note, type OracleRules, type Reading, reading, takeBuffer } from "./buffers.ts";
import { numberAt, type OracleMemory } from "./memory.ts";
import {
  found,
  nothing,
  type OracleChain,
  type OracleIndices,
  type OracleReport,
} from "./report.ts";
import { descriptorAt, takeTable } from "./tables.ts";

const [NEXT, WRITE, INDIRECT] = [1, 2, 4];
const EVENT_IDX = 1n << 29n;
const IN_ORDER = 1n << 35n;

/** A ring with what was read of it once. */
interface Split extends OracleRules {
  readonly config: RingConfig;
  readonly indices: OracleIndices;
  /** Free-running index of the first chain. */
  readonly first: number;
  /** Chains are walked from a consumer's own position. */
  readonly own: boolean;
  /** Heads in the last ring full of used elements. */
  readonly usedHeads: ReadonlySet<number>;
  /** The chain that each descriptor was first seen in. */
  readonly owners: Map<number, { chain: number; head: number }>;
}

/** The rules of a ring. */
export function rulesOf(memory: OracleMemory, config: RingConfig): OracleRules {
  const { format, size, features } = config;
  const has = (bit: bigint) => (features >> bit & 1n) === 1n;
  return { memory, format, size, indirect: has(28n), translated: has(33n) };
}

/** Reads a split ring. */
export function readSplit(
  memory: OracleMemory,
  config: RingConfig,
  options: SnapshotOptions = {},
): OracleReport {
  const { findings, walkable } = checkAreas(memory, config);
  if (!walkable) return nothing(findings);
  const indices = readIndices(memory, config);
  const { size } = config;
  if (
    indices === null || !areaReadable(memory, config, "driver", 6 + 2 * size) ||
    !areaReadable(memory, config, "descriptor", 16 * size)
  ) return nothing([...findings, unreadable(memory, config)], indices);
  const usedHeads = new Set(usedElements(memory, config, indices.used.index).map(({ id }) => id));
  const { first, count, own, findings: jumps } = extent(config, indices);
  const rules = rulesOf(memory, config);
  const ring = { ...rules, config, indices, first, own, usedHeads, owners: new Map() };
  const outstanding = Array.from(
    { length: options.chains === "none" ? 0 : count },
    (_, n) => outstandingChain(ring, first, n),
  );
  const recent = options.chains === "recent" ? recentChains(ring, options.recentCount ?? 16) : [];
  const chains = [...recent, ...outstanding];
  return {
    indices,
    glance: indices,
    suppression: suppression(indices),
    chains,
    recent: recent.length,
    findings: [...findings, ...jumps, ...chains.flatMap((chain) => chain.findings)],
  };
}

/** 2.7.6, 2.7.8: indices, flags and, with VIRTIO_F_EVENT_IDX, the words behind the rings. */
export function readIndices(memory: OracleMemory, config: RingConfig): OracleIndices | null {
  const { size, features } = config;
  const [usedIndex, usedFlags] = [2, 0].map((at) => half(memory, config, "device", at));
  const [index, flags] = [2, 0].map((at) => half(memory, config, "driver", at));
  if (usedIndex === null || usedFlags === null || index === null || flags === null) return null;
  const events = (features & EVENT_IDX) !== 0n;
  const usedEvent = events ? half(memory, config, "driver", 4 + 2 * size) : null;
  const availEvent = events ? half(memory, config, "device", 4 + 8 * size) : null;
  return {
    available: { index, flags, event: usedEvent, wrap: null, eventWrap: null },
    used: { index: usedIndex, flags: usedFlags, event: availEvent, wrap: null, eventWrap: null },
    inFlight: (index - usedIndex + 65536) % 65536,
    exact: true,
  };
}

/** 2.7.7.2, 2.7.10: whether the next buffer of either side would notify the other. */
function suppression({ available, used }: OracleIndices): OracleReport["suppression"] {
  if (available.event === null || used.event === null) {
    const [kickWanted, callWanted] = [used, available].map(({ flags }) => flags % 2 === 0);
    return { kickWanted, callWanted, by: "flags" };
  }
  const next = (event: number, old: number) => (old + 1 - event - 1 + 65536) % 65536 < 1;
  return {
    kickWanted: next(used.event, available.index),
    callWanted: next(available.event, used.index),
    by: "event index",
  };
}

/** From where to where chains are walked: from `start`, else the used index, to the available one. */
function extent(
  { size, start }: RingConfig,
  { available, used }: OracleIndices,
): { first: number; count: number; own: boolean; findings: string[] } {
  const between = (from: number, to: number) => (to - from % 65536 + 2 * 65536) % 65536;
  const findings: string[] = [];
  const ahead = between(used.index, available.index) > size &&
    between(available.index, used.index) <= size;
  if (ahead) findings.push(found("used-ahead", "used ring"));
  const behind = start === undefined ? 0 : between(start.index, used.index);
  const sane = between(used.index, available.index) <= size;
  // A consumer can not have used what it has not taken: a start behind that is out of date.
  const own = start !== undefined && !(sane && behind > 0 && behind < 32768);
  const first = own ? start.index : used.index;
  const count = between(first, available.index);
  if (count <= size) return { first, count, own, findings };
  if (start !== undefined || !ahead) findings.push(found("avail-jump", "available ring"));
  return { first, count: 0, own, findings };
}

/** 2.7.8: the elements before the used index, a ring full at most, oldest first. */
function usedElements(
  memory: OracleMemory,
  config: RingConfig,
  index: number,
): { slot: number; id: number; length: number }[] {
  const { size } = config;
  if (!areaReadable(memory, config, "device", 4 + 8 * size)) return [];
  const word = (offset: number) =>
    Number(numberAt(memory, config.device + BigInt(offset), 4, config.addressSpace));
  const element = (slot: number) => ({ slot, id: word(4 + 8 * slot), length: word(8 + 8 * slot) });
  const last = element(size - 1);
  // Below the ring's size the index is that of a young ring, unless its last slot was written.
  const count = index >= size || last.id !== 0 || last.length !== 0 ? size : index;
  return Array.from({ length: count }, (_, n) => element((index - count + n + 65536) % size));
}

/** One entry of the available ring: 2.7.6, 2.7.13. */
function outstandingChain(ring: Split, first: number, n: number): OracleChain {
  const { memory, config, size } = ring;
  const slot = (first + n) % size;
  const head = half(memory, config, "driver", 4 + 2 * slot) as number;
  const chain = reading(mayBeStale(ring, first + n, head));
  if (head >= size) note(chain, "head-out-of-range", `available ring slot ${slot}`);
  else takeChain(ring, chain, { chain: n, head, slot });
  const state = stateOf(ring, first + n);
  return finished(chain, { head, slot, id: head, state, written: null });
}

/** 2.7.5: the chain of a head; `place` is null for a buffer that went back already. */
function takeChain(
  ring: Split,
  chain: Reading,
  place: { chain: number; head: number; slot: number } | null,
  head = place?.head as number,
): void {
  const { config, size } = ring;
  const seen = new Set<number>();
  for (let index = head;;) {
    seen.add(index);
    if (place !== null) checkOwner(ring, chain, place, index);
    const at = config.descriptor + 16n * BigInt(index);
    const raw = descriptorAt(ring, at, config.addressSpace);
    const next = (raw.flags & NEXT) === 0 ? null : raw.other;
    const here = `descriptor ${index}`;
    if ((raw.flags & INDIRECT) !== 0) {
      // The driver frees a table when it has seen the chain used (2.7.14), whatever still names it.
      return takeTable(ring, chain, raw, here, { withNext: next !== null, freed: chain.stale });
    }
    const writable = (raw.flags & WRITE) !== 0;
    takeBuffer(
      ring,
      chain,
      { index, address: raw.address, length: raw.length, writable, next },
      here,
    );
    if (next === null) return;
    if (next >= size) return note(chain, "next-out-of-range", here);
    if (seen.has(next)) return note(chain, "loop", here);
    index = next;
  }
}

/** 2.7.13: a descriptor is in one chain only, for as long as that chain is with the device. */
function checkOwner(
  { owners, ...ring }: Split,
  chain: Reading,
  place: { chain: number; head: number; slot: number },
  index: number,
): void {
  const owner = owners.get(index);
  if (owner === undefined) {
    owners.set(index, { chain: place.chain, head: place.head });
    return;
  }
  if (owner.chain === place.chain) return;
  if (mayBeStale({ owners, ...ring }, ring.first + owner.chain, owner.head)) return;
  if (chain.findings.some((finding) => finding.startsWith("duplicate-head"))) return;
  if (index === place.head && owner.head === index) {
    note(chain, "duplicate-head", `available ring slot ${place.slot}`);
  } else note(chain, "shared-descriptor", `descriptor ${index}`);
}

/**
 * A device may complete out of order; then an outstanding entry may be done already. Not in a
 * ring with IN_ORDER, nor from a consumer's own position on, nor what the device has yet to fetch:
 * nobody has used anything since that was so, if the used index is what it was then.
 */
function mayBeStale({ config, own, usedHeads, indices }: Split, index: number, head: number) {
  if (own || (config.features & IN_ORDER) !== 0n) return false;
  const { fetched, used = indices.used } = config;
  const ahead = (position: number) => (position + 131072 - indices.used.index) % 65536;
  const known = fetched !== undefined && used.index % 65536 === indices.used.index &&
    ahead(fetched.index) <= ahead(indices.available.index);
  if (known && ahead(index) >= ahead(fetched.index)) return false;
  return usedHeads.has(head);
}

/** In flight is what the device has fetched: as `fetched` says, else avail_event. */
function stateOf({ config, indices }: Split, index: number): ChainState {
  const { available, used } = indices;
  const from = (position: number) => (position % 65536 - used.index + 65536) % 65536;
  const taken = from(config.fetched?.index ?? used.event ?? used.index);
  if (taken > from(available.index)) return "available";
  return from(index) < taken ? "inflight" : "available";
}

/** The last used buffers, as their descriptors stand now: nothing about them is a violation. */
function recentChains(ring: Split, count: number): OracleChain[] {
  const elements = usedElements(ring.memory, ring.config, ring.indices.used.index);
  return elements.slice(Math.max(0, elements.length - count)).map(({ slot, id, length }) => {
    const chain = reading(true);
    if (id < ring.size) takeChain(ring, chain, null, id);
    chain.findings.length = 0;
    if (id >= ring.size) chain.findings.push(found("id-out-of-range", `used ring slot ${slot}`));
    return finished(chain, { head: id, slot, id, state: "used", written: length });
  });
}
