/**
 * Rings and tables in a region larger than what a typed array indexes quickly: 5 GiB of zeros that
 * take no memory but where something is written.
 */
import { assertEquals } from "@std/assert";
import { guestAddress } from "../../lib/address.ts";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { drawnConfig } from "../support/ring_memory.ts";

const GIB = 2 ** 30;
const LENGTH = 5 * GIB;

/** Null where the machine does not give as much address space. */
function manyBytes(): ArrayBuffer | null {
  try {
    return new ArrayBuffer(LENGTH);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function write(buffer: ArrayBuffer, at: number, words: readonly number[]): void {
  const view = new DataView(buffer, at, 4 * words.length);
  words.forEach((word, n) => view.setUint32(4 * n, word, true));
}

/** Where tables are, as offsets in the region: around the ends of what is read through one view. */
const TABLES = [
  0x10000,
  4 * GIB - 64,
  4 * GIB - 16,
  4 * GIB + 16,
  4 * GIB + 102,
  4 * GIB + 2 ** 20 - 48,
  4 * GIB + 2 ** 20 - 16,
  4 * GIB + 2 ** 20 + 16,
  LENGTH - 32,
  2 * GIB + 4,
  0x20000,
];

for (const base of [0n, 1n << 40n, (1n << 53n) - (1n << 33n) - BigInt(LENGTH), 1n << 54n]) {
  const buffer = manyBytes();
  Deno.test({
    name: `tables anywhere in 5 GiB at 0x${base.toString(16)}`,
    ignore: buffer === null,
    fn() {
      const memory = new GuestMemory(
        new RegionTable([{
          guest: guestAddress(base),
          length: BigInt(LENGTH),
          backing: new BufferBacking(buffer as ArrayBuffer),
          offset: 0,
          access: "ro",
          name: "large",
          user: null,
        }]),
      );
      // The ring's areas are up there, too.
      const at = 4 * GIB + 0x200000;
      const config = drawnConfig("split", 16, {
        descriptor: base + BigInt(at),
        driver: base + BigInt(at + 0x1000),
        device: base + BigInt(at + 0x2000),
      });
      TABLES.forEach((table, n) => {
        const address = base + BigInt(table);
        const [low, high] = [Number(address & 0xffffffffn), Number(address >> 32n)];
        write(buffer as ArrayBuffer, at + 16 * n, [low, high, 32, 4]);
        const [first, top] = [Number(base & 0xffffffffn), Number(base >> 32n)];
        // Distinct lengths: which table it was shows in the sum.
        const bytes = new Uint8Array(buffer as ArrayBuffer, table, 32);
        const words = [first, top, 1000 + n, 1 | 1 << 16, first, top, 7, 2];
        bytes.set(new Uint8Array(Uint32Array.from(words).buffer));
        const entry = new DataView(buffer as ArrayBuffer, at + 0x1004 + 2 * n, 2);
        entry.setUint16(0, n, true);
      });
      new DataView(buffer as ArrayBuffer, at + 0x1002, 2).setUint16(0, TABLES.length, true);
      const snapshot = openRing(memory, config).snapshot();
      assertEquals(snapshot.findings, []);
      TABLES.forEach((table, n) => {
        const { readable, writable, indirect } = snapshot.chain(n);
        assertEquals([readable, writable, indirect], [1000 + n, 7, true], `table at ${table}`);
      });
    },
  });
}
