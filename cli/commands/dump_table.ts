/**
 * `guestmem dump table`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { checkNamed } from "../../lib/guest/select.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { type Context, widthOf } from "../context.ts";
import { collect, HELP, openOptions } from "../options.ts";
import { memoryJson, memorySummary, memoryTable, memoryText } from "../render/memory_table.ts";
import { renderPlain } from "../render/table.ts";

const MANUAL = `
The table that \`guestmem map\` prints, without reading any of the guest's memory.

  $ guestmem dump table qemu:4242 --plain | cut -f1,2,6
  0x0	0x80000000	m
  0x80000000	0xfffc0000	hole
  0xfffc0000	0x100000000	pc.bios
  0x100000000	0x200000000	m`;

/** `dump table` */
export function dumpTableCommand(context: Context): CommandUnknownOpts {
  return new Command("table")
    .summary("the memory table")
    .description("Show where a guest has memory, and what stands behind it.")
    .argument("<target>", HELP.target)
    .option("--layout <file>", HELP.layout)
    .option("--add <segment>", HELP.add, collect)
    .option("--replace", HELP.replace)
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, options) => {
      await using attachment = await openTarget(target, openOptions(context, options));
      checkNamed(attachment.devices, attachment.target);
      const { memory: { table }, warnings } = attachment;
      if (options.json) {
        const json = { target, time: Date.now(), table, verified: null, warnings };
        return await context.print(memoryJson(json));
      }
      const rows = memoryTable(table, null);
      if (options.plain) return await context.print(renderPlain(rows));
      await context.print(`${memoryText(rows, widthOf(context))}\n${memorySummary(table)}`);
    });
}
