/** A search that finds bytes where they are gives what a search through copies gives. */
import { assertEquals } from "@std/assert";
import { guestAddress } from "../../lib/address.ts";
import { search } from "../../lib/dump/search.ts";
import { type Backing, BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";

const MIB = 1 << 20;

/** Finds in place, except where a page is broken. */
class InPlace extends BufferBacking {
  asked = 0;

  constructor(override readonly buffer: ArrayBuffer, readonly broken: number | null) {
    super(buffer);
  }

  override copy(offset: number, target: Uint8Array) {
    const { broken } = this;
    if (broken === null || offset + target.length <= broken || offset >= broken + 4096) {
      return super.copy(offset, target);
    }
    const length = Math.max(0, broken - offset);
    if (length > 0) super.copy(offset, target.subarray(0, length));
    return { length, errno: "EIO" };
  }

  find(offset: number, length: number, pattern: Uint8Array): number[] | null {
    this.asked++;
    const { broken } = this;
    if (broken !== null && offset < broken + 4096 && offset + length > broken) return null;
    const text = new TextDecoder("latin1").decode(new Uint8Array(this.buffer, offset, length));
    const wanted = new TextDecoder("latin1").decode(pattern);
    const found: number[] = [];
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
      found.push(offset + at);
    }
    return found;
  }
}

function memory(backing: Backing): GuestMemory {
  const region = { offset: 0, access: "ro", name: "ram", user: null } as const;
  const length = BigInt(backing.length);
  return new GuestMemory(
    new RegionTable([{ ...region, guest: guestAddress(0x1000n), length, backing }]),
  );
}

function matches(backing: Backing, pattern: string): bigint[] {
  const bytes = new TextEncoder().encode(pattern);
  return [...search(memory(backing), 0n, BigInt(backing.length) + 0x2000n, bytes)]
    .flatMap((step) => step.matches);
}

Deno.test("matches at the start, across pieces, at the end, overlapping, and beside a broken page", () => {
  const bytes = new Uint8Array(3 * MIB + 5000);
  const put = (at: number, text = "needle") => bytes.set(new TextEncoder().encode(text), at);
  // Pieces end at multiples of 1 MiB of the guest address, which begins at 0x1000.
  const seam = MIB - 0x1000;
  [0, 100, seam - 3, seam + MIB - 6, seam + MIB, bytes.length - 6].forEach((at) => put(at));
  put(5000, "aaaa");
  for (const broken of [null, 2 * MIB + 4096]) {
    if (broken !== null) put(broken - 6);
    const plain = new InPlace(bytes.buffer, broken);
    Object.defineProperty(plain, "find", { value: undefined });
    const inPlace = new InPlace(bytes.buffer, broken);
    for (const pattern of ["needle", "aa", "n", "e"]) {
      assertEquals(matches(inPlace, pattern), matches(plain, pattern), `${pattern} ${broken}`);
    }
    assertEquals(inPlace.asked > 0, true);
    assertEquals(matches(inPlace, "needle").length, broken === null ? 6 : 7);
  }
});
