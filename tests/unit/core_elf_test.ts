/** ELF cores: well-formed, cut short, and lying. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { isElf, parseElfCore } from "../../lib/core/elf_core.ts";
import { MAX_NOTES } from "../../lib/core/elf_segments.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { elfCore, page, readerOf } from "../support/core_files.ts";

/** Address, offset and length of every segment. */
function shape(file: Uint8Array): string[] {
  return parseElfCore(readerOf(file)).segments.map(({ address, offset, fileLength }) =>
    `${address.toString(16)} at ${offset} +${fileLength}`
  );
}

/** Memory that is promised and not there. */
function missing(file: Uint8Array): string[] {
  return parseElfCore(readerOf(file)).missing.map(({ address, length }) =>
    `${address.toString(16)} +${length.toString(16)}`
  );
}

function notes(file: Uint8Array): readonly string[] {
  return parseElfCore(readerOf(file)).notes;
}

function refusal(file: Uint8Array): string {
  return assertThrows(() => parseElfCore(readerOf(file)), ProtocolError).message;
}

const LOW = { address: 0n, bytes: page(1) };
const HIGH = { address: 0x1_0000_0000n, bytes: page(2) };

for (const bits of [64, 32] as const) {
  const high = bits === 64 ? HIGH : { address: 0xfffc_0000n, bytes: page(2) };
  Deno.test(`ELF${bits}: segments by address, notes and empty ones left out`, () => {
    const note = { address: 0n, bytes: page(9).subarray(0, 100), type: 4 };
    const empty = { address: 0x5000n, bytes: new Uint8Array(0) };
    const file = elfCore([note, high, empty, LOW], { bits });
    const core = parseElfCore(readerOf(file));
    assertEquals([core.bits, core.machine, core.process], [bits, bits === 64 ? 62 : 3, false]);
    const start = file.length - 2 * 4096;
    assertEquals(shape(file), [
      `0 at ${start + 4096} +4096`,
      `${high.address.toString(16)} at ${start} +4096`,
    ]);
    assertEquals(core.notes, []);
  });

  Deno.test(`ELF${bits}: more segments than e_phnum holds`, () => {
    const many = Array.from({ length: 70_000 }, (_, n) => ({
      address: BigInt(n) * 16n,
      bytes: new Uint8Array([n & 0xff]),
    }));
    const { segments } = parseElfCore(readerOf(elfCore(many, { bits, xnum: true })));
    assertEquals(segments.length, 70_000);
    assertEquals(segments[69_999].address, 69_999n * 16n);
  });
}

Deno.test("an ELF that is no core, no little-endian one, or no ELF at all", () => {
  assertEquals(isElf(readerOf(new TextEncoder().encode("KDUMP   "))), false);
  assertEquals(isElf(readerOf(new Uint8Array([0x7f, 0x45]))), false);
  assertEquals(refusal(elfCore([LOW], { type: 2 })), "elf e_type: wanted 4 (ET_CORE), got 2");
  assertEquals(
    refusal(elfCore([LOW], { data: 2 })),
    "elf byte order: wanted 1 (little-endian), got 2",
  );
  assertEquals(refusal(elfCore([LOW], { entry: 8 })), "elf e_phentsize: wanted at least 56, got 8");
});

Deno.test("a header that promises more segments than the file holds makes no room for them", () => {
  const file = elfCore([LOW], { count: 1000, entry: 65_535 });
  const reader = readerOf(file);
  const text = assertThrows(() => parseElfCore(reader), ProtocolError).message;
  assertEquals(text.includes("program headers at byte 64: wanted 65535000 bytes"), true, text);
  assert(Math.max(...reader.reads) <= file.length, `${reader.reads}`);
  // A sparse file holds as much as it likes.
  const wide = elfCore([LOW], { count: 65_534, entry: 65_535 });
  const sparse = { ...readerOf(wide), size: 2 ** 40 };
  const limit = assertThrows(() => parseElfCore(sparse), ProtocolError).message;
  assertEquals(
    limit,
    "elf program headers: wanted at most 67108864 bytes, got 65534 of 65535 bytes",
  );
  const xnum = elfCore([LOW], { xnum: true });
  new DataView(xnum.buffer).setUint32(64 + 56 + 44, 0xffff_ffff, true);
  assertEquals(
    refusal(xnum),
    "elf e_phnum: wanted at most 1048576 segments, got 4294967295",
  );
});

Deno.test("cut at every byte: refused clearly, or what is left can be read", () => {
  const file = elfCore([LOW, HIGH]);
  const headers = 64 + 2 * 56;
  for (let length = 0; length <= file.length; length += length < headers ? 1 : 512) {
    const part = file.subarray(0, length);
    if (length < headers) {
      assertThrows(() => parseElfCore(readerOf(part)), ProtocolError);
      continue;
    }
    const { segments, missing } = parseElfCore(readerOf(part));
    // What is promised is in the file or missing: nothing is lost without a word.
    const there = segments.reduce((sum, { fileLength }) => sum + fileLength, 0);
    const lost = missing.reduce((sum, one) => sum + Number(one.length), 0);
    assertEquals([there, there + lost], [length - headers, 2 * 4096], `cut at ${length}`);
    assertEquals(notes(part).length > 0, length < file.length);
  }
});

Deno.test("segments that lie keep what the file has of them, and the others stay", () => {
  //  guest   0x2000    0x3000   …                       0x100000000
  //  file    [ lie     )                                [ HIGH )
  //  claims  [ lie ------------------------------------------------ … 2^60 )
  const lies = [
    { lie: { offset: 1n << 62n }, kept: [], lost: ["2000 +1000"] },
    { lie: { offset: 1n << 20n }, kept: [], lost: ["2000 +1000"] },
    { lie: { length: 1n << 60n }, kept: ["2000 +4096"], lost: [] },
    { lie: { length: 0xffff_ffff_ffff_ffffn }, kept: ["2000 +4096"], lost: [] },
    { lie: { length: 0x3000n }, kept: ["2000 +4096"], lost: ["3000 +2000"] },
    {
      lie: { length: 0x1_0000_0000n },
      kept: ["2000 +4096"],
      lost: ["3000 +ffffd000", "100001000 +1000"],
    },
  ];
  for (const { lie, kept, lost } of lies) {
    const file = elfCore([LOW, { address: 0x2000n, bytes: page(3), ...lie }, HIGH]);
    const found = shape(file).map((line) => line.replace(/ at [0-9]+/, ""));
    assertEquals(found, ["0 +4096", ...kept, "100000000 +4096"]);
    assertEquals([missing(file), notes(file).length], [lost, 1], notes(file).join());
  }
});

Deno.test("a segment that wraps past 2^64 keeps what is before, and one that no guest has nothing", () => {
  const top = { address: 0xffff_ffff_ffff_f000n, bytes: page(3), length: 0x2000n };
  assertEquals(shape(elfCore([LOW, top])).length, 2);
  const far = { address: 1n << 52n, bytes: page(3), offset: 1n << 20n };
  const file = elfCore([LOW, far]);
  assertEquals([shape(file).length, missing(file)], [1, []]);
  assertEquals(notes(file).length, 1);
});

Deno.test("of segments that overlap the one that starts later keeps what is its own", () => {
  //  0x1000      0x2000      0x3000      0x4000
  //  [ first                 )
  //              [ second                )
  //              [in )
  const two = new Uint8Array(0x2000);
  const first = { address: 0x1000n, bytes: two };
  const second = { address: 0x2000n, bytes: two };
  const inside = { address: 0x2000n, bytes: page(4) };
  const file = elfCore([second, inside, first]);
  const start = 64 + 3 * 56;
  assertEquals(shape(file), [
    `1000 at ${start + 0x3000} +8192`,
    `3000 at ${start + 0x1000} +4096`,
  ]);
  assertEquals(notes(file).length, 2);
});

Deno.test("a segment that another hides to its last byte is none", () => {
  const twice = elfCore([{ ...HIGH, bytes: page(1) }, HIGH, LOW]);
  assertEquals(shape(twice).length, 2);
  assertEquals(shape(twice).every((one) => one.endsWith("+4096")), true, `${shape(twice)}`);
});

Deno.test("notes have an end, whatever the file", () => {
  const many = Array.from({ length: 1000 }, () => ({ ...LOW, offset: 1n << 40n }));
  const told = notes(elfCore(many));
  assertEquals([told.length, told.at(-1)], [MAX_NOTES + 1, "and 984 more like these"]);
});

Deno.test("the core of a process is told from that of a guest", () => {
  const process = parseElfCore(readerOf(elfCore([LOW, { ...LOW, bytes: page(2) }])));
  assertEquals([process.process, process.segments], [true, []]);
  assertEquals(parseElfCore(readerOf(elfCore([LOW]))).process, false);
});
