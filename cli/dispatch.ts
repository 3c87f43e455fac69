/**
 * Runs one command line: the program's own, or a line of a script.
 *
 * @module
 */
import { Command, CommanderError } from "@commander-js/extra-typings";
import config from "../deno.json" with { type: "json" };
import { addCommands, COMMANDS } from "./commands.ts";
import type { Context } from "./context.ts";
import { describeFailure, EXIT, type Failure } from "./failure.ts";
import { OutputClosed } from "./output.ts";

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

\`guestmem help COMMAND\` is the manual of a command, \`guestmem help --man COMMAND\` its man page.

On a terminal, what is longer than the screen goes through PAGER (less, if that is not set); NO_COLOR
takes the colours away.

Exit codes: 0 done, 1 failed, 2 usage, 3 findings (with --check), 4 target not found, 5
permission missing, 130 interrupted.`;

/** The program without its commands. */
export function createProgram(): Command {
  return new Command("guestmem")
    .description(DESCRIPTION)
    .version(config.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help for a command")
    .addHelpText("after", AFTER)
    .exitOverride();
}

/** How a command line ended. */
export interface Outcome {
  readonly code: number;
  /** Text that the argument parser wants on stdout: help, the version. */
  readonly text: string;
  /** What to say on stderr; null where nothing is news. */
  readonly failure: Failure | null;
}

/**
 * Runs the command that `words` name. Throws `OutputClosed` where nobody reads the output any more,
 * and nothing else.
 */
export async function dispatch(words: readonly string[], context: Context): Promise<Outcome> {
  let code: number = EXIT.done;
  let text = "";
  let failure: Failure | null = null;
  const own: Context = { ...context, exit: (wanted) => code = wanted };
  const program = createProgram().configureOutput({
    getOutHelpWidth: () => Math.max(40, Math.min(context.size().columns, 100)),
    writeOut: (part) => text += part,
    writeErr: (part) => context.warn(part.trimEnd()),
    outputError: (message) => failure = usageFailure(message, words),
  });
  const args = wordsOf(words);
  try {
    const page = await pageOf(words, own);
    if (page !== null) return { code: EXIT.done, text: page, failure: null };
    await addCommands(program, COMMANDS, own, args);
    await program.parseAsync(args, { from: "user" });
    return { code: context.signal.aborted ? EXIT.interrupted : code, text, failure: null };
  } catch (error) {
    if (error instanceof OutputClosed) throw error;
    if (error instanceof CommanderError) {
      if (error.exitCode !== EXIT.done) return { code: EXIT.usage, text, failure };
      // Without the call for help the parser says what is not known, and what was meant.
      if (isAskedOfNothing(program, args)) return await dispatch(args.filter(isNoHelp), context);
      return { code: EXIT.done, text: await laidOut(text, context), failure };
    }
    if (context.signal.aborted) return { code: EXIT.interrupted, text, failure: null };
    failure = describeFailure(error);
    return { code: failure.code, text, failure };
  }
}

/** Whether help was asked of a command that is none, such as `dump foo`: the parser shows dump's. */
function isAskedOfNothing(program: Command, [verb, thing = "-"]: readonly string[]): boolean {
  const { commands = [] } = program.commands.find((command) => command.name() === verb) ?? {};
  return commands.length > 0 && !thing.startsWith("-") &&
    !commands.some((command) => command.name() === thing);
}

function isNoHelp(word: string): boolean {
  return word !== "--help" && word !== "-h";
}

/** Help is laid out for the terminal; the version stays as it is. Loaded only for that. */
async function laidOut(text: string, { size }: Context): Promise<string> {
  const path = "./manual/reflow.ts";
  const { reflow, manualWidth }: typeof import("./manual/reflow.ts") = await import(path);
  return reflow(text, manualWidth(size().columns));
}

/** `help --man dump ring`: the man page; null where none is asked for. Loaded only for that. */
async function pageOf(
  [help, man, ...words]: readonly string[],
  context: Context,
): Promise<string | null> {
  const known = words.length === 0 || isCommand(words[0]);
  if (help !== "help" || man !== "--man" || !known) return null;
  const path = "./manual/pages.ts";
  const { manPageOf }: typeof import("./manual/pages.ts") = await import(path);
  return await manPageOf(context, words);
}

/** `help dump ring` is `dump ring --help`, at any depth; nothing at all is a call for help. */
function wordsOf(args: readonly string[]): string[] {
  const [first = "help", ...rest] = args;
  if (first !== "help") return [first, ...rest];
  if (rest[0] === "--man") return rest.slice(1);
  return rest.length === 0 || isCommand(rest[0]) ? [...rest, "--help"] : rest;
}

/** What commander says of a wrong argument; `why` repeats the value. */
const WRONG_ARGUMENT = /^command-argument value '.*' is invalid for argument '(.*?)'\. (.*)$/s;

/** commander says `error: text` and maybe `(Did you mean find?)`; we say it as we say everything. */
function usageFailure(text: string, [verb, thing = ""]: readonly string[]): Failure {
  const [said, ...hints] = text.trim().replace(/^error: /, "").split("\n");
  const message = said.replace(WRONG_ARGUMENT, (_, name, why) => `argument '${name}': ${why}`);
  const hint = hints.join(" ").replace(/^\(Did/, "did").replace(/\)$/, "");
  // `dump ring` and `session start` have manuals of their own; what follows other verbs is no command.
  const nested = ["dump", "session"].includes(verb) && /^[a-z]+$/.test(thing) ||
    verb === "watch" && thing === "mem";
  const place = nested && !message.startsWith("unknown command") ? `${verb} ${thing}` : verb;
  const help = isCommand(verb) ? `guestmem help ${place}` : "guestmem help";
  return { code: EXIT.usage, message, remedy: hint || `\`${help}\` has the manual` };
}

/** Whether a word is a command. */
export function isCommand(word: string | undefined): boolean {
  return COMMANDS.some(({ name }) => name === word);
}
