/**
 * The quick check of a descriptor's buffer: what it takes is guest memory, all of it in one region,
 * wherever regions begin and end and whatever was looked at before.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { guestAddress } from "../../lib/address.ts";
import type { Backing } from "../../lib/memory/backing.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { inPages, RangeCheck } from "../../lib/ring/range_check.ts";

const NOWHERE: Backing = {
  length: Number.MAX_SAFE_INTEGER,
  label: "nowhere",
  pageSize: 4096,
  copy: () => ({ length: 0, errno: "EFAULT" }),
  live: () => null,
  nextData: () => null,
};

/** Regions begin and end anywhere in a page, touch, and stand where 32-bit words and pages end. */
const layout = fc.tuple(
  fc.constantFrom(0n, 4090n, (1n << 32n) - 9000n, (1n << 43n) - 9000n, (1n << 53n) - (1n << 33n)),
  fc.array(
    fc.record({
      gap: fc.constantFrom(0n, 0n, 1n, 100n, 4096n),
      length: fc.bigInt({ min: 1n, max: 9000n }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
).map(([start, steps]) => {
  let at = start;
  return new RegionTable(steps.map(({ gap, length }, n) => {
    const guest = at + gap;
    at = guest + length;
    const rest = { backing: NOWHERE, offset: 0, access: "ro" as const, user: null };
    return { guest: guestAddress(guest), length, name: `region ${n}`, ...rest };
  }));
});

/** A buffer: from so many bytes before or behind a border on, with a length of any 32 bits. */
const buffer = fc.record({
  border: fc.nat(15),
  /** Far above, where the pages' numbers begin anew in 32 bits. */
  lap: fc.constantFrom(0n, 0n, 0n, 1n << 43n, 1n << 44n, 1n << 52n),
  shift: fc.integer({ min: -4200, max: 4200 }),
  length: fc.oneof(
    fc.nat(9000),
    fc.constantFrom(0, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffff),
  ),
});

fc.configureGlobal({ numRuns: 2000 });

Deno.test("what the quick check takes lies in one region, and all such buffers are taken", () => {
  fc.assert(
    fc.property(layout, fc.array(buffer, { minLength: 1, maxLength: 12 }), (table, list) => {
      const ranges = new RangeCheck(table);
      const borders = table.regions.flatMap(({ guest, length }) => [guest, guest + length]);
      for (const { border, lap, shift, length } of list) {
        const address = BigInt.asUintN(64, borders[border % borders.length] + lap + BigInt(shift));
        const [low, high] = [Number(address & 0xffffffffn) | 0, Number(address >> 32n) | 0];
        const region = table.at(address);
        const whole = region !== null && length > 0 &&
          address + BigInt(length) <= region.guest + region.length;
        const quick = inPages(low, high, length | 0, ranges.firstPage, ranges.endPage);
        if (quick) assert(whole, `0x${address.toString(16)}+${length} is not in one region`);
        const exact = region !== null && region.guest + region.length <= (1n << 53n) - (1n << 33n);
        const plain = ranges.plain(low, high, length | 0);
        assertEquals(plain, whole && exact && length < 0x80000000);
      }
    }),
  );
});
