/**
 * A driver and a device that obey virtio 1.4, 2.7, and write a split ring as they go.
 *
 * @module
 */
import type { RingConfig } from "../../lib/ring/config.ts";
import {
  fetchable,
  type Kept,
  type Newest,
  release,
  type Segment,
  shape,
  type Truth,
  type Workload,
} from "./model.ts";

/** What both sides know. */
interface State {
  readonly work: Workload;
  readonly config: RingConfig;
  readonly free: number[];
  readonly outstanding: Kept[];
  posted: number;
  newest: Newest;
  available: number;
  used: number;
  /** Entries from used to available are the outstanding buffers. */
  ordered: boolean;
}

/** Runs both sides for a while. The ring's memory must be zero before. */
export function runSplit(work: Workload, config: RingConfig): Truth {
  const { random, world } = work;
  const first = random.pick([0, 65536 - random.below(2 * config.size), random.below(65536)]) %
    65536;
  const free = shuffled(work, config.size);
  const state: State = {
    work,
    config,
    free,
    outstanding: [],
    posted: 0,
    newest: { number: -1, end: { index: first, wrap: true } },
    available: first,
    used: first,
    ordered: true,
  };
  for (let steps = random.below(4 * config.size + 4); steps > 0; steps--) step(state);
  for (let n = random.below(3); n > 0; n--) post(state);
  const put = (area: "driver" | "device", offset: number, value: number) =>
    world.write(config.addressSpace, config[area] + BigInt(offset), 2, value);
  put("driver", 2, state.available % 65536);
  put("device", 2, state.used % 65536);
  put("driver", 0, random.below(2));
  put("device", 0, random.below(2));
  put("driver", 4 + 2 * config.size, nearby(state, state.used));
  put("device", 4 + 8 * config.size, nearby(state, state.available));
  return {
    available: { index: state.available % 65536, wrap: true },
    used: { index: state.used % 65536, wrap: true },
    outstanding: state.outstanding,
    ordered: state.ordered,
    fetchable: fetchable(state.newest, state.outstanding),
  };
}

function nearby({ work: { random } }: State, index: number): number {
  return (random.oneIn(4) ? random.word() : index - random.below(4)) & 0xffff;
}

function shuffled({ random }: Workload, size: number): number[] {
  const list = Array.from({ length: size }, (_, n) => n);
  if (random.oneIn(2)) return list;
  for (let n = size - 1; n > 0; n--) {
    const other = random.below(n + 1);
    [list[n], list[other]] = [list[other], list[n]];
  }
  return list;
}

function step(state: State): void {
  if (state.work.random.oneIn(2)) post(state);
  else complete(state);
}

/** 2.7.13: descriptors, then the available entry, then the index (written at the end). */
function post(state: State): void {
  const { work, config, free } = state;
  const { direct, table } = shape(work, config, free.length);
  const count = direct.length + (table === null ? 0 : 1);
  if (count === 0 || state.outstanding.length >= config.size) return;
  const chain = free.splice(0, count);
  direct.forEach((segment, n) => {
    const more = n + 1 < count;
    writeDescriptor(
      state,
      chain[n],
      segment,
      more ? 1 : 0,
      more ? chain[n + 1] : work.random.word(),
    );
  });
  if (table !== null) {
    const reference = { ...writeTable(work, table), writable: false };
    writeDescriptor(state, chain[count - 1], reference, 4, work.random.word());
  }
  const at = config.driver + 4n + 2n * BigInt(state.available % config.size);
  work.world.write(config.addressSpace, at, 2, chain[0]);
  const segments = [...direct, ...table?.segments ?? []];
  const end = state.available = state.available + 1;
  state.outstanding.push({
    id: chain[0],
    slots: chain,
    segments,
    end: { index: end, wrap: true },
    number: state.posted++,
    table: table?.address ?? null,
  });
}

/** 2.7.8: the device gives a buffer back, the driver takes its descriptors again. */
function complete(state: State): void {
  const { work: { random, world, inOrder }, config, outstanding } = state;
  if (outstanding.length === 0) return;
  const n = inOrder || random.oneIn(2) ? 0 : random.below(outstanding.length);
  const [done] = outstanding.splice(n, 1);
  const { id, slots, number, table } = done;
  if (n > 0) state.ordered = false;
  else if (outstanding.length === 0) state.ordered = true;
  const at = config.device + 4n + 8n * BigInt(state.used % config.size);
  world.write(config.addressSpace, at, 4, id);
  world.write(config.addressSpace, at + 4n, 4, random.below(4096));
  state.used++;
  state.free.push(...slots);
  if (number > state.newest.number) state.newest = done;
  if (table !== null) release(state.work, table);
}

function writeDescriptor(
  { work: { world }, config: { addressSpace, descriptor } }: State,
  index: number,
  segment: Segment,
  flags: number,
  next: number,
): void {
  const at = descriptor + 16n * BigInt(index);
  const put = (offset: bigint, length: number, value: bigint | number) =>
    world.write(addressSpace, at + offset, length, value);
  put(0n, 8, segment.address);
  put(8n, 4, segment.length);
  put(12n, 2, flags | (segment.writable ? 2 : 0));
  put(14n, 2, next & 0xffff);
}

/** 2.7.5.3: entry 0 first, then wherever `next` leads. */
function writeTable(
  { random, world }: Workload,
  { address, segments, entries }: {
    address: bigint;
    segments: readonly Segment[];
    entries: number;
  },
): { address: bigint; length: number } {
  const places = [0];
  while (places.length < segments.length) {
    const place = random.oneIn(2) ? places.length : 1 + random.below(entries - 1);
    if (!places.includes(place)) places.push(place);
  }
  segments.forEach((segment, n) => {
    const at = address + 16n * BigInt(places[n]);
    const more = n + 1 < segments.length;
    world.write("guest", at, 8, segment.address);
    world.write("guest", at + 8n, 4, segment.length);
    world.write("guest", at + 12n, 2, (segment.writable ? 2 : 0) | (more ? 1 : 0));
    world.write("guest", at + 14n, 2, more ? places[n + 1] : random.word() & 0xffff);
  });
  return { address, length: 16 * entries };
}
