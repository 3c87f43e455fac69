/**
 * `guestmem dump config`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { typeOf } from "../../lib/guest/ring_report.ts";
import { guestTarget, selectDevices } from "../../lib/guest/select.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { type Context, printLines, widthOf } from "../context.ts";
import { EXIT } from "../failure.ts";
import { HELP, openOptions } from "../options.ts";
import { configJson, configPlain, configText } from "../render/config.ts";

const MANUAL = `
How the driver and the device agreed: the status bits, the features by name, every queue with its
areas, and the eventfds of its notifications where they are known. Without /DEVICE all devices.

  $ guestmem dump config qemu:4242/blk0
  qemu:4242/blk0  virtio-blk at pci 0000:00:01.0
  status    ACKNOWLEDGE DRIVER DRIVER_OK FEATURES_OK
  features  0x100000044: SEG_MAX BLK_SIZE VERSION_1

  QUEUE     RING       DESCRIPTOR      DRIVER      DEVICE  TARGET
  request0  split 256  0x7ffdd000  0x7ffde000  0x7ffdf000  qemu:4242/blk0:0`;

/** `dump config` */
export function dumpConfigCommand(context: Context): CommandUnknownOpts {
  return new Command("config")
    .summary("devices: status, features, queues, notifications")
    .description("Show how devices are set up.")
    .argument("<target>", HELP.target)
    .option("--layout <file>", HELP.layout)
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (text, options) => {
      await using attachment = await openTarget(text, openOptions(context, options));
      const { devices, target, note } = attachment;
      const guest = guestTarget(target);
      if (devices.length === 0) {
        context.warn(`guestmem: ${guest}: ${note || "no devices known"}`);
        context.exit(EXIT.failed);
      }
      let first = true;
      for (const device of selectDevices(devices, target)) {
        const type = await typeOf(device);
        if (!options.json && !options.plain && !first) await context.print("");
        first = false;
        const render = options.json ? configJson : options.plain ? configPlain : configText;
        await printLines(context, render({ guest, device, type }, widthOf(context)));
      }
    });
}
