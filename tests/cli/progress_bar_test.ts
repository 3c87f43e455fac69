/** The bar of long work on a terminal, and what is printed beside it. */
import { assertMatch, assertStringIncludes } from "@std/assert";
import { commandLine, temporaryFolder } from "../support/cli.ts";
import { openTerminal } from "../support/terminal.ts";

const MIB = 1 << 20;
const SIZE = 384;
/** Where the pattern stands, in MiB. */
const PLACES = [1, 130, 380];

const LINE_CLEARED = "\x1b[1G\x1b[2K";

/** Memory that takes a moment to search. */
async function memory(folder: string): Promise<string[]> {
  const raw = `${folder}/ram`;
  using file = await Deno.open(raw, { write: true, create: true });
  const noise = crypto.getRandomValues(new Uint8Array(65536));
  const block = Uint8Array.from({ length: MIB }, (_, n) => noise[n % noise.length]);
  for (let n = 0; n < SIZE; n++) await file.write(block);
  for (const place of PLACES) {
    await file.seek(place * MIB, Deno.SeekMode.Start);
    await file.write(new TextEncoder().encode("guestmem needle"));
  }
  const entry = { file: raw, gpa: "0x0", size: SIZE * MIB, offset: 0 };
  await Deno.writeTextFile(
    `${raw}.json`,
    JSON.stringify({ format: "ring-image/1", memory: [entry] }),
  );
  return [`file:${raw}`, "--layout", `${raw}.json`];
}

Deno.test("search shows how far it is, and its matches stand on lines of their own", async () => {
  await using folder = await temporaryFolder();
  const words = ["dump", "search", ...await memory(folder.path), "--text", "guestmem needle"];
  await using terminal = openTerminal(commandLine(words), { NO_COLOR: "1" });
  const shown = await terminal.shows(/0x17c00000\r\n/);
  assertMatch(shown, /search [=-]+ \d+% +\S+ of 384M +\S+\/s +\S+ left/);
  for (const place of PLACES) {
    assertStringIncludes(shown, `${LINE_CLEARED}0x${(place * MIB).toString(16)}\r\n`);
  }
});
