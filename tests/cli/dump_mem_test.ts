/**
 * `dump mem`, `dump search`, `dump table` and `map` on files: what is bytes, what is a hole, what can
 * not be read, and what is left behind.
 *
 * ```text
 * guest  0x0       0x4000         0x8000      0xc000
 *        [ low     )    no memory [ high      )
 * file   [ data ...................hole......data)     64 KiB, the first and the last page written
 * ```
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  commandLine,
  guestmem,
  guestmemBytes,
  ROOT,
  startGuestmem,
  temporaryFolder,
} from "../support/cli.ts";

const PAGE = 4096;
const HIGH = 0x8000;
const SIZE = 0x4000;

interface Ram extends AsyncDisposable {
  readonly folder: string;
  readonly target: string;
  readonly raw: string;
  readonly layout: readonly string[];
}

/** Two regions of 16 KiB in one sparse file. The first page of `low` and the last of `high` are written. */
async function ram(): Promise<Ram> {
  const folder = await temporaryFolder();
  const raw = `${folder.path}/ram.raw`;
  using file = await Deno.open(raw, { write: true, create: true });
  await file.truncate(2 * SIZE);
  await file.write(Uint8Array.from({ length: PAGE }, (_, i) => i % 251));
  await file.seek(2 * SIZE - PAGE, Deno.SeekMode.Start);
  await file.write(new TextEncoder().encode("the quick brown fox\0".repeat(200).slice(0, PAGE)));
  const memory = [{ gpa: 0, offset: 0 }, { gpa: HIGH, offset: SIZE }];
  const layout = {
    format: "ring-image/1",
    memory: memory.map((entry) => ({ file: "ram.raw", size: SIZE, ...entry })),
    devices: [],
  };
  await Deno.writeTextFile(`${folder.path}/layout.json`, JSON.stringify(layout));
  return {
    folder: folder.path,
    target: `file:${raw}`,
    raw,
    layout: ["--layout", `${folder.path}/layout.json`],
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function dump(ram: Ram, address: number | string, length: number | string, ...more: string[]) {
  return guestmem([
    "dump",
    "mem",
    ram.target,
    String(address),
    String(length),
    ...ram.layout,
    ...more,
  ]);
}

Deno.test("hex: bytes, what was never written, and no memory are told apart", async () => {
  await using file = await ram();
  const { code, out } = await dump(file, "0xff0", "0x7020");
  assertEquals(code, 0);
  assertEquals(out.split("\n"), [
    "00000ff0  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|",
    "00001000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "*",
    "00004000",
    "[0x4000, 0x8000) hole: 16K without memory",
    "00008000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "",
  ]);
});

Deno.test("words are little-endian, strings have addresses", async () => {
  await using file = await ram();
  const words = await dump(file, 0, 32, "--format", "words", "--width", "4");
  assertEquals(
    words.out,
    "0x0  0x03020100 0x07060504 0x0b0a0908 0x0f0e0d0c\n" +
      "0x10  0x13121110 0x17161514 0x1b1a1918 0x1f1e1d1c\n",
  );
  const strings = await dump(file, "0xb000", 40, "--format", "strings", "--min", "10");
  assertEquals(strings.out, "0xb000  the quick brown fox\n0xb014  the quick brown fox\n");
});

Deno.test("plain is a line of kind, address, length and bytes between tabs", async () => {
  await using file = await ram();
  const { out } = await dump(file, 0xfe8, 0x30, "--plain");
  const bytes = (from: number, to: number) =>
    Uint8Array.from({ length: to - from }, (_, i) => (from + i) % 251).toHex();
  assertEquals(out.split("\n"), [
    `bytes\t0xfe8\t8\t${bytes(0xfe8, 0xff0)}`,
    `bytes\t0xff0\t16\t${bytes(0xff0, 0x1000)}`,
    "zeros\t0x1000\t24\t",
    "",
  ]);
  assertEquals((await dump(file, 0x3ff0, 0x20, "--plain")).out.split("\n").slice(1), [
    "hole\t0x4000\t16\t",
    "",
  ]);
});

Deno.test("json has every span with its state", async () => {
  await using file = await ram();
  const { out } = await dump(file, "0xffe", "0x7004", "--json");
  const { time, ...value } = JSON.parse(out);
  assert(!Number.isNaN(Date.parse(time)));
  assertEquals(value, {
    schema: "guestmem/memory/1",
    target: file.target,
    address: "0xffe",
    length: 0x7004,
    spans: [
      { state: "bytes", address: "0xffe", length: 2, hex: "4e4f" },
      { state: "bytes", address: "0x1000", length: 0x3000, sparse: true },
      { state: "hole", address: "0x4000", length: 0x4000 },
      { state: "bytes", address: "0x8000", length: 2, sparse: true },
    ],
  });
});

Deno.test("raw is the bytes alone, on stdout as in a file", async () => {
  await using file = await ram();
  const wanted = (await Deno.readFile(file.raw)).subarray(0, SIZE);
  const words = ["dump", "mem", file.target, "0", String(SIZE), ...file.layout, "--format", "raw"];
  assertEquals(await guestmemBytes(words), wanted);
  const path = `${file.folder}/out.raw`;
  const { code, out, err } = await guestmem([...words, "-o", path]);
  assertEquals([code, out], [0, ""]);
  assertStringIncludes(err, `${path}: 4K copied, 12K never written left sparse`);
  assertEquals(await Deno.readFile(path), wanted);
});

Deno.test("what is sparse stays sparse on both sides", async () => {
  await using file = await ram();
  const before = (await Deno.stat(file.raw)).blocks;
  const path = `${file.folder}/out.raw`;
  await dump(file, HIGH, SIZE, "--format", "raw", "-o", path);
  const written = await Deno.stat(path);
  assertEquals(written.size, SIZE);
  assertEquals((written.blocks as number) * 512, PAGE);
  assertEquals((await Deno.stat(file.raw)).blocks, before);
});

Deno.test("raw refuses a gap, writes nothing, and says where it is", async () => {
  await using file = await ram();
  const path = `${file.folder}/out.raw`;
  const { code, err } = await dump(file, 0, 0xc000, "--format", "raw", "-o", path);
  assertEquals(code, 1);
  assertStringIncludes(err, "read of 16384 bytes at 0x4000");
  assertStringIncludes(err, "hole\nremedy: with -o FILE, --skip-gaps leaves a hole");
  assertEquals(await names(file.folder), ["layout.json", "ram.raw"]);
});

Deno.test("--skip-gaps leaves holes in the file and lists them", async () => {
  await using file = await ram();
  const path = `${file.folder}/out.raw`;
  const { code, err } = await dump(file, 0, 0xc000, "--format", "raw", "-o", path, "--skip-gaps");
  assertEquals(code, 0);
  assertStringIncludes(err, "left as a hole: [0x4000, 0x8000) hole: 16K without memory");
  const [raw, out] = [await Deno.readFile(file.raw), await Deno.readFile(path)];
  assertEquals(out.length, 0xc000);
  assertEquals(out.subarray(0, SIZE), raw.subarray(0, SIZE));
  assertEquals(out.subarray(HIGH), raw.subarray(SIZE));
});

Deno.test("a file that was there is replaced whole, or not at all", async () => {
  await using file = await ram();
  const path = `${file.folder}/out.txt`;
  await Deno.writeTextFile(path, "old");
  await dump(file, 0, 0xc000, "--format", "raw", "-o", path);
  assertEquals(await Deno.readTextFile(path), "old");
  assertEquals((await dump(file, 0, 16, "-o", path)).code, 0);
  const text = await Deno.readTextFile(path);
  assert(text.startsWith("00000000  00 01 02 03"), text);
  assertEquals(((await Deno.stat(path)).mode as number) & 0o777, 0o600);
});

Deno.test("an output that is no file is not replaced", async () => {
  await using file = await ram();
  const none = await dump(file, 0, 16, "-o", "/nowhere/x");
  assertEquals(none.code, 1);
  assertStringIncludes(
    none.err,
    "ENOENT (no such file or directory)\nremedy: make its folder first",
  );
  const { code, err } = await dump(file, 0, 16, "-o", file.folder);
  assertEquals(code, 1);
  assertStringIncludes(err, "not a regular file");
  assert((await Deno.stat(file.folder)).isDirectory);
});

Deno.test("a range without any memory is an error, and says outside or hole", async () => {
  await using file = await ram();
  for (const [address, kind] of [["0x5000", "hole"], ["4G", "outside"]]) {
    const { code, out, err } = await dump(file, address, 16);
    assertEquals([code, out], [1, ""], err);
    assertStringIncludes(err, `: ${kind}\n`);
    const words = ["dump", "search", file.target, ...file.layout, "--text", "a"];
    const found = await guestmem([...words, "--range", `${address}+16`]);
    assertEquals([found.code, found.out], [1, ""], found.err);
    assertStringIncludes(found.err, `: ${kind}\n`);
  }
});

Deno.test("a range past the end of all addresses shows what there is", async () => {
  await using file = await ram();
  const { code, out } = await dump(file, "0xbff0", "0xffffffffffffffff");
  assertEquals(code, 0);
  assertStringIncludes(out, "00bff0  ");
  assertStringIncludes(out, "without memory");
});

Deno.test("search finds bytes and text in all memory, in a range, and no more than asked", async () => {
  await using file = await ram();
  const search = (...more: string[]) =>
    guestmem(["dump", "search", file.target, ...file.layout, ...more]);
  const all = await search("--text", "brown", "--limit", "3");
  assertEquals(all.out, "0xb00a\n0xb01e\n0xb032\n");
  assertStringIncludes(all.err, "stopped after 3 matches");
  const bytes = await search("--bytes", "fa 00 01", "--json");
  const { schema, matches, complete } = JSON.parse(bytes.out);
  const every = Array.from({ length: 16 }, (_, i) => `0x${(250 + 251 * i).toString(16)}`);
  assertEquals([schema, complete, matches], ["guestmem/search/1", true, every]);
  assertEquals((await search("--text", "brown", "--range", "0-0xb00e")).out, "");
  assertEquals((await search("--text", "brown", "--range", "0-0xb00f")).out, "0xb00a\n");
  assertEquals((await search("--text", "nowhere")).code, 0);
});

Deno.test("the table lists regions and the hole between them; map verifies them", async () => {
  await using file = await ram();
  const plain = await guestmem(["dump", "table", file.target, ...file.layout, "--plain"]);
  assertEquals(plain.out.split("\n").map((line) => line.split("\t").slice(0, 6)), [
    ["0x0", "0x4000", "16K", "ro", "4K", "ram.raw"],
    ["0x4000", "0x8000", "16K", "", "", "hole"],
    ["0x8000", "0xc000", "16K", "ro", "4K", "ram.raw"],
    [""],
  ]);
  const { out } = await guestmem(["map", file.target, ...file.layout, "--json", "--write"]);
  const { schema, size, regions, holes } = JSON.parse(out);
  assertEquals([schema, size], ["guestmem/table/1", 2 * SIZE]);
  assertEquals(holes, [{ address: "0x4000", length: 0x4000 }]);
  const seen = regions.map((one: Record<string, unknown>) => [one.address, one.access, one.read]);
  assertEquals(seen, [["0x0", "rw", "ok"], ["0x8000", "rw", "ok"]]);
  assertEquals(
    (await guestmem(["map", file.target, ...file.layout])).out.split("\n").at(-2),
    "32K in 2 regions, all readable; unmapped",
  );
});

Deno.test("Ctrl-C ends a held mapping with 130", async () => {
  await using file = await ram();
  const running = startGuestmem(["map", file.target, ...file.layout, "--hold"]);
  await running.line(/held until Ctrl-C/);
  const maps = await Deno.readTextFile(`/proc/${running.process.pid}/maps`);
  assertStringIncludes(maps, `r--s 00000000`);
  assertStringIncludes(maps, file.raw);
  assertEquals((await running.end("SIGINT")).code, 130);
});

Deno.test("--verbose tells how the bytes are read, and why so", async () => {
  await using file = await ram();
  const { err } = await guestmem([
    "dump",
    "mem",
    file.target,
    ...file.layout,
    "0",
    "16",
    "--verbose",
  ]);
  assertMatch(err, /mapped read-only, read by pread of fd \d+: the file may shrink/);
  const quiet = await guestmem(["dump", "mem", file.target, ...file.layout, "0", "16"]);
  assertEquals(quiet.err, "");
});

Deno.test("Ctrl-C in the middle of a dump leaves nothing half-written", async () => {
  await using folder = await temporaryFolder();
  const raw = `${folder.path}/ram.raw`;
  // Large enough that a dump of it is under way when the signal comes; sparse except for 256 MiB.
  using file = await Deno.open(raw, { write: true, create: true });
  await file.truncate(2 ** 40);
  const piece = new Uint8Array(1 << 20).fill(7);
  for (let i = 0; i < 256; i++) await file.write(piece);
  const out = `${folder.path}/out`;
  const words = ["dump", "mem", `file:${raw}`, "0", "1T", "-o", out];
  for (const format of [["--no-squeeze"], ["--format", "raw"]]) {
    for (const old of [null, "what was there before"]) {
      if (old !== null) await Deno.writeTextFile(out, old);
      const running = startGuestmem([...words, ...format]);
      while (!(await names(folder.path)).some((name) => name.startsWith("out."))) await pause(5);
      const { code, err } = await running.end("SIGINT");
      assertEquals([code, err], [130, ""]);
      assertEquals(await names(folder.path), old === null ? ["ram.raw"] : ["out", "ram.raw"]);
      if (old !== null) assertEquals(await Deno.readTextFile(out), old);
      if (old !== null) await Deno.remove(out);
    }
  }
});

Deno.test("a reader that goes away ends it quietly", async () => {
  await using file = await ram();
  const words = commandLine(["dump", "mem", file.target, "0", "16T", "--no-squeeze"]);
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", 'set -o pipefail; "$@" | head -n 1', "bash", ...words],
    cwd: ROOT,
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([code, err], [0, ""]);
  assertStringIncludes(out, "00000000  00 01 02 03");
});

async function names(folder: string): Promise<string[]> {
  const list: string[] = [];
  for await (const { name } of Deno.readDir(folder)) list.push(name);
  return list.sort();
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
