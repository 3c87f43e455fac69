/**
 * `guestmem watch`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { openTarget } from "../../lib/source/attach.ts";
import { follow, type WatchReport } from "../../lib/watch/follow.ts";
import type { Context } from "../context.ts";
import { HELP, openOptions } from "../options.ts";
import { parseCount, parseDuration, parseInterval } from "../parse.ts";
import { watchJson, watchPlain, watchText } from "../render/watch.ts";

const MANUAL = `
A row per queue: the free-running indices (packed: slots), how many buffers are with the device now
and at worst, buffers per second made available and used, the average since the start, how long
the device has used nothing while something is with it, and which notifications are wanted.

Rings are read many times between two lines. Where an index may still have lapped unseen, the rate
is \`?\` and JSON says "gap": true; it is never made up. On a terminal the table is redrawn; elsewhere
each interval is a line per queue, as with --plain. --json is a stream of lines (guestmem/watch/1).

  $ guestmem watch qemu:4242/blk0 --for 2s --json | jq -c '[.target, .usedRate, .inFlight]'
  ["qemu:4242/blk0:0",1893.2,1]
  ["qemu:4242/blk0:0",1901.7,0]`;

/** `watch` */
export function watchCommand(context: Context): CommandUnknownOpts {
  return new Command("watch")
    .summary("show ring indices and rates live")
    .description("Show the rings of a guest, a device or a queue as they move.")
    .argument("<target>", HELP.target)
    .option(
      "--interval <duration>",
      "time between two lines, in ms or with a unit",
      parseInterval,
      1000,
    )
    .option("--count <count>", "stop after COUNT lines", parseCount)
    .option("--for <duration>", "stop after this time", parseDuration)
    .option("--layout <file>", HELP.layout)
    .option("--json", "print a line of JSON per queue and interval")
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, options) => {
      const open = openOptions(context, options);
      await using attachment = await openTarget(target, open);
      const log = open.log ?? (() => {});
      const interval = Math.min(options.interval, options.for ?? Infinity);
      const draw = context.terminal && !options.json && !options.plain
        ? screen(context)
        : (report: WatchReport) =>
          context.print(options.json ? watchJson(report) : watchPlain(report));
      const whole = Math.max(1, Math.round((options.for ?? Infinity) / interval));
      let left = Math.min(options.count ?? Infinity, whole);
      for await (const report of follow(attachment, { interval, signal: context.signal, log })) {
        await draw(report);
        if (--left <= 0) break;
      }
    });
}

/** Draws each report over the one before. */
function screen(context: Context): (report: WatchReport) => Promise<void> {
  let lines = 0;
  return async (report) => {
    // A heading, a note and the line of the cursor do not hold queues.
    const text = watchText(report, Math.max(1, context.size().rows - 3));
    const up = lines === 0 ? "" : `\x1b[${lines}A\x1b[J`;
    // Long lines are cut at the edge: wrapped ones would make us miscount.
    await context.print(`${up}\x1b[?7l${text}\x1b[?7h`);
    lines = text.split("\n").length;
  };
}
