import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { guestAddress } from "../../lib/address.ts";
import { BufferBacking, type CopyResult } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { changesBetween, MemoryImage, STATES } from "../../lib/watch/memory.ts";
import { setColorEnabled } from "../../cli/render/colors.ts";
import { memoryChangeJson, memoryChangeText } from "../../cli/render/memory_change.ts";

setColorEnabled(false);

/** 4 KiB of memory at 0x1000, of which everything from `limit` on fails to be read. */
class Failing extends BufferBacking {
  limit = Infinity;

  override copy(offset: number, target: Uint8Array): CopyResult {
    if (offset >= this.limit) return { length: 0, errno: "EIO" };
    const most = Math.min(target.length, this.limit - offset);
    return most === target.length
      ? super.copy(offset, target)
      : { ...super.copy(offset, target.subarray(0, most)), errno: "EIO" };
  }
}

function memory() {
  const backing = new Failing(new ArrayBuffer(4096));
  const guest = guestAddress(0x1000n);
  const rest = { access: "ro" as const, name: "ram", user: null };
  const region = { guest, length: 4096n, backing, offset: 0, ...rest };
  return {
    backing,
    bytes: new Uint8Array(backing.buffer),
    of: new GuestMemory(new RegionTable([region])),
  };
}

function image(from: GuestMemory, address: bigint, length: number): MemoryImage {
  const made = new MemoryImage(address, length);
  made.read(from);
  return made;
}

Deno.test("a changed byte is a change of one byte, and marked in both lines", () => {
  const { bytes, of } = memory();
  const before = image(of, 0x1000n, 32);
  bytes.set([0x41, 0x1b], 17);
  const after = image(of, 0x1000n, 32);
  const changes = [...changesBetween(before, after)];
  assertEquals(changes, [{ offset: 17, length: 2, before: "bytes", after: "bytes" }]);
  const text = memoryChangeText({ time: 0, elapsed: 1000, before, after, changes });
  assertEquals(
    text,
    [
      "1970-01-01T00:00:00.000Z  2 bytes changed in 1 line",
      "- 00001010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
      "+ 00001010  00 41 1b 00 00 00 00 00  00 00 00 00 00 00 00 00  |.A..............|",
      "               ^^ ^^",
    ].join("\n"),
  );
  const json = JSON.parse(
    memoryChangeJson("file:x", { time: 0, elapsed: 1, before, after, changes }),
  );
  assertEquals(json.changes, [{
    address: "0x1011",
    length: 2,
    before: { state: "bytes", hex: "0000" },
    after: { state: "bytes", hex: "411b" },
  }]);
});

Deno.test("holes and what can not be read are kept apart from bytes", () => {
  const { backing, of } = memory();
  const before = image(of, 0x1ff8n, 16);
  assertEquals([...before.states], [...Array(8).fill(0), ...Array(8).fill(STATES.indexOf("hole"))]);
  backing.limit = 4092;
  const after = image(of, 0x1ff8n, 16);
  const changes = [...changesBetween(before, after)];
  assertEquals(changes, [{ offset: 4, length: 4, before: "bytes", after: "unreadable" }]);
  const text = memoryChangeText({ time: 0, elapsed: 1, before, after, changes });
  assertStringIncludes(text, "+ 00001ff0                           00 00 00 00 ?? ?? ?? ??  |");
  const [change] = JSON.parse(
    memoryChangeJson("x", { time: 0, elapsed: 1, before, after, changes }),
  ).changes;
  assertEquals([change.after, change.before.hex], [{ state: "unreadable", hex: null }, "00000000"]);
});

Deno.test("past the last address there is nothing", () => {
  const { of } = memory();
  const last = image(of, 0xffff_ffff_ffff_fff8n, 16);
  assertEquals(new Set(last.states), new Set([STATES.indexOf("hole")]));
});

Deno.test("applied to the old reading, the changes give the new one, whatever it was", () => {
  const bytes = fc.uint8Array({ minLength: 200, maxLength: 200 });
  const few = fc.array(fc.tuple(fc.nat(199), fc.nat(255)), { maxLength: 20 });
  fc.assert(fc.property(bytes, few, fc.nat(100), fc.integer({ min: 1, max: 100 }), (...given) => {
    const [old, writes, from, length] = given;
    const { bytes, of } = memory();
    bytes.set(old);
    const before = image(of, 0x1000n + BigInt(from), length);
    for (const [at, value] of writes) bytes[at] = value;
    const after = image(of, 0x1000n + BigInt(from), length);
    const patched = before.bytes.slice();
    let last = -1;
    for (const { offset, length } of changesBetween(before, after)) {
      assert(offset > last && length > 0);
      last = offset + length - 1;
      for (let at = offset; at <= last; at++) assert(before.bytes[at] !== after.bytes[at]);
      patched.set(after.bytes.subarray(offset, offset + length), offset);
    }
    assertEquals(patched, after.bytes);
    const changes = [...changesBetween(before, after)];
    if (changes.length === 0) return;
    const text = memoryChangeText({ time: 0, elapsed: 1, before, after, changes });
    // Nothing but printable ASCII reaches the terminal.
    assert(/^[ -~\n]*$/.test(text));
  }));
});
