/**
 * `guestmem kick`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { openQueue } from "../../lib/guest/open_queue.ts";
import { selectQueue } from "../../lib/guest/select.ts";
import { chooseKick, kicksOf } from "../../lib/kick/choose.ts";
import type { Kick } from "../../lib/kick/kick.ts";
import { everyWay, KICK_WAYS } from "../../lib/kick/ways.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { type Context, UsageError, widthOf } from "../context.ts";
import { nearestWord } from "../../lib/nearest.ts";
import { HELP, openOptions } from "../options.ts";
import { parseCount, parseInterval } from "../parse.ts";
import { jsonLine, timeText } from "../render/json.ts";
import { kickWaysJson, kickWaysTable } from "../render/kick.ts";
import { sendKicks } from "./kick_send.ts";
import { wrapTable } from "../render/fit.ts";
import { renderPlain } from "../render/table.ts";

const MANUAL = `
Says what it will signal, signals it, and shows what came of it: the eventfd's counter before
and after, and whether the queue's indices moved in the 200 ms after. A kick tells the device to look
at the queue; --call tells the driver instead. Memory is not touched, and a guest that is well
takes an extra notification in its stride.

  $ guestmem kick qemu:4242/blk0:0
  qemu:4242/blk0:0: ioeventfd 14 of QEMU 4242: write 1 (kick)
  eventfd 14 of QEMU 4242 (VirtQueue at 0x7f7af5e75010): counter 0, 1 added
  counter 0 after 40 ms: QEMU took it
  used index 31 before, 32 after

--list shows every way there is, and why one is not possible here; the best that is possible is the
default. --via takes one of them by name; \`monitor\` (QMP stop and cont) pauses the guest for about a
millisecond and kicks all its queues, so it is only done when named. --dry-run lists the ways of the
queue, says what would be signalled, and stops.

--count 10 --interval 50ms kicks ten times, 50 ms from one to the next (default 100ms), with a proof of
each, and says how far the queue came in all.

With --plain a line per kick: target, way, what was seen, used index before and after.`;

/** Milliseconds from one kick to the next, unless told otherwise. */
const INTERVAL = 100;

/** `kick` */
export function kickCommand(context: Context): CommandUnknownOpts {
  return new Command("kick")
    .summary("notify one queue")
    .description("Notify one queue, the way that its hypervisor needs.")
    .argument("<target>", "SCHEME:WHAT/DEVICE:QUEUE")
    .option("--call", "notify the driver instead of the device")
    .option("--list", "show every way, which are possible here and why not; send nothing")
    .option("--via <way>", "this way only, such as eventfd or monitor")
    .option("--count <n>", "kick so many times (default 1)", parseCount)
    .option("--interval <duration>", "from one kick to the next (default 100ms)", parseInterval)
    .option("--dry-run", "say what would be signalled, and do nothing")
    .option("--layout <file>", HELP.layout)
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (text, options) => {
      const { via = null, count = 1, interval = INTERVAL } = options;
      checkWords(via, options);
      await using attachment = await openTarget(text, openOptions(context, options));
      const { device, queue, target } = selectQueue(attachment.devices, attachment.target);
      const side = options.call ? "call" : "kick";
      const ways = kicksOf(attachment, device, queue, side);
      if (options.list) return await list(context, { target, side, ways, via }, options);
      if (options.dryRun && !options.json) {
        await context.print(waysText(context, ways, null, options));
      }
      const kick = chooseKick(via === null ? ways : everyWay(ways), via, { target, side });
      const plan = { target, side, way: kick.name, signals: kick.describe() };
      if (options.dryRun) {
        const told = `${target}: ${plan.signals}; nothing was sent`;
        if (!options.json) return await context.print(told);
        const more = { time: timeText(Date.now()), sent: false };
        return await context.print(jsonLine("guestmem/kick/1", { ...plan, ...more }));
      }
      const form = options.json ? "json" : options.plain ? "plain" : "text";
      if (form === "text") await context.print(`${target}: ${plan.signals}`);
      const ring = openQueue(attachment, queue);
      await sendKicks(context, { kick, ring, plan, count, interval, form });
    });
}

interface Words {
  readonly count?: number;
  readonly interval?: number;
  readonly list?: true;
  readonly dryRun?: true;
}

/** What is wrong whatever the target is. */
function checkWords(via: string | null, { count, interval, list, dryRun }: Words): void {
  if (via !== null && !KICK_WAYS.includes(via)) {
    const nearest = nearestWord(via, KICK_WAYS);
    const remedy = nearest === null ? `ways: ${KICK_WAYS.join(", ")}` : `did you mean ${nearest}?`;
    throw new UsageError(`no way is called "${via}"`, remedy);
  }
  if (interval !== undefined && (count ?? 1) < 2) {
    throw new UsageError("--interval is for more than one kick", "add --count 10");
  }
  if (list && (dryRun || count !== undefined)) {
    throw new UsageError("--list sends nothing, so --count and --dry-run have no use with it");
  }
}

interface Listing {
  readonly target: string;
  readonly side: string;
  /** Of the queue. */
  readonly ways: readonly Kick[];
  readonly via: string | null;
}

/** How to print. */
interface Form {
  readonly json?: true | undefined;
  readonly plain?: true | undefined;
}

function waysText(
  context: Context,
  ways: readonly Kick[],
  chosen: Kick | null,
  { plain }: Form,
): string {
  const table = kickWaysTable(ways, chosen);
  return plain ? renderPlain(table) : wrapTable(table, widthOf(context));
}

async function list(
  context: Context,
  { target, side, ways, via }: Listing,
  form: Form,
): Promise<void> {
  const all = everyWay(ways);
  const fits = ({ name, lastResort }: Kick) => via === null ? !lastResort : name === via;
  const chosen = all.find((way) => way.possible === true && fits(way)) ?? null;
  await context.print(
    form.json
      ? jsonLine("guestmem/kick-ways/1", { target, side, ways: kickWaysJson(all, chosen) })
      : waysText(context, all, chosen, form),
  );
}
