/**
 * `guestmem demo`
 *
 * @module
 */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import {
  BREAK_NAMES,
  BREAKS,
  type Demo,
  type DemoOptions,
  startDemo,
} from "../../lib/demo/demo.ts";
import { type Context, pause, UsageError, widthOf } from "../context.ts";
import { HELP } from "../options.ts";
import { parseCount, parseDuration } from "../parse.ts";
import { demoBroken, demoHelp, demoJson, demoPlain, demoTotals } from "../render/demo.ts";

const BREAK_LIST = BREAK_NAMES.map((name) => `  ${name.padEnd(15)}${BREAKS[name]}`).join("\n");

const MANUAL = `
A small guest of our own in shared memory: a driver's and a device's side that keep split and packed
rings moving with virtio-blk and virtio-net requests. No hypervisor, no privilege. Every other command
works on it from another terminal; it prints what to type. It ends with Ctrl-C or after --for.

  $ guestmem demo --for 60s --break lose-kick --break-after 10s

--break makes one queue hang, in one of these ways:
${BREAK_LIST}`;

/** `demo` */
export function demoCommand(context: Context): CommandUnknownOpts {
  return new Command("demo")
    .summary("run a guest of our own, to try everything on")
    .description("Run a guest of our own whose rings really move.")
    .option("--for <duration>", "end after this time", parseDuration)
    .option("--rate <count>", "requests per second and queue", parseCount, 200)
    .addOption(new Option("--break <kind>", "make a queue hang").choices(BREAK_NAMES))
    .addOption(
      new Option("--break-after <duration>", "when to do so")
        .argParser(parseDuration).default(5000, "5s"),
    )
    .option("--break-queue <queue>", "which queue, as DEVICE:INDEX", "blk0:0")
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .addHelpText("after", MANUAL)
    .action(async (options) => {
      await using demo = await start({
        rate: options.rate,
        break: options.break ?? null,
        breakAfter: options.breakAfter / 1000,
        breakQueue: options.breakQueue,
      });
      const forPeople = !options.json && !options.plain;
      await context.print(
        options.json
          ? demoJson(demo, Date.now())
          : options.plain
          ? demoPlain(demo)
          : demoHelp(demo, program(), options.for, widthOf(context)),
      );
      const end = Promise.race([pause(options.for ?? LONGEST, context.signal), demo.finished]);
      if (options.break !== undefined) {
        await Promise.race([pause(options.breakAfter, context.signal), end]);
        if (forPeople) await context.print(demoBroken(demo, options.breakQueue));
      }
      await end;
      if (forPeople && !context.signal.aborted) await context.print(demoTotals(demo));
    });
}

/** Longest that a timer can wait; Ctrl-C comes first. */
const LONGEST = 2 ** 31 - 1;

/** How the command line is started here: what is printed must work when it is typed. */
function program(): string {
  // npx puts a folder of its own on our PATH, which the next terminal does not have.
  const folders = (Deno.env.get("PATH") ?? "").split(":")
    .filter((folder) => folder !== "" && !folder.includes("node_modules/.bin"));
  const has = (name: string) => folders.some((folder) => isFile(`${folder}/${name}`));
  if (has("guestmem")) return "guestmem";
  const deno = has("deno") ? "deno" : `npx -y deno@${Deno.version.deno}`;
  return `${deno} task -q guestmem`;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

async function start(options: DemoOptions): Promise<Demo> {
  try {
    return await startDemo(options);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}
