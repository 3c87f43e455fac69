/**
 * `guestmem find`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { findGuests } from "../../lib/source/attach.ts";
import { type Context, UsageError, widthOf } from "../context.ts";
import { HELP, openOptions } from "../options.ts";
import { parseScore } from "../parse.ts";
import { findJson, findPlain, findText } from "../render/find.ts";

const MANUAL = `
Lists every guest that can be found without configuration: QEMU processes, demo guests, and
whatever else has a source. Guest memory is not read for this. A row per guest, then one per queue;
the word at the end of a row is the target that every other command takes.

  $ guestmem find
  KIND  NAME  STATE    MEMORY  QUEUE         RING       TARGET
  qemu  vm1   running  256M                             qemu:4242
                               0 (request0)  split 256  qemu:4242/blk0:0

On a terminal the columns that do not fit are left out, TARGET never. With --plain all are there,
each filled in every row, with tabs between:

  $ guestmem find --plain | awk -F'\\t' '$5 == "virtio-blk" { print $NF }'
  qemu:4242/blk0:0

A guest whose devices can not be listed says why in NOTE (or below); what one source could not look at is
said on stderr. Nothing found is no error.

With --carve the memory of one target is scanned for virtqueues, with no monitor, no symbols and no
layout: a dump, a RAM file, a live guest of any VMM. The score says how sure each find is, from 0 to
1: "certain" from 0.88 on, "likely" from 0.6, "possible" below. DEVICE and QUEUE are told by the
requests in the ring. What memory does not prove is marked: a "?" behind a size that is guessed, and
what else is a guess in NOTE. Not to be found are rings that were never used, rings behind an IOMMU, and
those that do not begin at a page.

  $ guestmem find --carve core:vm.dump -o rings.json
  SCORE  SURE     RING       DEVICE  QUEUE         DESCRIPTORS  IN FLIGHT  REQ…
   0.98  certain  split 256  net0    0 (rx0)         0x55b2000        244  rx …
   0.86  likely   split 256  blk0    0 (request0)    0x55b8000          0  IN …
  $ guestmem dump ring core:vm.dump/net0 --layout rings.json`;

/** `find` */
export function findCommand(context: Context): CommandUnknownOpts {
  return new Command("find")
    .summary("list guests, their devices and queues on this host")
    .description("List the guests of this host, their devices and queues.")
    .option("--carve <target>", "look for rings in the memory of TARGET, by their shape alone")
    .option("--min-score <score>", "with --carve: the least score that is shown", parseScore, 0.1)
    .option("-o, --output <file>", "with --carve: write what was found as a layout file")
    .option("--layout <file>", "with --carve: " + HELP.layout)
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (options) => {
      if (options.carve !== undefined) {
        const { findCarved } = await import("./find_carve.ts");
        return await findCarved(context, options.carve, options);
      }
      if (options.output !== undefined || options.layout !== undefined) {
        throw new UsageError("-o and --layout go with --carve", "find --carve TARGET -o LAYOUT");
      }
      const found = await findGuests(openOptions(context, options));
      for (const { scheme, text } of found.problems) {
        if (!options.json) context.warn(`guestmem: ${scheme}: ${text}`);
      }
      if (options.json) return await context.print(findJson(found, Date.now()));
      const { guests } = found;
      if (guests.length === 0) {
        return context.warn("guestmem: no guests found; `guestmem demo` starts one");
      }
      const width = widthOf(context);
      await context.print(options.plain ? findPlain(guests) : findText(guests, width));
    });
}
