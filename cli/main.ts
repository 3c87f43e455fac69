/**
 * The command line. Turns arguments into a command, and whatever comes of it into output and an exit
 * code. Nothing else of the project writes to stdout or ends the process.
 *
 * @module
 */
import { Command, CommanderError } from "@commander-js/extra-typings";
import config from "../deno.json" with { type: "json" };
import { addCommands, COMMANDS } from "./commands.ts";
import type { Context } from "./context.ts";
import { describeFailure, EXIT, type Failure } from "./failure.ts";
import { OutputClosed, printError, processContext } from "./output.ts";
import { setColorEnabled } from "./render/colors.ts";

// A paragraph is a line: the argument parser wraps it.
const DESCRIPTION = [
  "Maps a virtual machine's memory and shows what is in it: live virtio rings first, any bytes " +
  "second. Read-only unless told otherwise.",
  "A target is one word for every command: SCHEME:WHAT[/DEVICE[:QUEUE]], such as " +
  "qemu:4242/blk0:0, shm:ram or file:guest.ram. `guestmem find` lists them.",
].join("\n\n");

const AFTER = `
Examples:
  guestmem demo                         a guest of our own, to try all this on
  guestmem find                         what runs on this host
  guestmem dump ring qemu:4242/blk0:0   which request, and whose turn it is
  guestmem watch qemu:4242              indices and rates, live

Exit codes: 0 done, 1 failed, 2 usage, 3 findings (with --check), 4 target not found,
5 permission missing, 130 interrupted.`;

/** What the process ends with: set by a command, or by what ended it. */
interface Ending {
  code: number;
  /** Text that the argument parser wants on stdout: help, the version. */
  text: string;
}

async function run(words: string[], context: Context, ending: Ending): Promise<void> {
  const program = new Command("guestmem")
    .description(DESCRIPTION)
    .version(config.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help for a command")
    .configureOutput({
      writeOut: (text) => ending.text += text,
      writeErr: (text) => printError(text.trimEnd()),
      outputError: (text) => printFailure(usageFailure(text, words)),
    })
    .addHelpText("after", AFTER)
    .exitOverride();
  await addCommands(program, COMMANDS, context, words);
  await program.parseAsync(words, { from: "user" });
}

/** commander says `error: text` and maybe `(Did you mean find?)`; we say it as we say everything. */
function usageFailure(text: string, [verb]: readonly string[]): Failure {
  const [message, ...hints] = text.trim().replace(/^error: /, "").split("\n");
  const hint = hints.join(" ").replace(/^\(Did/, "did").replace(/\)$/, "");
  const help = isCommand(verb) ? `guestmem help ${verb}` : "guestmem help";
  return { code: EXIT.usage, message, remedy: hint || `\`${help}\` has the manual` };
}

function isCommand(word: string | undefined): boolean {
  return COMMANDS.some(({ name }) => name === word);
}

function printFailure({ message, remedy }: Failure): void {
  printError(`guestmem: ${message}`);
  if (remedy !== "") printError(`remedy: ${remedy}`);
}

/** The exit code for whatever ended a command early; says why on stderr where that is news. */
function failed(error: unknown, interrupted: boolean): number {
  if (error instanceof OutputClosed) return EXIT.done;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (interrupted) return EXIT.interrupted;
  const failure = describeFailure(error);
  printFailure(failure);
  return failure.code;
}

/** Ctrl-C asks a command to stop; a second one does not wait for it. */
function interruptible(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => {
      if (controller.signal.aborted) Deno.exit(EXIT.interrupted);
      controller.abort(new DOMException("interrupted", "AbortError"));
    });
  }
  return controller.signal;
}

/** `help dump ring` is `dump ring --help`, at any depth; nothing at all is a call for help. */
function wordsOf(args: readonly string[]): string[] {
  const [first = "help", ...rest] = args;
  if (first !== "help") return [first, ...rest];
  return rest.length === 0 || isCommand(rest[0]) ? [...rest, "--help"] : rest;
}

async function main(): Promise<void> {
  const ending: Ending = { code: EXIT.done, text: "" };
  const signal = interruptible();
  const context = processContext(signal, (code) => ending.code = code);
  setColorEnabled(context.terminal && !Deno.noColor);
  try {
    await run(wordsOf(Deno.args), context, ending);
    if (signal.aborted) ending.code = EXIT.interrupted;
  } catch (error) {
    ending.code = failed(error, signal.aborted);
  }
  if (ending.text !== "") await context.print(ending.text.trimEnd()).catch(() => {});
  Deno.exit(ending.code);
}

if (import.meta.main) await main();
