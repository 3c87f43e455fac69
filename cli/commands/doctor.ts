/**
 * `guestmem doctor`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { examine } from "../../lib/doctor.ts";
import type { Context } from "../context.ts";
import { HELP } from "../options.ts";
import { doctorTable } from "../render/doctor.ts";
import { jsonLine, timeText } from "../render/json.ts";
import { renderPlain, renderTable } from "../render/table.ts";

const MANUAL = `
Tries each thing on ourselves and says what is missing, what for, and what to do about it. Nothing
is changed and no guest's memory is read. STATE: ok; limited (works, not for everything); missing;
absent (not there, and only some targets need it).

  $ guestmem doctor
  AREA     NAME         STATE   DETAIL
  memory   memfd        ok      a shared memory file was made
  process  pidfd_getfd  ok      an own fd was taken
  xen      privcmd      absent  no /dev/xen/privcmd`;

/** `doctor` */
export function doctorCommand(context: Context): CommandUnknownOpts {
  return new Command("doctor")
    .summary("show what this machine allows, and what to do about the rest")
    .description("Show what this machine allows: permissions, devices, kernel features, guests.")
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .addHelpText("after", MANUAL)
    .action(async (options) => {
      const checks = await examine(undefined, context.signal);
      if (options.json) {
        const time = timeText(Date.now());
        return await context.print(jsonLine("guestmem/doctor/1", { time, checks }));
      }
      const table = doctorTable(checks);
      await context.print(options.plain ? renderPlain(table) : renderTable(table));
    });
}
