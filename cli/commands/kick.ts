/**
 * `guestmem kick`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { openQueue } from "../../lib/guest/open_queue.ts";
import { selectQueue } from "../../lib/guest/select.ts";
import { chooseKick, kicksOf } from "../../lib/kick/choose.ts";
import { observeMovement } from "../../lib/kick/movement.ts";
import { openTarget } from "../../lib/source/attach.ts";
import type { Context } from "../context.ts";
import { HELP, openOptions } from "../options.ts";
import { jsonLine, timeText } from "../render/json.ts";
import { kickText, kickWaysTable } from "../render/kick.ts";
import { renderTable } from "../render/table.ts";

const MANUAL = `
Says what it will signal, signals it once, and shows what came of it: the eventfd's counter before
and after, and whether the queue's indices moved in the 200 ms after. A kick tells the device to look
at the queue; --call tells the driver instead. Memory is not touched, and a guest that is well
takes an extra notification in its stride.

  $ guestmem kick qemu:4242/blk0:0
  qemu:4242/blk0:0: ioeventfd 14 of QEMU 4242: write 1 (kick)
  eventfd 14 of QEMU 4242 (VirtQueue at 0x7f7af5e75010): counter 0, 1 added
  counter 0 after 40 ms: QEMU took it
  used index 31 before, 32 after

--dry-run lists the ways and stops. --via takes one of them by name; \`monitor\` (QMP stop and cont)
pauses the guest for about a millisecond and kicks all its queues, so it is only done when named.`;

/** How long to look for movement after a kick, in milliseconds. */
const LOOK = 200;

/** `kick` */
export function kickCommand(context: Context): CommandUnknownOpts {
  return new Command("kick")
    .summary("notify one queue")
    .description("Notify one queue, the way that its hypervisor needs.")
    .argument("<target>", "SCHEME:WHAT/DEVICE:QUEUE")
    .option("--call", "notify the driver instead of the device")
    .option("--via <way>", "this way only, such as eventfd or monitor")
    .option("--dry-run", "say what would be signalled, and do nothing")
    .option("--layout <file>", HELP.layout)
    .option("--json", HELP.json)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (text, options) => {
      await using attachment = await openTarget(text, openOptions(context, options));
      const { device, queue, target } = selectQueue(attachment.devices, attachment.target);
      const side = options.call ? "call" : "kick";
      const ways = kicksOf(attachment, device, queue, side);
      if (options.dryRun && !options.json) await context.print(renderTable(kickWaysTable(ways)));
      const kick = chooseKick(ways, options.via ?? null);
      const plan = { target, side, way: kick.name, signals: kick.describe() };
      const time = timeText(Date.now());
      if (options.dryRun) {
        if (!options.json) return;
        return await context.print(jsonLine("guestmem/kick/1", { ...plan, time, sent: false }));
      }
      if (!options.json) await context.print(`${target}: ${plan.signals}`);
      const movement = observeMovement(openQueue(attachment, queue));
      const { evidence } = await kick.send();
      const moved = await movement(LOOK, context.signal);
      await context.print(
        options.json
          ? jsonLine("guestmem/kick/1", { ...plan, time, sent: true, evidence, ...moved })
          : kickText(evidence, moved, LOOK),
      );
    });
}
