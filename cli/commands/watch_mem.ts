/**
 * `guestmem watch mem`
 *
 * @module
 */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { GuestMemoryError } from "../../lib/errors.ts";
import { checkNamed } from "../../lib/guest/select.ts";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { followMemory, MEMORY_LIMIT } from "../../lib/watch/memory.ts";
import { type Context, UsageError } from "../context.ts";
import { deadline } from "../deadline.ts";
import { collect, HELP, openOptions } from "../options.ts";
import { parseAddress, parseCount, parseDuration, parseInterval, parseLength } from "../parse.ts";
import { memoryChangeJson, memoryChangeText } from "../render/memory_change.ts";
import { rangeText, sizeText } from "../render/size.ts";

const MANUAL = `
Reads the range at each interval and shows the lines in which something changed, old and new. What
changed and changed back between two readings is not seen. Reading is by copies and changes nothing.

  $ guestmem watch mem qemu:4242 0x46c 4 --count 1
  guestmem: watching [0x46c, 0x470), 4 bytes of qemu:4242
  2026-11-28T08:00:01.000Z  1 byte changed in 1 line
  - 00000460                                       5b 10 00 00  |            [...|
  + 00000460                                       6d 10 00 00  |            m...|
                                                   ^^

On a terminal changed bytes are coloured instead of marked. -- is a hole, ?? what can not be read:
memory that comes or goes is a change, too. --json prints a line per reading with changes
(guestmem/memory-change/1). --count 1 waits for the first change. ADDRESS and LENGTH are as those of
\`guestmem dump mem\`, LENGTH at most ${sizeText(MEMORY_LIMIT)}.`;

/** `watch mem` */
export function watchMemCommand(context: Context): CommandUnknownOpts {
  return new Command("mem")
    .summary("what changes in a range of guest memory")
    .description("Show what changes in LENGTH bytes of guest memory from ADDRESS on, as a diff.")
    .argument("<target>", HELP.target)
    .argument("<address>", "guest physical address", parseAddress)
    .argument("<length>", "bytes", parseLength)
    .addOption(
      new Option(
        "--interval <duration>",
        "time between two readings, from 1ms on; in ms or with a unit",
      ).argParser(parseInterval).default(1000, "1s"),
    )
    .option("--count <count>", "stop after COUNT readings with changes", parseCount)
    .option("--for <duration>", "stop after this time", parseDuration)
    .option("--layout <file>", HELP.layout)
    .option("--add <segment>", HELP.add, collect)
    .option("--replace", HELP.replace)
    .option("--json", "print a line of JSON per reading with changes")
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, address, length, options) => {
      if (length > BigInt(MEMORY_LIMIT)) {
        const most = sizeText(MEMORY_LIMIT);
        throw new UsageError(`a length of ${length}: at most ${most} can be watched at once`);
      }
      await using attachment = await openTarget(target, openOptions(context, options));
      checkNamed(attachment.devices, attachment.target);
      checkMemory(attachment.memory, address, length);
      const where = rangeText(address, length);
      context.warn(`guestmem: watching ${where}, ${length} bytes of ${target}`);
      using end = deadline(context.signal, options.for);
      const range = { address, length: Number(length) };
      const how = { interval: options.interval, signal: end.signal };
      let left = options.count ?? Infinity;
      for await (const report of followMemory(attachment, { ...range, ...how })) {
        const { json } = options;
        await context.print(json ? memoryChangeJson(target, report) : memoryChangeText(report));
        if (--left <= 0) break;
      }
    });
}

/** A range without any memory is a wrong address. */
function checkMemory(memory: GuestMemory, address: bigint, length: bigint): void {
  for (const slice of memory.slices(address, length)) if (slice.region !== null) return;
  throw new GuestMemoryError("read", memory.name, address, length, "hole");
}
