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
