/** `--add` and `--replace` on files, as an operator uses them. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { guestmem } from "../support/cli.ts";

async function withFiles(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${folder}/b.ram`, new Uint8Array(0x10000).fill(0x42));
    await Deno.writeFile(`${folder}/c.ram`, new Uint8Array(0x2000).fill(0x43));
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("--add beyond storage and, with --replace, in place of it", () =>
  withFiles(async (folder) => {
    const added = ["--add", `0x1000=file:${folder}/c.ram:0+4K`, "--add", `1M=file:${folder}/c.ram`];
    const { code, out } = await guestmem([
      "map",
      `file:${folder}/b.ram`,
      ...added,
      "--replace",
      "--json",
    ]);
    assertEquals(code, 0);
    const { regions } = JSON.parse(out);
    const places = regions.map((
      { address, length }: { address: string; length: number },
    ) => [address, Number(length)]);
    assertEquals(places, [["0x0", 0x1000], ["0x1000", 0x1000], ["0x2000", 0xe000], [
      "0x100000",
      0x2000,
    ]]);
  }));

Deno.test("a segment that can not be placed is refused, with what helps", () =>
  withFiles(async (folder) => {
    const target = `file:${folder}/c.ram`;
    const add = async (segment: string) => {
      const { code, err } = await guestmem(["map", `file:${folder}/b.ram`, "--add", segment]);
      assertEquals([code, err.includes("--replace")], [1, false], err);
      return err;
    };
    const empty = await add(`1M=${target}:0+0`);
    assertStringIncludes(empty, `length is not positive\n`);
    assertStringIncludes(empty, `leave OFFSET+LENGTH out for all of ${target}`);
    assertStringIncludes(await add(`0xffffffffffffffff=${target}:0+0x1000`), "put it lower");
    assertStringIncludes(await add(`0xffffffffffffffff=${target}`), "wraps past 2^64");
    const beyond = await add(`1M=${target}:0x1800+0x1000`);
    assertStringIncludes(beyond, "[0x1800, +0x1000) is not all in");
    assertStringIncludes(beyond, "which is [0x0, 0x2000)");
    assertStringIncludes(beyond, `\`guestmem map ${target}\` shows what memory it has`);
  }));

Deno.test("an overlap without --replace is refused, with the remedy", () =>
  withFiles(async (folder) => {
    const { code, err } = await guestmem([
      "map",
      `file:${folder}/b.ram`,
      "--add",
      `0=file:${folder}/c.ram`,
    ]);
    assertEquals(code, 1);
    assertStringIncludes(err, "regions overlap");
    assertStringIncludes(err, "--replace");
  }));
