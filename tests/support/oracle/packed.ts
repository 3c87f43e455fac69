/**
 * A second reader of packed rings, written from virtio 1.4, 2.8, and sharing no code with the
 * walker: it reads every field from memory when it needs it, and keeps nothing.
 *
 * @module
 */
import type { RingConfig } from "../../../lib/ring/config.ts";
import type { ChainState, RingSide, SnapshotOptions } from "../../../lib/ring/snapshot.ts";
import { areaReadable, checkAreas, half, unreadable } from "./areas.ts";
import { finished, note, type OracleRules, type Reading, reading, takeBuffer } from "./buffers.ts";
import type { OracleMemory } from "./memory.ts";
import { endOf, type Place, positions, type Slots } from "./packed_position.ts";
import { freedTables } from "./packed_tables.ts";
import {
  found,
  nothing,
  type OracleChain,
  type OracleIndices,
  type OracleReport,
} from "./report.ts";
import { rulesOf } from "./split.ts";
import { descriptorAt, takeTable } from "./tables.ts";

const [NEXT, WRITE, INDIRECT, AVAIL, USED] = [1, 2, 4, 1 << 7, 1 << 15];
const EVENT_IDX = 1n << 29n;
const IN_ORDER = 1n << 35n;

/** A ring, and where a walk over it began. */
interface Packed extends OracleRules {
  readonly config: RingConfig;
  readonly first: Place;
  /** Whether that is known to be the device's position. */
  readonly exact: boolean;
  /** Slot of the first list that has each buffer id. */
  readonly owners: Map<number, number>;
  /** First slots of lists whose tables may have been freed. */
  readonly freed: ReadonlySet<number>;
}

/** A list, and where the next one begins. */
interface List {
  readonly chain: OracleChain;
  readonly end: Place;
  /** Slots it takes. */
  readonly taken: number;
}

/** Reads a packed ring. */
export function readPacked(
  memory: OracleMemory,
  given: RingConfig,
  options: SnapshotOptions = {},
): OracleReport {
  const { findings, walkable } = checkAreas(memory, given);
  if (!walkable) return nothing(findings);
  const lost = given.start !== undefined && given.start.index >= given.size;
  const config = lost ? { ...given, start: undefined } : given;
  if (!areaReadable(memory, config, "descriptor", 16 * config.size)) {
    return nothing([...findings, unreadable(memory, config)]);
  }
  const slots = slotsOf(memory, config);
  const { used, available, exact } = positions(slots, config);
  const first = config.start ?? used;
  const ring = {
    ...rulesOf(memory, config),
    config,
    first,
    exact,
    owners: new Map(),
    freed: options.chains === "none" ? new Set<number>() : freedTables(slots, config, first, exact),
  };
  const lists = options.chains === "none" ? [] : readLists(ring);
  const indices = readIndices(memory, config, { used, available, exact });
  if (indices === null) return nothing([...findings, unreadable(memory, config)]);
  const chains = lists.map(({ chain }) => chain);
  const own = [...eventFindings(config, indices), ...endFindings(ring, lists)];
  return {
    indices,
    glance: indices,
    suppression: suppression(indices),
    chains,
    recent: 0,
    findings: [...findings, ...own, ...chains.flatMap((chain) => chain.findings)],
  };
}

function slotsOf(memory: OracleMemory, config: RingConfig): Slots {
  const word = (slot: number, offset: number) =>
    half(memory, config, "descriptor", 16 * slot + offset) as number;
  return {
    size: config.size,
    flags: (slot) => word(slot, 14),
    id: (slot) => word(slot, 12),
    written: (slot) => [0, 2, 4, 6, 8, 10, 12, 14].some((offset) => word(slot, offset) !== 0),
  };
}

/** Both sides with their event suppression: 2.8.14. */
function readIndices(
  memory: OracleMemory,
  config: RingConfig,
  { used, available, exact }: ReturnType<typeof positions>,
): OracleIndices | null {
  const driver = side(memory, config, "driver", available);
  const device = side(memory, config, "device", used);
  if (driver === null || device === null) return null;
  const laps = used.wrap === available.wrap ? 0 : config.size;
  return {
    available: driver,
    used: device,
    inFlight: available.index + laps - used.index,
    exact,
  };
}

function side(
  memory: OracleMemory,
  config: RingConfig,
  area: "driver" | "device",
  place: Place,
): RingSide | null {
  const word = half(memory, config, area, 0);
  const flags = half(memory, config, area, 2);
  if (word === null || flags === null) return null;
  const wants = (config.features & EVENT_IDX) !== 0n && flags % 4 === 2;
  return {
    index: place.index,
    wrap: place.wrap,
    flags,
    event: wants ? word % 32768 : null,
    eventWrap: wants ? word >= 32768 : null,
  };
}

/** 2.8.10: whether each side wants to hear of the next descriptor of the other. */
function suppression({ available, used }: OracleIndices): OracleReport["suppression"] {
  const wants = (owner: RingSide, other: RingSide) =>
    owner.event === null
      ? owner.flags % 4 !== 1
      : owner.event === other.index && owner.eventWrap === other.wrap;
  return {
    kickWanted: wants(used, available),
    callWanted: wants(available, used),
    by: used.event === null && available.event === null ? "flags" : "event index",
  };
}

function eventFindings({ size, features }: RingConfig, indices: OracleIndices): string[] {
  const check = ({ flags, event }: RingSide, place: string) => [
    ...(flags % 4 === 3 ? [found("flags-invalid", place)] : []),
    ...(flags % 4 === 2 && (features & EVENT_IDX) === 0n ? [found("flags-invalid", place)] : []),
    ...(event !== null && event >= size ? [found("flags-invalid", place)] : []),
  ];
  return [
    ...check(indices.available, "driver event area"),
    ...check(indices.used, "device event area"),
  ];
}

/** All lists from the used position on, to the first slot that is not available; one lap at most. */
function readLists(ring: Packed): List[] {
  const lists: List[] = [];
  let place = ring.first;
  for (let left = ring.size; left > 0 && isAvailable(ring, place);) {
    const list = readList(ring, place, left, lists.length);
    lists.push(list);
    left -= list.taken;
    place = list.end;
  }
  return lists;
}

/** 2.8.1: AVAIL is the wrap counter, USED is not. */
function isAvailable({ memory, config }: Packed, { index, wrap }: Place): boolean {
  const flags = half(memory, config, "descriptor", 16 * index + 14) as number;
  return ((flags & AVAIL) !== 0) === wrap && ((flags & USED) !== 0) !== wrap;
}

/** 2.8.6: slots while NEXT is set; the buffer id is the last one's. */
function readList(ring: Packed, first: Place, left: number, number: number): List {
  const { config, size } = ring;
  const chain = reading(false);
  let place = first;
  for (let taken = 1;; taken++) {
    const slot = place.index;
    const at = config.descriptor + 16n * BigInt(slot);
    const raw = descriptorAt(ring, at, config.addressSpace);
    const more = (raw.flags & NEXT) !== 0;
    const next = more ? (slot + 1) % size : null;
    const [here, writable] = [`slot ${slot}`, (raw.flags & WRITE) !== 0];
    if ((raw.flags & INDIRECT) !== 0 && chain.indirect) note(chain, "indirect-with-next", here);
    else if ((raw.flags & INDIRECT) !== 0) {
      const freed = ring.freed.has(first.index);
      takeTable(ring, chain, raw, here, { withNext: more || taken > 1, freed });
    } else takeBuffer(ring, chain, { ...raw, index: slot, writable, next }, here);
    place = endOf(place, 1, size);
    if (more && goesOn(ring, chain, place, here, taken, left)) continue;
    checkId(ring, chain, first.index, raw.other);
    const rest = { head: first.index, slot: first.index, id: raw.other, written: null };
    const state = stateOf(ring, first.index, number);
    return { chain: finished(chain, { ...rest, state }), end: place, taken };
  }
}

function goesOn(
  ring: Packed,
  chain: Reading,
  place: Place,
  from: string,
  taken: number,
  left: number,
): boolean {
  if (taken === ring.size) note(chain, "chain-too-long", from);
  else if (taken === left || !isAvailable(ring, place)) note(chain, "chain-unavailable", from);
  else return true;
  return false;
}

/** 2.8.13: ids are below the size, and of one list only unless that may be stale. */
function checkId(
  { config, size, owners, exact }: Packed,
  chain: Reading,
  slot: number,
  id: number,
): void {
  if (id >= size) return note(chain, "id-out-of-range", `slot ${slot}`);
  const ordered = (config.features & IN_ORDER) !== 0n && exact;
  if (owners.has(id) && (ordered || config.start !== undefined)) {
    note(chain, "duplicate-id", `slot ${slot}`);
  }
  if (!owners.has(id)) owners.set(id, slot);
}

/** In flight is what lies before `fetched`. */
function stateOf({ config, size, first }: Packed, slot: number, _number: number): ChainState {
  const { fetched } = config;
  if (fetched === undefined || fetched.index >= size) return "available";
  const from = (index: number) => (index - first.index + size) % size;
  return from(slot) < from(fetched.index) ? "inflight" : "available";
}

/** Where the walk ended the device has not been in this lap: it cannot have used anything there. */
function endFindings(ring: Packed, lists: readonly List[]): string[] {
  const last = lists.at(-1);
  if (!ring.exact || last === undefined || lists.length >= ring.size) return [];
  const flags = half(ring.memory, ring.config, "descriptor", 16 * last.end.index + 14) as number;
  const bits = [AVAIL, USED].map((bit) => ((flags & bit) !== 0) === last.end.wrap);
  return bits.every((bit) => bit) ? [found("flags-invalid", `slot ${last.end.index}`)] : [];
}
