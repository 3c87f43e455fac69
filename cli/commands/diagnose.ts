/**
 * `guestmem diagnose`
 *
 * @module
 */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { diagnoseGuest, type GuestReport } from "../../lib/diagnose/guest.ts";
import { type Context, printLines, widthOf } from "../context.ts";
import { EXIT } from "../failure.ts";
import { HELP, openOptions } from "../options.ts";
import { parseCount, parseSpan } from "../parse.ts";
import { diagnosisJson, diagnosisPlain, isStuck, renderDiagnosis } from "../render/diagnosis.ts";

const MANUAL = `
Reads all rings a few times and names what each queue is stuck on: whose turn it is, for how long
that was seen, and the evidence. Worst first. Nothing is written and nothing is kicked. A dump
(core:) is looked at once: it does not tell what moved, nor for how long.

  idle                  nothing is with the device, or what waits there by
                        nature (receive queues)
  moving                the device gives buffers back
  device not consuming  buffers are with the device, it knows, and nothing
                        comes back
  lost kick             the device sleeps, and the driver is past the index
                        that it asked to be kicked at
  kicks suppressed      the device asked for no kicks and does not come back
  driver not reaping    buffers were used and the driver does not take them
  ring full             as device not consuming, and no entry is left
  corrupt               the guest broke the standard: see the findings
  not ready             the queue or the driver is not set up, the device wants
                        a reset, or the ring can not be read (with the errno)

  $ guestmem diagnose proc:42
  VERDICT    TURN    AVAILABLE  USED  IN FLIGHT    FOR  QUEUE     TARGET
  lost kick  device        412   408          4  1.0 s  request0  proc:42/blk0:0

  lost kick  proc:42/blk0:0
    available stands at 412, used at 408: 4 buffers with the device
    a kick was due: available is past the device's avail_event 408
    the kick fd is empty
    next: guestmem kick proc:42/blk0:0

A process that is stopped can not be asked for its queues: they are looked for in its memory then, as
\`find --carve\` does, and have the names that it gives them.

Queues in a row that were never used are one line (4 to 63), but with --plain and --json.
With --check the exit code is 3 when a queue is stuck.`;

/** `diagnose` */
export function diagnoseCommand(context: Context): CommandUnknownOpts {
  return new Command("diagnose")
    .summary("name what a guest's queues are stuck on")
    .description("Name the stall of each queue, with the evidence.")
    .argument("<target>", HELP.target)
    .addOption(
      new Option("--for <duration>", "how long to look").argParser(parseSpan).default(
        1000,
        "1s",
      ),
    )
    .option("--looks <count>", "how many times to look, at least 2", parseCount, 5)
    .option("--all", "also queues that were never set up")
    .option("--check", "exit code 3 when a queue is stuck")
    .option("--layout <file>", HELP.layout)
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, options) => {
      const { for: duration, looks, all = false } = options;
      const how = { ...openOptions(context, options), duration, looks: Math.max(2, looks) };
      const report = repeated(await diagnoseGuest(target, how), options.layout);
      if (options.json) await context.print(diagnosisJson(report));
      else if (options.plain) {
        await printLines(context, diagnosisPlain(report.queues));
      } else await context.print(renderDiagnosis(report, all, widthOf(context)));
      const stuck = report.halted !== null || report.queues.some(isStuck);
      if (options.check && stuck) context.exit(EXIT.findings);
    });
}

/** What is suggested wants the layout that this wanted. */
function repeated(report: GuestReport, layout: string | undefined): GuestReport {
  if (layout === undefined) return report;
  const file = /^[\w./+-]+$/.test(layout) ? layout : `'${layout.replaceAll("'", "'\\''")}'`;
  const again = (next: string) => next.startsWith("guestmem ") ? `${next} --layout ${file}` : next;
  return {
    ...report,
    queues: report.queues.map((queue) => ({ ...queue, next: again(queue.next) })),
  };
}
