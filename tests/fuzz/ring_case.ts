/**
 * One ring out of a seed: memory, a driver and a device at work, then, mostly, damage.
 *
 * @module
 */
import {
  FEATURE,
  type RingConfig,
  type RingFormat,
  type RingPosition,
} from "../../lib/ring/config.ts";
import { TABLE, type Truth } from "./model.ts";
import { mutate } from "./mutate.ts";
import { runPacked } from "./packed_model.ts";
import { type Room, roomOf } from "./place.ts";
import { Random } from "./random.ts";
import { runSplit } from "./split_model.ts";
import { openWorld, type World } from "./world.ts";
import { planWorld } from "./world_plan.ts";

/** A ring to read. */
export interface RingCase {
  readonly world: World;
  /** As it is before and after the damage; the same where there is none. */
  readonly sound: RingConfig;
  readonly config: RingConfig;
  /** How the ring stands; null where it was damaged. */
  readonly truth: Truth | null;
  /** Damages the ring. Called once, so that a walk's columns can be used before and after. */
  readonly damage: () => void;
  readonly random: Random;
}

/** Worlds are made once and used again: that takes longer than a ring. */
const WORLDS = 256;
const worlds = new Map<string, World>();

function worldFor(random: Random, size: number): World {
  const [seed, bytes] = size <= 64
    ? [random.below(WORLDS), 0x2000]
    : size <= 1024
    ? [random.below(8), 0x10000]
    : [random.below(4), 0x180000];
  const key = `${seed} ${bytes}`;
  const world = worlds.get(key) ?? openWorld(planWorld(seed * 4099 + bytes, bytes));
  worlds.set(key, world);
  world.bytes.forEach((one) => one.fill(0));
  return world;
}

function sizeFor(random: Random, format: RingFormat): number {
  if (random.oneIn(20_000)) return format === "split" ? 32768 : random.between(1, 32768);
  if (random.oneIn(2000)) return format === "split" ? 1024 : random.between(65, 1024);
  const size = random.pick([1, 2, 4, 4, 8, 8, 8, 16, 16, 32, 64]);
  return format === "split" || random.oneIn(2) ? size : random.between(1, 24);
}

/** The ring of a seed. Only one is valid at a time: memory is used again. */
export function ringCase(seed: number): RingCase {
  const random = new Random(seed);
  const format = random.oneIn(2) ? "split" : "packed";
  const size = sizeFor(random, format);
  const world = worldFor(random, size);
  const placed = placeRing(random, world, format, size);
  const room = placed.room;
  const taken = Array.from({ length: 8 }, () => room.take("guest", 16 * TABLE, 1));
  const tables = taken.filter((address) => address !== null);
  const config = placed.config;
  const inOrder = (config.features & FEATURE.IN_ORDER) !== 0n || random.oneIn(2);
  const work = { random, world, inOrder, tables: [...tables] };
  const truth = !placed.whole
    ? null
    : format === "split"
    ? runSplit(work, config)
    : runPacked(work, config);
  const sound = truth === null ? config : { ...config, ...hints(random, truth, format) };
  const spoilt = truth === null || !random.oneIn(4);
  let broken = sound;
  const damage = () => {
    if (spoilt) broken = mutate(random, world, sound, tables);
  };
  return {
    world,
    random,
    sound,
    get config() {
      return broken;
    },
    truth: spoilt || !world.whole ? null : truth,
    damage,
  };
}

/** Where the areas go. `whole` is false where there was no room for one. */
function placeRing(
  random: Random,
  world: World,
  format: RingFormat,
  size: number,
): { config: RingConfig; room: Room; whole: boolean } {
  const room = roomOf(random, world);
  const addressSpace = random.oneIn(4) && world.spans.user.length > 0 ? "user" : "guest";
  const lengths = format === "split" ? [16 * size, 6 + 2 * size, 6 + 8 * size] : [16 * size, 4, 4];
  const aligned = !random.oneIn(16);
  const aligns = !aligned ? [1, 1, 1] : format === "split" ? [16, 2, 4] : [16, 4, 4];
  const places = lengths.map((length, n) => room.take(addressSpace, length, aligns[n]));
  const [descriptor, driver, device] = places.map((place) => place ?? random.odd64());
  const features = featuresFor(random);
  const config = { format, size, addressSpace, features, descriptor, driver, device } as const;
  return { config, room, whole: aligned && places.every((place) => place !== null) };
}

function featuresFor(random: Random): bigint {
  return FEATURE.VERSION_1 |
    (random.oneIn(5) ? 0n : FEATURE.INDIRECT_DESC) |
    (random.oneIn(2) ? 0n : FEATURE.EVENT_IDX) |
    (random.oneIn(8) ? FEATURE.ACCESS_PLATFORM : 0n) |
    (random.oneIn(4) ? FEATURE.IN_ORDER : 0n);
}

/** What a source may know beside the ring's memory; all of it true. */
function hints(
  random: Random,
  { used, outstanding, ordered, fetchable }: Truth,
  format: RingFormat,
): Pick<RingConfig, "start" | "used" | "fetched"> {
  const ends = [used, ...outstanding.map(({ end }) => end)];
  const position = (places: readonly RingPosition[] = ends) => {
    const { index, wrap } = random.pick(places);
    return { index: format === "split" ? index % 65536 : index, wrap };
  };
  // A split ring's consumer may have been asked long ago.
  const old = () => ({ index: (used.index - random.below(1000) + 65536) % 65536, wrap: true });
  const start = () =>
    random.oneIn(2) ? used : format === "split" && random.oneIn(2) ? old() : position();
  return {
    ...(ordered && random.oneIn(4) ? { start: start() } : {}),
    ...(random.oneIn(4) ? { used } : {}),
    ...(random.oneIn(4) ? { fetched: position(fetchable) } : {}),
  };
}
