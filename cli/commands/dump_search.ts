/**
 * `guestmem dump search`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { hex } from "../../lib/address.ts";
import { checkRange } from "../../lib/dump/raw_file.ts";
import { breathe } from "../../lib/dump/replace_file.ts";
import { search, type SearchStep } from "../../lib/dump/search.ts";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { checkNamed } from "../../lib/guest/select.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { type Context, UsageError } from "../context.ts";
import { collect, HELP, openOptions } from "../options.ts";
import { parseCount, parseHexBytes, parseRange } from "../parse.ts";
import { withProgress } from "../progress.ts";
import { jsonLine, timeText } from "../render/json.ts";
import { gapText } from "../render/memory_format.ts";
import { plural } from "../render/size.ts";

const MANUAL = `
Prints the guest physical address of each match, one a line. Memory that was never written is not
read, so sparse guests are searched fast and stay sparse. Without --range all memory is searched;
stretches that could not be read are named on stderr. No match is no error.

  $ guestmem dump search qemu:4242 --bytes 31c08ed8
  0x7c00
  $ guestmem dump search qemu:4242 --text SeaBIOS --range 0-1M --limit 2
  0xf041f
  0xf09cc
  guestmem: stopped after 2 matches`;

/** Matches printed when nothing is said. */
const LIMIT = 1000;

/** What to look for, and where. */
interface Search {
  readonly memory: GuestMemory;
  readonly pattern: Uint8Array;
  readonly start: bigint;
  readonly end: bigint;
  readonly limit: number;
}

/** `dump search` */
export function dumpSearchCommand(context: Context): CommandUnknownOpts {
  return new Command("search")
    .summary("where bytes or a text stand in guest memory")
    .description("Find bytes or a text in guest memory.")
    .argument("<target>", HELP.target)
    .option("--bytes <hex>", "bytes in hexadecimal, such as 31c08ed8", parseHexBytes)
    .option("--text <text>", "a text, as UTF-8")
    .option("--range <range>", "START-END (end exclusive) or START+LENGTH", parseRange)
    .option("--limit <count>", "stop after COUNT matches", parseCount, LIMIT)
    .option("--layout <file>", HELP.layout)
    .option("--add <segment>", HELP.add, collect)
    .option("--replace", HELP.replace)
    .option("--json", HELP.json)
    .option("--plain", "print lines without colour, as it does anyway")
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, options) => {
      const pattern = patternOf(options);
      await using attachment = await openTarget(target, openOptions(context, options));
      checkNamed(attachment.devices, attachment.target);
      const { memory } = attachment;
      const { start, end } = options.range ?? whole(memory);
      if (options.range !== undefined) checkRange(memory, start, end - start);
      const matches: string[] = [];
      const wanted = { memory, pattern, start, end, limit: options.limit };
      const count = await run(context, wanted, async (address) => {
        if (options.json) matches.push(hex(address));
        else await context.print(hex(address));
      });
      const complete = count < options.limit;
      if (!complete) context.warn(`guestmem: stopped after ${plural(count, "match", "matches")}`);
      if (!options.json) return;
      const place = { start: hex(start), end: hex(end), pattern: pattern.toHex() };
      const time = timeText(Date.now());
      await context.print(
        jsonLine("guestmem/search/1", { target, time, ...place, complete, matches }),
      );
    });
}

function patternOf(options: { bytes?: Uint8Array; text?: string }): Uint8Array {
  const { bytes, text } = options;
  if ((bytes === undefined) === (text === undefined)) {
    throw new UsageError("want --bytes or --text, and one of them", "--bytes 55aa, --text Linux");
  }
  return bytes ?? new TextEncoder().encode(text);
}

/** From the first region to the end of the last. */
function whole({ table: { regions } }: GuestMemory): { start: bigint; end: bigint } {
  const last = regions.at(-1);
  return last === undefined
    ? { start: 0n, end: 0n }
    : { start: regions[0].guest, end: last.guest + last.length };
}

/** Prints matches as they are found. Gives how many. */
function run(
  context: Context,
  wanted: Search,
  found: (address: bigint) => Promise<void>,
): Promise<number> {
  const { start, end } = wanted;
  return withProgress(context, "search", end - start, async (progress, aside) => {
    let count = 0;
    for (const step of steps(wanted)) {
      const matches = step.matches.slice(0, wanted.limit - count);
      count += matches.length;
      if (matches.length > 0) await aside(() => each(matches, found));
      if (count >= wanted.limit) return count;
      // Between regions nothing is expected; memory that can not be read is worth a word.
      const { gap } = step;
      if (gap?.kind === "unreadable") {
        await aside(() => context.warn(`guestmem: not searched: ${gapText(gap)}`));
      }
      progress(step.reached - start);
      await breathe(context.signal);
    }
    return count;
  });
}

async function each<T>(all: readonly T[], run: (one: T) => Promise<void>): Promise<void> {
  for (const one of all) await run(one);
}

function* steps({ memory, start, end, pattern }: Search): Generator<SearchStep> {
  try {
    yield* search(memory, start, end - start, pattern);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}
