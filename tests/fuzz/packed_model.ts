/**
 * A driver and a device that obey virtio 1.4, 2.8, and write a packed ring as they go.
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

/** Flags of AVAIL and USED in a lap with wrap counter 1, and in one with 0: 2.8.1. */
const AVAILABLE = { true: 0x0080, false: 0x8000 };
const USED = { true: 0x8080, false: 0 };

/** A slot and its lap's wrap counter. */
interface Cursor {
  index: number;
  wrap: boolean;
}

/** What both sides know. */
interface State {
  readonly work: Workload;
  readonly config: RingConfig;
  readonly ids: number[];
  readonly outstanding: Kept[];
  readonly available: Cursor;
  readonly used: Cursor;
  free: number;
  ordered: boolean;
  posted: number;
  newest: Newest;
}

/** Runs both sides for a while. The ring's memory must be zero before. */
export function runPacked(work: Workload, config: RingConfig): Truth {
  const { random } = work;
  const start = random.oneIn(2)
    ? { index: 0, wrap: true }
    : { index: random.below(config.size), wrap: random.oneIn(2) };
  const state: State = {
    work,
    config,
    ids: Array.from({ length: config.size }, (_, n) => n),
    outstanding: [],
    available: { ...start },
    used: { ...start },
    free: config.size,
    ordered: true,
    posted: 0,
    newest: { number: -1, end: start },
  };
  if (random.oneIn(2)) state.ids.reverse();
  if (start.index !== 0 || !start.wrap) oldLaps(state, start);
  for (let steps = random.below(4 * config.size + 4); steps > 0; steps--) {
    if (random.oneIn(2)) post(state);
    else complete(state);
  }
  for (let n = random.below(3); n > 0; n--) post(state);
  event(state, "driver", state.used);
  event(state, "device", state.available);
  const { outstanding, ordered, newest } = state;
  const [available, used] = [{ ...state.available }, { ...state.used }];
  return { available, used, outstanding, ordered, fetchable: fetchable(newest, outstanding) };
}

/** A ring that was in use for a while, all of it with the driver again. */
function oldLaps(state: State, start: Cursor): void {
  const { work: { random }, config } = state;
  for (let slot = 0; slot < config.size; slot++) {
    const lap = slot < start.index ? start.wrap : !start.wrap;
    const segment = { address: random.bits64(), length: random.below(999), writable: false };
    write(state, slot, segment, random.below(config.size), lap ? USED.true : USED.false);
  }
}

/** 2.8.14: now and then an event index that means something. */
function event({ work: { random, world }, config }: State, area: "driver" | "device", at: Cursor) {
  const index = (at.index - random.below(3) + config.size) % config.size;
  const kinds = (config.features >> 29n & 1n) === 1n ? [0, 1, 2, 2] : [0, 1];
  const word = index | (at.wrap ? 0x8000 : 0);
  world.write(config.addressSpace, config[area], 2, word);
  world.write(config.addressSpace, config[area] + 2n, 2, random.pick(kinds));
}

function advance(cursor: Cursor, count: number, size: number): void {
  cursor.index += count;
  if (cursor.index < size) return;
  cursor.index -= size;
  cursor.wrap = !cursor.wrap;
}

/** 2.8.6, 2.8.21: a list of slots, the id in the last one. */
function post(state: State): void {
  const { work: { random, world }, config, available } = state;
  const { direct, table } = shape(state.work, config, state.free);
  const segments = table?.segments ?? direct;
  if (segments.length === 0) return;
  const id = state.ids.shift() as number;
  const slots: number[] = [];
  if (table !== null) {
    segments.forEach(({ address, length, writable }, n) => {
      const at = table.address + 16n * BigInt(n);
      world.write("guest", at, 8, address);
      world.write("guest", at + 8n, 4, length);
      world.write("guest", at + 14n, 2, (writable ? 2 : 0) | (random.oneIn(4) ? 1 : 0));
    });
  }
  const ring = table === null
    ? direct
    : [{ address: table.address, length: 16 * segments.length, writable: false }];
  ring.forEach((segment, n) => {
    const more = n + 1 < ring.length;
    const flags = AVAILABLE[`${available.wrap}`] | (more ? 1 : 0) | (table === null ? 0 : 4);
    const kept = more && random.oneIn(2) ? random.word() & 0xffff : id;
    write(state, available.index, segment, kept, flags);
    slots.push(available.index);
    advance(available, 1, config.size);
  });
  state.free -= ring.length;
  const kept = { number: state.posted++, table: table?.address ?? null };
  state.outstanding.push({ ...kept, id, slots, segments, end: { ...available } });
}

/** 2.8.7, 2.8.22: one used descriptor at the device's position, whichever list it is for. */
function complete(state: State): void {
  const { work: { random, inOrder }, config, outstanding, used } = state;
  if (outstanding.length === 0) return;
  const n = inOrder || random.oneIn(2) ? 0 : random.below(outstanding.length);
  const batch = (config.features >> 35n & 1n) === 1n && random.oneIn(3) ? outstanding.length : 1;
  const done = outstanding.splice(n, batch === 1 ? 1 : random.between(1, batch));
  const last = done[done.length - 1];
  const count = done.reduce((sum, { slots }) => sum + slots.length, 0);
  if (n > 0) state.ordered = false;
  else if (outstanding.length === 0) state.ordered = true;
  const flags = USED[`${used.wrap}`] | (random.oneIn(2) ? 2 : 0);
  writeUsed(state, used.index, last.id, flags);
  advance(used, count, config.size);
  state.free += count;
  state.ids[random.oneIn(2) ? "push" : "unshift"](...done.map(({ id }) => id));
  for (const list of done) {
    if (list.number > state.newest.number) state.newest = list;
    if (list.table !== null) release(state.work, list.table);
  }
}

/** Address and NEXT of a used descriptor mean nothing: the device leaves the address alone. */
function writeUsed(
  { work: { random, world }, config: { addressSpace, descriptor } }: State,
  slot: number,
  id: number,
  flags: number,
): void {
  const at = descriptor + 16n * BigInt(slot);
  world.write(addressSpace, at + 8n, 4, random.below(4096));
  world.write(addressSpace, at + 12n, 2, id);
  world.write(addressSpace, at + 14n, 2, flags);
}

function write(
  { work: { world }, config: { addressSpace, descriptor } }: State,
  slot: number,
  segment: Segment,
  id: number,
  flags: number,
): void {
  const at = descriptor + 16n * BigInt(slot);
  world.write(addressSpace, at, 8, segment.address);
  world.write(addressSpace, at + 8n, 4, segment.length);
  world.write(addressSpace, at + 12n, 2, id);
  world.write(addressSpace, at + 14n, 2, flags | (segment.writable ? 2 : 0));
}
