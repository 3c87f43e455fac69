/**
 * Region tables: whatever regions there are, lookups say what a search from front to end says.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ADDRESS_LIMIT, guestAddress, userAddress } from "../../lib/address.ts";
import type { Backing } from "../../lib/memory/backing.ts";
import { checkRegion, type Region, regionEnd } from "../../lib/memory/region.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";

const LARGE = 2 ** 52;

fc.configureGlobal({ numRuns: 500 });

/** Nothing is ever read here. */
const NOWHERE: Backing = {
  length: Number.MAX_SAFE_INTEGER,
  label: "nowhere",
  pageSize: 4096,
  copy: () => ({ length: 0, errno: "EFAULT" }),
  live: () => null,
  nextData: () => null,
};

/** Addresses near those at which arithmetic changes, and any others. */
const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 64n }),
  fc.bigInt({ min: (1n << 32n) - 8n, max: (1n << 32n) + 8n }),
  fc.bigInt({ min: (1n << 53n) - (1n << 33n) - 8n, max: (1n << 53n) - (1n << 33n) + 8n }),
  fc.bigInt({ min: (1n << 53n) - 8n, max: (1n << 53n) + 8n }),
  fc.bigInt({ min: ADDRESS_LIMIT - 64n, max: ADDRESS_LIMIT - 1n }),
  fc.bigInt({ min: 0n, max: ADDRESS_LIMIT - 1n }),
);

const length = fc.oneof(
  fc.bigInt({ min: 1n, max: 40n }),
  fc.constantFrom(1n << 31n, 1n << 32n, 1n << 33n, BigInt(LARGE)),
);

interface Range {
  readonly guest: bigint;
  readonly length: bigint;
  readonly user: bigint | null;
}

const range: fc.Arbitrary<Range> = fc.record({
  guest: address,
  length,
  user: fc.option(address, { nil: null }),
});

function regionOf({ guest, length, user }: Range, name = "one"): Region {
  return {
    guest: guestAddress(guest),
    length,
    backing: NOWHERE,
    offset: 0,
    access: "rw",
    name,
    user: user === null ? null : userAddress(user),
  };
}

function possible({ guest, length, user }: Range): boolean {
  return guest + length <= ADDRESS_LIMIT && (user === null || user + length <= ADDRESS_LIMIT);
}

function overlap(a: bigint | null, aLength: bigint, b: bigint | null, bLength: bigint): boolean {
  return a !== null && b !== null && a < b + bLength && b < a + aLength;
}

function collide(a: Range, b: Range): boolean {
  return overlap(a.guest, a.length, b.guest, b.length) ||
    overlap(a.user, a.length, b.user, b.length);
}

/** Regions that mostly touch, in one space or in both: lookups go wrong at such borders first. */
const touching: fc.Arbitrary<Range[]> = fc.tuple(
  address,
  fc.option(address, { nil: null }),
  fc.array(
    fc.record({
      gap: fc.constantFrom(0n, 0n, 0n, 1n, 5n),
      userGap: fc.constantFrom(0n, 0n, 1n),
      length: fc.bigInt({ min: 1n, max: 40n }),
    }),
    { maxLength: 9 },
  ),
).map(([start, userStart, steps]) => {
  let [guest, user] = [start, userStart];
  return steps.map(({ gap, userGap, length }) => {
    const one = { guest: guest + gap, length, user: user === null ? null : user + userGap };
    guest = one.guest + length;
    user = one.user === null ? null : one.user + length;
    return one;
  });
});

/** Ranges that can stand in one table: those that do not fit beside the ones before are left out. */
const ranges = fc.oneof(fc.array(range, { maxLength: 12 }), touching).map((list) =>
  list.filter(possible).reduce<Range[]>(
    (kept, one) => kept.some((other) => collide(one, other)) ? kept : [...kept, one],
    [],
  )
);

function tableOf(list: readonly Range[]): RegionTable {
  return new RegionTable(list.map((one, n) => regionOf(one, `region ${n}`)));
}

/** The addresses at which something begins or ends, and their neighbours. */
function borders(list: readonly Range[]): bigint[] {
  return list.flatMap(({ guest, length, user }) =>
    [guest, user].filter((at) => at !== null)
      .flatMap((at) => [at - 1n, at, at + length - 1n, at + length])
  )
    .filter((at) => at >= 0n && at < ADDRESS_LIMIT);
}

Deno.test("regions that overlap in either space, or pass 2^64, make no table; all others do", () => {
  fc.assert(fc.property(fc.array(range, { maxLength: 5 }), (list) => {
    const pairs = list.flatMap((a, n) => list.slice(n + 1).map((b) => [a, b] as const));
    const good = list.every(possible) && !pairs.some(([a, b]) => collide(a, b));
    if (good) assertEquals(tableOf(list).regions.length, list.length);
    else assertThrows(() => tableOf(list), RangeError);
  }));
});

Deno.test("lookups by either address find what a search from front to end finds", () => {
  fc.assert(fc.property(ranges, fc.array(address), (list, more) => {
    const table = tableOf(list);
    for (const at of [...borders(list), ...more]) {
      const byGuest = list.find((one) => at >= one.guest && at < one.guest + one.length);
      assertEquals(table.at(at)?.guest, byGuest?.guest);
      const byUser = list.find(({ user, length }) =>
        user !== null && at >= user && at < user + length
      );
      assertEquals(table.atUser(at)?.user, byUser?.user);
      const after = list.map(({ guest }) => guest).filter((guest) => guest >= at);
      const first = after.reduce<bigint | null>((a, b) => a === null || b < a ? b : a, null);
      assertEquals(table.after(at)?.guest ?? null, first);
    }
  }));
});

Deno.test("the quick lookup finds a region or says that a closer look is needed, and never lies", () => {
  fc.assert(fc.property(ranges, fc.array(address), (list, more) => {
    const table = tableOf(list);
    for (const at of [...borders(list), ...more].filter((one) => one < 1n << 53n)) {
      const index = table.indexOf(Number(at));
      const found = table.at(at);
      if (index >= 0) assertEquals(table.regions[index], found);
      const exact = found !== null && regionEnd(found) <= (1n << 53n) - (1n << 33n);
      // Where a length of 32 bits may not be added exactly, nothing is found quickly.
      assertEquals(index >= 0, exact, `${at} in ${found?.name ?? "none"}`);
      if (index >= 0 && found !== null) {
        assertEquals([table.startOf(index), table.endOf(index)], [
          Number(found.guest),
          Number(regionEnd(found)),
        ]);
      }
    }
  }));
});

Deno.test("translation there and back gives the same address, and none where there is none", () => {
  fc.assert(fc.property(ranges, fc.array(address), (list, more) => {
    const table = tableOf(list);
    for (const at of [...borders(list), ...more]) {
      const user = table.toUser(at);
      if (user !== null) assertEquals(table.toGuest(user), at);
      assertEquals(user === null, table.at(at)?.user == null);
      const guest = table.toGuest(at);
      if (guest !== null) assertEquals(table.toUser(guest), at);
      assertEquals(guest === null, table.atUser(at) === null);
    }
  }));
});

Deno.test("holes and regions together are everything between the first and the last byte", () => {
  fc.assert(fc.property(ranges, (list) => {
    const table = tableOf(list);
    const holes = table.holes();
    for (const { start, end } of holes) {
      assert(start < end);
      assertEquals([table.at(start), table.at(end - 1n)], [null, null]);
      assert(table.at(start - 1n) !== null && table.at(end) !== null);
    }
    const hollow = holes.reduce((sum, { start, end }) => sum + end - start, 0n);
    const [first, last] = [table.regions[0], table.regions.at(-1)];
    const all = first === undefined ? 0n : regionEnd(last as Region) - first.guest;
    assertEquals(hollow + table.size, all);
  }));
});

Deno.test("hotplug makes a new table: what was plugged and pulled again leaves the old one", () => {
  fc.assert(fc.property(ranges, range, (list, plugged) => {
    const table = tableOf(list);
    const before = table.regions.map(({ name }) => name);
    const fits = possible(plugged) && !list.some((one) => collide(one, plugged));
    if (!fits) assertThrows(() => table.with(regionOf(plugged)), RangeError);
    else {
      const larger = table.with(regionOf(plugged, "plugged"));
      assertEquals(larger.at(plugged.guest)?.name, "plugged");
      assertEquals(larger.size, table.size + plugged.length);
      const again = larger.without(plugged.guest);
      assertEquals(again.regions.map(({ name }) => name), before);
      assertEquals(again.at(plugged.guest), null);
    }
    assertEquals(table.regions.map(({ name }) => name), before);
  }));
});

Deno.test("rights only narrow", () => {
  const table = tableOf([{ guest: 0n, length: 4n, user: null }]);
  assertEquals(table.narrow("rw").regions[0].access, "rw");
  const narrowed = table.narrow("ro");
  assertEquals(narrowed.regions[0].access, "ro");
  assertEquals(narrowed.narrow("rw").regions[0].access, "ro");
  assertEquals(table.regions[0].access, "rw");
});

Deno.test("a region is not empty, and ends with its backing at the latest", () => {
  const good = regionOf({ guest: 0n, length: 16n, user: null });
  checkRegion(good);
  for (
    const bad of [
      { length: 0n },
      { length: -1n },
      { offset: -1 },
      { offset: 0.5 },
      { offset: NaN },
      { offset: Number.MAX_SAFE_INTEGER },
    ]
  ) assertThrows(() => checkRegion({ ...good, ...bad }), RangeError);
});

Deno.test("regions above 2^53 do not hide those below", () => {
  //  0 [ a )  128 [ b )     2^53 [ c ) [ d ) [ e )       c's address is no exact double
  const high = 1n << 53n;
  const list = [0n, 128n, high, high + 64n, high + 128n]
    .map((guest) => ({ guest, length: 64n, user: null }));
  assertEquals(tableOf(list).indexOf(130), 1);
});
