/**
 * A guest of 64 MiB with a zone of 2 GiB mapped beyond its storage, and part of it in place of some:
 * the bytes, the rights of each segment, and that what is sparse stays so.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { GuestMemoryError } from "../../lib/errors.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { guestmem } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import { liveTest } from "../support/linux_guest.ts";
import { type BootSectorGuest, qemuMissing, startBootSector } from "../support/qemu.ts";

const ZONE = 2n << 30n;
const BEYOND = 4n << 30n;
/** Where the zone has something: in its middle, and right before its end. */
const MIDDLE = 1n << 30n;
const TEXT = "text in the zone";

interface Zone {
  readonly guest: BootSectorGuest;
  /** Name in /dev/shm. */
  readonly name: string;
  blocks(): number;
}

async function withZone(run: (zone: Zone) => Promise<void>): Promise<void> {
  const name = `guestmem-zone-${crypto.randomUUID().slice(0, 8)}`;
  const path = `/dev/shm/${name}`;
  using file = await Deno.open(path, { write: true, read: true, create: true });
  using _gone = { [Symbol.dispose]: () => Deno.removeSync(path) };
  await file.truncate(Number(ZONE));
  for (const at of [0n, MIDDLE, ZONE - BigInt(TEXT.length)]) {
    await file.seek(at, Deno.SeekMode.Start);
    await file.write(new TextEncoder().encode(TEXT));
  }
  await using guest = await startBootSector({ size: "64M" });
  await run({ guest, name, blocks: () => Deno.statSync(path).blocks ?? -1 });
}

async function json(...args: string[]) {
  const { code, out, err } = await guestmem([...args, "--json"]);
  assertEquals(code, 0, err);
  return JSON.parse(out);
}

liveTest(
  "a 64 MiB guest with 2 GiB beyond its storage: table, bytes, search; sparse stays sparse",
  qemuMissing(),
  async () => {
    await withZone(async ({ guest, name, blocks }) => {
      const target = `qemu:${guest.pid}`;
      const add = ["--add", `4G=shm:${name}`];
      const before = blocks();
      const { regions } = await json("map", target, ...add);
      const last = regions.at(-1);
      assertEquals([last.address, Number(last.length), last.access], [
        `0x${BEYOND.toString(16)}`,
        Number(ZONE),
        "ro",
      ]);
      assertEquals(Number(regions[0].length), 64 << 20);

      const at = `0x${(BEYOND + MIDDLE).toString(16)}`;
      const dump = await guestmem(["dump", "mem", target, at, "16", ...add, "--format", "strings"]);
      assert(dump.out.includes(TEXT), dump.out + dump.err);
      const { matches } = await json("dump", "search", target, "--text", TEXT, ...add);
      const end = BEYOND + ZONE - BigInt(TEXT.length);
      assertEquals(matches.map(BigInt), [BEYOND, BEYOND + MIDDLE, end]);
      assertEquals(blocks(), before);
    });
  },
);

liveTest(
  "in place of storage only with --replace; each segment has its own rights",
  qemuMissing(),
  async () => {
    await withZone(async ({ guest, name }) => {
      const target = `qemu:${guest.pid}`;
      const part = `32M=shm:${name}:0x40000000+1M`;
      const refused = await guestmem(["map", target, "--add", part]);
      assertEquals(refused.code, 1);
      assert(refused.err.includes("--replace"), refused.err);
      const inPlace = ["dump", "mem", target, "32M", "16", "--add", part, "--replace"];
      assert((await guestmem(inPlace)).out.includes(TEXT));

      await using both = await openTarget(target, {
        sys,
        add: [`4G=shm:${name}:rw`, `8G=shm:${name}:0x40000000+4K`],
      });
      const writable = both.writable as NonNullable<typeof both.writable>;
      writable.write(BEYOND + MIDDLE, new TextEncoder().encode("TEXT"));
      // The same bytes, by both segments: one may write them, the other may not.
      const seen = both.memory.bytes(2n * BEYOND, 16);
      assertEquals(new TextDecoder().decode(seen), "TEXT in the zone");
      for (const address of [2n * BEYOND, 0x8000n]) {
        const error = assertThrows(() => writable.write(address, seen), GuestMemoryError);
        assertEquals(error.kind, "read-only");
      }
      // Between the guest's storage and the zone there is nothing, and nothing is made up.
      assertThrows(() => both.memory.bytes(64n << 20n, 16), GuestMemoryError, "hole");
    });
  },
);
