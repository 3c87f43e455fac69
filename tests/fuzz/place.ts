/**
 * Finds room in a world for the parts of a ring: at any alignment, across region borders, but never
 * over another part, for two regions may be the same bytes.
 *
 * @module
 */
import type { Random } from "./random.ts";
import type { Span, World } from "./world.ts";

/** Bytes of a backing: what an address comes down to. */
interface Taken {
  readonly backing: unknown;
  readonly start: number;
  readonly end: number;
}

/** Gives out room until there is none. */
export interface Room {
  /** An address of `length` free bytes; null where none was found in a few tries. */
  take(space: "guest" | "user", length: number, align: number): bigint | null;
}

/** All of a world's room. */
export function roomOf(random: Random, world: World): Room {
  const taken: Taken[] = [];
  return {
    take(space, length, align) {
      for (let tries = 0; tries < 16; tries++) {
        const address = somewhere(random, world.spans[space], length, align);
        if (address === null) continue;
        const bytes = bytesUnder(world, space, address, length);
        const others = (n: number) => [...taken, ...bytes.slice(n + 1)];
        if (bytes.some((one, n) => others(n).some((other) => overlap(one, other)))) continue;
        taken.push(...bytes);
        return address;
      }
      return null;
    },
  };
}

/** A random place, more often than not at a border of regions. */
function somewhere(
  random: Random,
  spans: readonly Span[],
  length: number,
  align: number,
): bigint | null {
  if (spans.length === 0) return null;
  const span = random.pick(spans);
  if (span.length < length) return null;
  const free = span.length - length + 1;
  const into = random.oneIn(6) ? free - 1 : random.oneIn(6) ? 0 : random.below(free);
  const at = span.start + BigInt(into);
  const down = at - at % BigInt(align);
  return down >= span.start ? down : null;
}

function bytesUnder(
  { regions }: World,
  space: "guest" | "user",
  address: bigint,
  length: number,
): Taken[] {
  const end = address + BigInt(length);
  return regions.flatMap(({ guest, user, length: size, offset, backing }) => {
    const from = space === "guest" ? guest : user;
    if (from === null || from >= end || from + size <= address) return [];
    const first = address > from ? address - from : 0n;
    const last = end < from + size ? end - from : size;
    return [{ backing, start: offset + Number(first), end: offset + Number(last) }];
  });
}

function overlap(a: Taken, b: Taken): boolean {
  return a.backing === b.backing && a.start < b.end && b.start < a.end;
}

/** A buffer within guest memory, of 1 to some hundred bytes. */
export function someBuffer(random: Random, world: World): { address: bigint; length: number } {
  const span = random.pick(world.spans.guest);
  const length = Math.min(random.oneIn(8) ? span.length : random.between(1, 600), span.length);
  const address = span.start + BigInt(random.below(span.length - length + 1));
  return { address, length };
}
