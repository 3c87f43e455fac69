/**
 * Breaks a ring: one field after the other gets a value that tends to be wrong.
 *
 * @module
 */
import type { RingConfig } from "../../lib/ring/config.ts";
import { regionEnd } from "../../lib/memory/region.ts";
import { TABLE } from "./model.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** What is broken, and with what. */
interface Break {
  readonly random: Random;
  readonly world: World;
  readonly config: RingConfig;
  readonly tables: readonly bigint[];
}

/** Breaks a ring in some places; gives the configuration, of which something may be wrong, too. */
export function mutate(
  random: Random,
  world: World,
  config: RingConfig,
  tables: readonly bigint[],
): RingConfig {
  let broken = config;
  for (let n = random.pick([1, 1, 1, 2, 3, 5, 8, 40]); n > 0; n--) {
    const at = { random, world, config, tables };
    const kind = random.below(12);
    if (kind < 5) descriptor(at);
    else if (kind < 7) table(at);
    else if (kind < 9) indices(at);
    else if (kind < 10) events(at);
    else if (kind < 11 || n > 3) entries(at);
    else broken = changed(random, world, broken);
  }
  return broken;
}

/** An address that is at a region's border, or nowhere. */
export function someAddress(random: Random, world: World): bigint {
  if (random.oneIn(3)) return random.odd64();
  const region = random.pick(world.regions);
  const border = random.oneIn(2) ? region.guest : regionEnd(region);
  const away = random.pick([0, 0, 1, 16, 64, 4096, random.below(65536)]);
  return BigInt.asUintN(64, random.oneIn(2) ? border - BigInt(away) : border + BigInt(away));
}

function someLength(random: Random, world: World): number {
  const sizes = [
    0,
    1,
    8,
    15,
    16,
    17,
    24,
    32,
    48,
    16 * TABLE,
    4096,
    0x40000000,
    0x7fffffff,
    0x80000000,
  ];
  if (random.oneIn(3)) return random.odd32();
  if (random.oneIn(3)) return Number(random.pick(world.regions).length) & 0xffffffff;
  return random.pick(sizes) + (random.oneIn(4) ? 1 : 0);
}

/** A value for `next`, a head or a buffer id. */
function someIndex(random: Random, size: number): number {
  return random.oneIn(2) ? random.below(size) : random.pick([size, size - 1, random.odd16()]);
}

function descriptor({ random, world, config, tables }: Break): void {
  const at = config.descriptor + 16n * BigInt(random.below(config.size));
  field(random, world, config, config.addressSpace, at, tables);
}

function table({ random, world, config, tables }: Break): void {
  if (tables.length === 0) return;
  const at = random.pick(tables) + 16n * BigInt(random.below(TABLE));
  field(random, world, config, "guest", at, tables);
}

/** One field of the descriptor at an address. */
function field(
  random: Random,
  world: World,
  { format, size }: RingConfig,
  space: "guest" | "user",
  at: bigint,
  tables: readonly bigint[],
): void {
  const put = (offset: number, length: number, value: bigint | number) =>
    world.write(space, at + BigInt(offset), length, value);
  const [flags, other] = format === "split" ? [12, 14] : [14, 12];
  switch (random.below(8)) {
    case 6: {
      // To the end of a region, or a byte more or less: a buffer, or a table's worth.
      const region = random.pick(world.regions);
      const back = BigInt(random.oneIn(2) ? random.below(4096) : 16 * random.between(1, TABLE));
      put(0, 8, BigInt.asUintN(64, regionEnd(region) - back));
      const more = random.pick([-1n, 0n, 1n, 16n]);
      put(8, 4, BigInt.asUintN(32, back + more));
      return random.oneIn(2) ? put(flags, 2, someFlags(random, format) | 4) : undefined;
    }
    case 7:
      return put(other, 2, random.between(0, TABLE + 1));
    case 0:
      return put(0, 8, someAddress(random, world));
    case 1:
      return put(8, 4, someLength(random, world));
    case 2:
      return put(flags, 2, someFlags(random, format));
    case 3:
      return put(other, 2, someIndex(random, size));
    case 4:
      if (tables.length === 0) return;
      // A table where there was none, or part of one.
      put(0, 8, random.pick(tables) + BigInt(random.pick([0, 0, 16, 2, 1])));
      put(8, 4, 16 * random.between(0, 2 * TABLE));
      return put(flags, 2, someFlags(random, format) | 4);
    default:
      put(other, 2, someIndex(random, size));
      return put(flags, 2, someFlags(random, format) | 1);
  }
}

function someFlags(random: Random, format: "split" | "packed"): number {
  if (random.oneIn(6)) return random.word() & 0xffff;
  const owner = format === "split" ? 0 : random.pick([0, 0x80, 0x8000, 0x8080]);
  return owner | random.below(8);
}

/** Split: free-running indices. Packed rings have theirs in the descriptors' flags. */
function indices({ random, world, config }: Break): void {
  if (config.format === "packed") {
    const slot = BigInt(random.below(config.size));
    const at = config.descriptor + 16n * slot + 14n;
    return world.write(config.addressSpace, at, 2, someFlags(random, "packed"));
  }
  const area = random.oneIn(2) ? config.driver : config.device;
  const value = random.oneIn(2) ? random.word() & 0xffff : random.odd16();
  world.write(config.addressSpace, area + 2n, 2, value);
}

function events({ random, world, config }: Break): void {
  const area = random.oneIn(2) ? "driver" : "device";
  const behind = area === "driver" ? 4 + 2 * config.size : 4 + 8 * config.size;
  const offset = config.format === "packed" ? random.pick([0, 2]) : random.pick([0, behind]);
  world.write(config.addressSpace, config[area] + BigInt(offset), 2, random.odd16());
}

/** Split: entries of either ring. Packed rings have none: two descriptors get one buffer id. */
function entries({ random, world, config }: Break): void {
  const { addressSpace: space, descriptor, driver, device, size } = config;
  if (config.format === "packed") {
    const id = random.below(size);
    for (const slot of [random.below(size), random.below(size)]) {
      world.write(space, descriptor + 16n * BigInt(slot) + 12n, 2, id);
    }
    return;
  }
  const slot = BigInt(random.below(size));
  const id = random.oneIn(2) ? someIndex(random, size) : random.odd32();
  switch (random.below(4)) {
    case 0:
      return world.write(space, device + 4n + 8n * slot, 4, id);
    case 1:
      return world.write(space, device + 8n + 8n * slot, 4, random.odd32());
    default:
      return world.write(space, driver + 4n + 2n * slot, 2, someIndex(random, size));
  }
}

/** The configuration with one field changed. */
function changed(random: Random, world: World, config: RingConfig): RingConfig {
  const position = () => ({ index: someIndex(random, config.size), wrap: random.oneIn(2) });
  const area = random.pick(["descriptor", "driver", "device"] as const);
  switch (random.below(9)) {
    case 0:
      return { ...config, size: random.pick([0, -1, 1.5, NaN, 65536, 32769, 32768, 3, 12]) };
    case 1:
      return { ...config, size: random.pick([config.size * 2, config.size >> 1, config.size + 1]) };
    case 2:
      return { ...config, [area]: someAddress(random, world) };
    case 3:
      return { ...config, [area]: config[area] + BigInt(random.pick([1, 2, 3, 4, 8, 16])) };
    case 4:
      return { ...config, features: config.features ^ (1n << BigInt(random.between(28, 36))) };
    case 5:
      return { ...config, start: position() };
    case 6:
      return { ...config, used: position() };
    case 7:
      return { ...config, fetched: position() };
    default:
      return { ...config, addressSpace: config.addressSpace === "guest" ? "user" : "guest" };
  }
}
