/**
 * How a guest's memory is laid out: regions of many shapes over small buffers, as plain values that
 * a fixture can keep.
 *
 * @module
 */
import { Random } from "./random.ts";

/** A buffer, and how it lets itself be read. */
export interface BufferPlan {
  /** Bytes. */
  readonly size: number;
  readonly shared: boolean;
  /** In place, or by copies only. */
  readonly live: boolean;
  /** Offset in the backing of the buffer's first byte: what is before reads as zeros. */
  readonly base: number;
  /** Offsets in the buffer that can not be read: [start, end). */
  readonly bad: { readonly start: number; readonly end: number } | null;
}

/** A region: [at, at + length) of a buffer, by both addresses. */
export interface PartPlan {
  /** Number of the buffer. */
  readonly buffer: number;
  readonly at: number;
  readonly length: number;
  readonly guest: bigint;
  readonly user: bigint | null;
}

/** A guest's memory. */
export interface WorldPlan {
  readonly buffers: readonly BufferPlan[];
  readonly parts: readonly PartPlan[];
}

type Cut = Pick<PartPlan, "buffer" | "at" | "length">;

/** A layout with about `size` bytes per buffer. The same seed gives the same. */
export function planWorld(seed: number, size: number): WorldPlan {
  const random = new Random(seed);
  const buffers = Array.from(
    { length: random.pick([1, 1, 1, 2, 2, 3, 5]) },
    () => planBuffer(random, size),
  );
  const cuts = buffers.flatMap((_, n) => cutBuffer(random, n, size));
  const guest = addresses(random, cuts);
  const order = cuts.map((_, n) => n).sort(() => random.oneIn(2) ? 1 : -1);
  const user = addresses(random, order.map((n) => cuts[n]));
  const parts = cuts.map((cut, n) => ({
    ...cut,
    guest: guest[n],
    user: random.oneIn(8) ? null : user[order.indexOf(n)],
  }));
  return { buffers, parts };
}

function planBuffer(random: Random, size: number): BufferPlan {
  const shared = random.oneIn(3);
  const live = !random.oneIn(3);
  const start = random.below(size);
  const bad = !live && random.oneIn(4) ? { start, end: start + random.between(1, 64) } : null;
  const base = live || random.oneIn(2) ? 0 : random.pick([4096, 2 ** 32 + 3, 2 ** 40]);
  return { size, shared, live, base, bad };
}

/** Cuts a buffer into one or two regions; now and then another one is the same bytes. */
function cutBuffer(random: Random, buffer: number, size: number): Cut[] {
  const grain = random.pick([4096, 4096, 16, 4, 1]);
  const cut = random.oneIn(2) ? size : grain * Math.max(1, random.below(size / grain));
  const cuts = [{ buffer, at: 0, length: cut }];
  if (cut < size) cuts.push({ buffer, at: cut, length: size - cut });
  if (random.oneIn(4)) cuts.push({ buffer, at: 0, length: random.between(1, size) });
  return cuts;
}

const STARTS = [0n, 0n, 0x1000n, 1n << 32n, (1n << 43n) - 0x3000n, (1n << 53n) - 0x2000n];

/** Addresses in the given order: some adjacent, some with holes between, from low to high. */
function addresses(random: Random, cuts: readonly Cut[]): bigint[] {
  let at = random.oneIn(8) ? 1n << 60n : random.pick(STARTS);
  const list = cuts.map(({ length }) => {
    const start = at;
    at += BigInt(length + random.pick([0, 0, 0, 1, 16, 4096, 2 ** 32]));
    return start;
  });
  if (!random.oneIn(8)) return list;
  // Up to the very end of all addresses.
  const end = list[list.length - 1] + BigInt(cuts[cuts.length - 1].length);
  return list.map((start) => start + (1n << 64n) - end);
}
