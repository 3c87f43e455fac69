import { assertEquals } from "@std/assert";
import { Hexdump } from "../../cli/render/hexdump.ts";

const decoder = new TextDecoder();

function text(parts: Iterable<Uint8Array>): string {
  return Array.from(parts, (part) => decoder.decode(part)).join("");
}

const bytes = (length: number, seed = 0) => Uint8Array.from({ length }, (_, i) => seed + i);

Deno.test("a line is that of hexdump -C", () => {
  const dump = new Hexdump({ end: 0x20n, squeeze: true });
  const line = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x7e);
  assertEquals(
    text(dump.bytes(0x10n, line)),
    "00000010  7f 45 4c 46 02 01 01 00  00 00 00 00 00 00 20 7e  |.ELF.......... ~|\n",
  );
});

Deno.test("lines start at multiples of 16; the first and the last may be short", () => {
  const dump = new Hexdump({ end: 0x40n, squeeze: true });
  assertEquals(
    text(dump.bytes(0xdn, bytes(22, 0x61))),
    "0000000d  61 62 63                                          |abc|\n" +
      "00000010  64 65 66 67 68 69 6a 6b  6c 6d 6e 6f 70 71 72 73  |defghijklmnopqrs|\n" +
      "00000020  74 75 76                                          |tuv|\n",
  );
});

Deno.test("the end decides how many digits an address has", () => {
  const first = (end: bigint, address: bigint) =>
    text(new Hexdump({ end, squeeze: true }).bytes(address, bytes(16))).split(" ")[0];
  assertEquals(first(1n << 32n, 0xfffffff0n), "fffffff0");
  assertEquals(first((1n << 32n) + 1n, 0xfffffff0n), "0000fffffff0");
  assertEquals(first((1n << 48n) + 1n, 0xffff_ffff_ffe0n), "0000ffffffffffe0");
  assertEquals(first(1n << 64n, 0xfedc_ba98_7654_3210n), "fedcba9876543210");
});

Deno.test("an address carries over 4 GiB within one call", () => {
  const dump = new Hexdump({ end: 1n << 33n, squeeze: true });
  const lines = text(dump.bytes(0xffff_fff0n, bytes(32))).split("\n");
  assertEquals(lines.map((line) => line.split(" ")[0]), ["0000fffffff0", "000100000000", ""]);
});

Deno.test("repeated lines are one star, also across calls, and the end is said", () => {
  const dump = new Hexdump({ end: 0x1000n, squeeze: true });
  const same = new Uint8Array(32).fill(0x41);
  const line = (at: string) => `${at}  ${"41 ".repeat(8)} ${"41 ".repeat(8)} |${"A".repeat(16)}|\n`;
  assertEquals(text(dump.bytes(0n, same)), line("00000000") + "*\n");
  assertEquals(text(dump.bytes(32n, same)), "");
  assertEquals(decoder.decode(dump.close(64n)), "00000040\n");
  assertEquals(decoder.decode(dump.close(64n)), "");
});

Deno.test("after a star the next different line has its address", () => {
  const dump = new Hexdump({ end: 0x1000n, squeeze: true });
  const block = new Uint8Array(64);
  block[48] = 1;
  const lines = text(dump.bytes(0n, block)).split("\n");
  assertEquals(lines.map((line) => line.slice(0, 8)), ["00000000", "*", "00000030", ""]);
});

Deno.test("without squeezing every line is shown", () => {
  const dump = new Hexdump({ end: 0x1000n, squeeze: false });
  assertEquals(text(dump.bytes(0n, new Uint8Array(64))).split("\n").length, 5);
});

Deno.test("a stretch of zeros shows as zeros fed as bytes do", () => {
  for (const squeeze of [true, false]) {
    for (
      const [address, length] of [[0, 16], [8, 100], [0x18, 0x20010], [5, 3], [0, 47], [3, 64]]
    ) {
      const options = { end: 1n << 32n, squeeze };
      const got = text(new Hexdump(options).zeros(BigInt(address), BigInt(length)));
      const wanted = text(new Hexdump(options).bytes(BigInt(address), new Uint8Array(length)));
      assertEquals(got, wanted, `${length} zeros at ${address}`);
    }
  }
});

Deno.test("a stretch of zeros longer than any buffer takes a few lines", () => {
  const dump = new Hexdump({ end: 1n << 50n, squeeze: true });
  const lines = text(dump.zeros(0n, 1n << 49n)).split("\n");
  assertEquals(lines.slice(1), ["*", ""]);
});

Deno.test("lines stay aligned however far an unaligned range goes", () => {
  const dump = new Hexdump({ end: 1n << 32n, squeeze: false });
  const lines = text(dump.bytes(9n, new Uint8Array(200_000))).trimEnd().split("\n");
  const addresses = lines.map((line) => Number.parseInt(line.slice(0, 8), 16));
  assertEquals(addresses.slice(1).filter((address) => address % 16 !== 0), []);
  assertEquals(addresses.length, Math.ceil((200_000 - 7) / 16) + 1);
});

Deno.test("every byte value is shown by its digits and its letter", () => {
  const dump = new Hexdump({ end: 256n, squeeze: true });
  const lines = text(dump.bytes(0n, bytes(256))).trimEnd().split("\n");
  const digits = lines.flatMap((line) => line.slice(10, 59).trim().split(/ +/));
  assertEquals(digits.map((pair) => Number.parseInt(pair, 16)), [...bytes(256)]);
  const letters = lines.map((line) => line.slice(61, 77)).join("");
  const wanted = [...bytes(256)].map((b) => b >= 32 && b < 127 ? String.fromCharCode(b) : ".");
  assertEquals(letters, wanted.join(""));
});
