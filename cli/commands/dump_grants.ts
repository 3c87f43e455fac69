/**
 * `guestmem dump grants`
 *
 * @module
 */
import {
  Command,
  type CommandUnknownOpts,
  InvalidArgumentError,
  Option,
} from "@commander-js/extra-typings";
import { parseTarget } from "../../lib/guest/target.ts";
import { type GrantTable, summarizeGrants } from "../../lib/xen/grant_table.ts";
import { type GrantReader, openGrantReader } from "../../lib/xen/watch_grants.ts";
import { type Context, pause, printLines, UsageError } from "../context.ts";
import { EXIT } from "../failure.ts";
import { HELP } from "../options.ts";
import { parseCount, parseInterval } from "../parse.ts";
import { grantRows, grantsJson, grantsText, watchLine, watchPlainLine } from "../render/grants.ts";
import { plural } from "../render/size.ts";
import { renderPlain } from "../render/table.ts";

const MANUAL = `
The whole grant table of a Xen domain, read from the hypervisor: what the domain shares, with whom,
and who has it mapped now. Nothing of the guest is changed, and its table does not grow by the look.

  $ guestmem dump grants xen:1 --limit 3
  REF  TYPE    DOMAIN    FRAME  FLAGS             MAPPED BY  NOTE
    0  access       0  0xa8c02  reading,writing   domain 0   console
    1  access       0  0xa8c01  reading,writing   domain 0   xenstore
    8  access       0  0x9d3f4  reading,writing   domain 0
  version 1: 541 of 32768 entries used (1.7 %), 2 of 64 frames; 37 mapped; …

A guest whose table is full can share nothing more: its disks and networks stop ("max_grant_frames
reached"). --watch prints a line whenever the use changes, with an alarm from --alarm percent on.
With --check the exit code is 3 as soon as that is reached.`;

/** `dump grants` */
export function dumpGrantsCommand(context: Context): CommandUnknownOpts {
  return new Command("grants")
    .summary("a Xen domain's grant table: who shares what with whom")
    .description("Show a Xen domain's grant table, and how full it is.")
    .argument("<target>", "xen:DOMID")
    .option("--limit <count>", "show COUNT entries, 0 for all", parseLimit, 64)
    .option("--mapped", "only entries that somebody has mapped")
    .option("--watch", "a line whenever the use changes, until Ctrl-C")
    .addOption(
      new Option("--interval <duration>", "with --watch: time between two looks")
        .argParser(parseInterval).default(1000, "1s"),
    )
    .option("--count <count>", "with --watch: stop after COUNT looks", parseCount)
    .option("--alarm <percent>", "with --watch or --check: alarm from here on", parsePercent, 90)
    .option("--check", "exit code 3 when the alarm is reached")
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (text, options) => {
      const log = options.verbose ? (line: string) => context.warn(`guestmem: ${line}`) : () => {};
      using reader = logged(open(text), log);
      const over = (table: GrantTable) => summarizeGrants(table).fill * 100 >= options.alarm;
      const watched = { ...options, target: text, over };
      const full = options.watch
        ? await watch(context, reader, watched)
        : await once(context, reader, watched);
      if (full && options.check) context.exit(EXIT.findings);
    });
}

function open(text: string): GrantReader {
  const target = parse(text);
  if (target.scheme === "xen") return openGrantReader(target.what);
  throw new UsageError(`${text}: only Xen domains have grants`, "want xen:DOMID");
}

/** Tells how long a look takes, and how much it read: a large table is read entry by entry. */
function logged(reader: GrantReader, log: (line: string) => void): GrantReader {
  const read = () => {
    const start = performance.now();
    const table = reader.read();
    const { version, frames, entries } = table;
    const time = `${(performance.now() - start).toFixed(1)} ms`;
    log(
      `grant table of domain ${reader.domain} mapped and read, read-only: version ${version}, ` +
        `${plural(frames, "frame")}, ${plural(entries.length, "entry", "entries")} in use, ${time}`,
    );
    return table;
  };
  return { ...reader, read, [Symbol.dispose]: () => reader[Symbol.dispose]() };
}

function parse(text: string) {
  try {
    return parseTarget(text, () => false);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(error.message);
    throw error;
  }
}

interface Shown {
  readonly target: string;
  readonly limit: number;
  readonly mapped?: true | undefined;
  readonly interval: number;
  readonly count?: number | undefined;
  readonly check?: true | undefined;
  readonly json?: true | undefined;
  readonly plain?: true | undefined;
  /** Whether a table reached the alarm. */
  over(table: GrantTable): boolean;
}

async function once(context: Context, reader: GrantReader, shown: Shown): Promise<boolean> {
  const whole = reader.read();
  const summary = summarizeGrants(whole);
  const entries = whole.entries.filter(({ mappedBy }) => !shown.mapped || mappedBy !== null);
  const table = { ...whole, entries };
  const alarm = shown.over(whole);
  if (shown.json) {
    await context.print(grantsJson(shown.target, whole, summary, alarm, entries));
  } else if (shown.plain) await printLines(context, renderPlain(grantRows(entries)));
  else await context.print(grantsText(table, summary, shown.limit));
  return alarm;
}

/** True as soon as the alarm is reached and was asked for; else goes on until Ctrl-C. */
async function watch(context: Context, reader: GrantReader, shown: Shown): Promise<boolean> {
  let last = "";
  for (let looks = 0; looks < (shown.count ?? Infinity); looks++) {
    if (looks > 0) await pause(shown.interval, context.signal);
    if (context.signal.aborted) return false;
    const table = reader.read();
    const summary = summarizeGrants(table);
    const alarm = shown.over(table);
    const state = JSON.stringify(summary);
    if (state !== last) {
      await context.print(
        shown.json
          ? grantsJson(shown.target, table, summary, alarm, null)
          : shown.plain
          ? watchPlainLine(table.version, summary, alarm)
          : watchLine(table.version, summary, alarm),
      );
    }
    last = state;
    if (alarm && shown.check) return true;
  }
  return false;
}

function parseLimit(text: string): number {
  return text === "0" ? Infinity : parseCount(text);
}

function parsePercent(text: string): number {
  const percent = Number(text);
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text) || percent > 100) {
    throw new InvalidArgumentError("Want a percentage from 0 to 100.");
  }
  return percent;
}
