/**
 * `guestmem doctor`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { examine } from "../../lib/doctor/examine.ts";
import type { Context } from "../context.ts";
import { HELP } from "../options.ts";
import { doctorTable, doctorText } from "../render/doctor.ts";
import { jsonLine, timeText } from "../render/json.ts";
import { renderPlain } from "../render/table.ts";

const MANUAL = `
Tries each thing on ourselves and says what is missing, what for, and what to do about it: the
kernel, shared memory, what may be done to other processes, Xen's devices, then every kind of target
(source) and every way to notify a queue (kick), then the guests that are there. Nothing is changed
and no guest's memory is read. STATE: ok; limited (works, not for everything); missing; absent (not
there, and only some targets need it). Run it as the user who will run the rest.

  $ guestmem doctor
  AREA     NAME         STATE   DETAIL
  memory   memfd        ok      a shared memory file was made, sealed and mapped
  memory   hugepages    absent  none reserved [1]
  process  pidfd_getfd  ok      an own fd was taken
  xen      privcmd      absent  no /dev/xen/privcmd [2]
  source   vhost        ok      taps, back-ends; memory comes as fds
  source   xen          absent  no /dev/xen/privcmd [2]
  kick     eventfd      ok      eventfds whose number is known

  Remedies:
  [1] only for guests on huge pages: sysctl vm.nr_hugepages=N
  [2] for xen: targets boot Xen and run in dom0, with its modules …`;

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
      if (options.plain) return await context.print(renderPlain(doctorTable(checks)));
      await context.print(doctorText(checks, context.size().columns));
    });
}
