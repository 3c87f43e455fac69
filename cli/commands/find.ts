/**
 * `guestmem find`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { findGuests } from "../../lib/source/attach.ts";
import type { Context } from "../context.ts";
import { HELP, openOptions } from "../options.ts";
import { findJson, findPlain, findText } from "../render/find.ts";

const MANUAL = `
Lists every guest that can be found without configuration: QEMU processes, demo guests, and
whatever else has a source. Guest memory is not read for this. A row per guest, then one per queue;
the word at the end of a row is the target that every other command takes.

  $ guestmem find
  KIND  NAME  STATE    MEMORY  DEVICE      QUEUE        RING       NOTE  TARGET
  qemu  vm1   running  256M                                              qemu:4242
                               virtio-blk  0 (request0) split 256        qemu:4242/blk0:0

With --plain the columns are the same, each filled in every row, with tabs between:

  $ guestmem find --plain | awk -F'\\t' '$5 == "virtio-blk" { print $NF }'
  qemu:4242/blk0:0

A guest whose devices can not be listed says why in NOTE (or below); what one source could not look at is
said on stderr. Nothing found is no error.`;

/** `find` */
export function findCommand(context: Context): CommandUnknownOpts {
  return new Command("find")
    .summary("list guests, their devices and queues on this host")
    .description("List the guests of this host, their devices and queues.")
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (options) => {
      const found = await findGuests(openOptions(context, options));
      for (const { scheme, text } of found.problems) {
        if (!options.json) context.warn(`guestmem: ${scheme}: ${text}`);
      }
      if (options.json) return await context.print(findJson(found, Date.now()));
      const { guests } = found;
      if (guests.length === 0) {
        return context.warn("guestmem: no guests found; `guestmem demo` starts one");
      }
      await context.print(options.plain ? findPlain(guests) : findText(guests));
    });
}
