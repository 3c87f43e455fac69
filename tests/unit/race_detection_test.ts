/**
 * What moves while it is read is marked raced: rings whose memory changes at a chosen read.
 */
import { assertEquals } from "@std/assert";
import { guestAddress } from "../../lib/address.ts";
import { type Backing, BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import type { Region } from "../../lib/memory/region.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { settledSnapshot } from "../../lib/ring/settled.ts";
import { AT, drawnConfig, DrawnRing, MEMORY } from "../support/ring_memory.ts";

/** The bytes of a drawn ring, by copies only; `change` runs before the given copy from `offset`. */
function changing(drawn: DrawnRing, offset: number, count: number, change: () => void): Backing {
  const bytes = new BufferBacking(drawn.buffer);
  let copies = 0;
  return {
    length: bytes.length,
    label: "changing",
    pageSize: 4096,
    copy(from, target) {
      if (from === offset && ++copies === count) change();
      return bytes.copy(from, target);
    },
    live: () => null,
    nextData: (from) => bytes.nextData(from),
  };
}

function memoryOver(backing: Backing, border = MEMORY): GuestMemory {
  const region = (guest: number, length: number): Region => ({
    guest: guestAddress(guest),
    length: BigInt(length),
    backing,
    offset: guest,
    access: "ro",
    name: "drawn",
    user: null,
  });
  const regions = [region(0, border), region(border, MEMORY - border)];
  return new GuestMemory(new RegionTable(regions.filter(({ length }) => length > 0n)));
}

Deno.test("split: an index that moves during the closer look is seen", () => {
  //  chain 0: a buffer, then a table. Only a closer look reads such a table.
  const drawn = new DrawnRing(drawnConfig("split", 4))
    .descriptor(0, { address: AT.buffers, length: 4, flags: 1, next: 1 })
    .descriptor(1, { address: AT.tables, length: 16, flags: 4 })
    .descriptor(0, { address: AT.buffers, length: 4 }, AT.tables)
    .available(0, [0]);
  const move = () => drawn.view.setUint16(AT.device + 2, 1, true);
  const moving = memoryOver(changing(drawn, AT.tables, 1, move));
  assertEquals(openRing(moving, drawn.config).snapshot().raced, true);
  assertEquals(openRing(moving, drawn.config).snapshot().raced, false);
});

/** In order, so that no entry is stale. */
const BUSY = drawnConfig("split", 4, { features: (1n << 32n) | (1n << 28n) | (1n << 35n) });

/**
 * A ring whose only buffer, a table, is used and freed while the first looks read it, `looks` of them;
 * as long as there are more to come, its driver makes the next one available at once.
 */
function busy(looks: number): GuestMemory {
  const drawn = new DrawnRing(BUSY)
    .descriptor(0, { address: AT.tables, length: 32, flags: 4 })
    .descriptor(0, { address: AT.buffers, length: 4, flags: 1, next: 1 }, AT.tables)
    .descriptor(1, { address: MEMORY, length: 4, flags: 2 }, AT.tables)
    .available(0, [0]);
  const bytes = new BufferBacking(drawn.buffer);
  let used = 0;
  return memoryOver({
    ...changing(drawn, 0, 0, () => {}),
    copy(offset, target) {
      if (offset === AT.descriptor && used < looks) {
        drawn.used(used, [{ id: 0, length: 4 }]);
        used++;
        if (used < looks) drawn.available(used, [0]);
      }
      return bytes.copy(offset, target);
    },
  });
}

Deno.test("what is used and freed while it is read is no violation: it is looked at again", () => {
  const once = openRing(busy(1), BUSY).snapshot();
  assertEquals([once.raced, once.findings[0].code], [true, "address-outside-memory"]);
  for (const looks of [1, 5]) {
    const { raced, used, findings } = settledSnapshot(openRing(busy(looks), BUSY));
    assertEquals([raced, used.index, findings], [false, looks, []]);
  }
});

Deno.test("a ring that is never still for as long as a look takes is given as it was seen last", () => {
  const { raced, used } = settledSnapshot(openRing(busy(Infinity), BUSY));
  assertEquals([raced, used.index], [true, 63]);
});

Deno.test("packed: a descriptor that is used during the closer look is seen", () => {
  //  slot 0: a table with a buffer across two regions. The quick look reads it, then the closer one.
  const border = AT.buffers + 2;
  const drawn = new DrawnRing(drawnConfig("packed", 4))
    .slot(0, { address: AT.tables, length: 16, flags: 0x84 })
    .descriptor(0, { address: AT.buffers, length: 4 }, AT.tables);
  const use = () => drawn.slot(0, { flags: 0x8080 });
  const moving = memoryOver(changing(drawn, AT.tables, 2, use), border);
  assertEquals(openRing(moving, drawn.config).snapshot().raced, true);
});

//  slot   0      1      2     3     4     5     6   7    The device used the list of slots 0 and 1 with
//         AU id3 A id0  A→    A id1 A→    A id2 .   .    another's id, as it may out of order: it stands
//                                                        at 2, and the ring tells no more than 1 to 5.
function outOfOrder(): DrawnRing {
  const drawn = new DrawnRing(drawnConfig("packed", 8));
  const buffer = { address: AT.buffers, length: 4 };
  drawn.slot(0, { ...buffer, flags: 0x8080, id: 3 }).slot(1, { ...buffer, flags: 0x80, id: 0 });
  for (const [list, slot] of [2, 4].entries()) {
    drawn.slot(slot, { ...buffer, flags: 0x81, id: 1 + list })
      .slot(slot + 1, { ...buffer, flags: 0x80, id: 1 + list });
  }
  return drawn;
}

for (
  const [border, how] of [[MEMORY, "one region"], [AT.descriptor + 32, "two regions"]] as const
) {
  Deno.test(`packed: a list used between the copies, behind a position that is a guess: ${how}`, () => {
    const still = openRing(
      memoryOver(changing(outOfOrder(), 0, 0, () => {}), border),
      outOfOrder().config,
    );
    const { raced, chainCount, exact, used } = still.snapshot();
    assertEquals([raced, chainCount, exact, used.index], [false, 3, false, 1]);
    const drawn = outOfOrder();
    const use = () => drawn.slot(2, { flags: 0x8080, id: 1 });
    const moving = memoryOver(changing(drawn, AT.descriptor, 2, use), border);
    assertEquals(openRing(moving, drawn.config).snapshot().raced, true);
  });
}

Deno.test("packed, read in place: a list used between the copies behind a guessed position", () => {
  const drawn = outOfOrder();
  const use = () => drawn.slot(2, { flags: 0x8080, id: 1 });
  const bytes = new BufferBacking(drawn.buffer);
  // The ring is copied from the view that `live` gives: the second copy sees the list used.
  let views = 0;
  const backing: Backing = {
    length: bytes.length,
    label: "in place",
    pageSize: 4096,
    copy: (offset, target) => bytes.copy(offset, target),
    live(offset, length) {
      if (offset === AT.descriptor && ++views === 2) use();
      return bytes.live(offset, length);
    },
    nextData: (from) => bytes.nextData(from),
  };
  assertEquals(openRing(memoryOver(backing), drawn.config).snapshot().raced, true);
});
