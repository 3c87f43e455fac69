/**
 * Commands as data: what completion and man pages are made of, so that there is one text of each.
 *
 * @module
 */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { addCommands, COMMANDS } from "./commands.ts";
import type { Context } from "./context.ts";
import { createProgram } from "./dispatch.ts";

/** An option. */
export interface OptionText {
  /** `--json`, and `-o` where there is a short one. */
  readonly long: string;
  readonly short: string | null;
  /** `file` of `--output <file>`; null where it takes no value. */
  readonly value: string | null;
  /** Values that it takes, where they are few. */
  readonly choices: readonly string[] | null;
  /** May be given again. */
  readonly repeats: boolean;
  readonly text: string;
  /** As help lists it: `-o, --output <file>`. */
  readonly flags: string;
}

/** An argument. */
export interface ArgumentText {
  /** `target` of `<target>`. */
  readonly name: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly choices: readonly string[] | null;
  readonly text: string;
}

/** A command. */
export interface CommandText {
  /** `dump`, `ring`; empty for the program itself. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly arguments: readonly ArgumentText[];
  readonly options: readonly OptionText[];
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  /** What `help` prints after the options: paragraphs, and indented transcripts. */
  readonly manual: string;
  /** How it is called: `guestmem dump ring [options] <target>`. */
  readonly usage: string;
}

/** The command, at any depth, that the first of `words` name; the program itself for none. */
export async function describeCommand(
  context: Context,
  words: readonly string[],
): Promise<CommandText> {
  const program = createProgram();
  await addCommands(program, COMMANDS, context, words);
  const path: string[] = [];
  let command: CommandUnknownOpts = program;
  for (const word of words) {
    const child = command.commands.find((one) => one.name() === word);
    if (child === undefined) break;
    path.push(word);
    command = child;
  }
  return commandText(command, path);
}

/** Every command, at any depth, in the order of the manual; the program itself first. */
export async function describeAll(context: Context): Promise<CommandText[]> {
  const walk = async (words: readonly string[]): Promise<CommandText[]> => {
    const own = await describeCommand(context, words);
    const below: CommandText[] = [];
    for (const { name } of [...own.commands, ...besideOf(words)]) {
      below.push(...await walk([...words, name]));
    }
    return [own, ...below];
  };
  return await walk([]);
}

/** Commands that begin with these words, and are not among those of the command they name. */
export function besideOf(words: readonly string[]): CommandText["commands"] {
  const [verb, ...rest] = words;
  return rest.length > 0 ? [] : COMMANDS.find(({ name }) => name === verb)?.beside ?? [];
}

function commandText(command: CommandUnknownOpts, words: readonly string[]): CommandText {
  const help = command.createHelp();
  return {
    words,
    summary: command.summary(),
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      required: argument.required,
      variadic: argument.variadic,
      choices: argument.argChoices ?? null,
      text: argument.description,
    })),
    options: help.visibleOptions(command).map((option) => ({
      long: option.long ?? "",
      short: option.short ?? null,
      value: option.required || option.optional ? valueOf(option.flags) : null,
      choices: option.argChoices ?? null,
      repeats: option.parseArg?.name === "collect",
      text: help.optionDescription(option),
      flags: option.flags,
    })),
    commands: command.commands.map((child) => ({ name: child.name(), summary: child.summary() })),
    manual: manualOf(command),
    usage: help.commandUsage(command),
  };
}

function valueOf(flags: string): string {
  return /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1] ?? "";
}

/** What is printed after the help proper. */
function manualOf(command: CommandUnknownOpts): string {
  const parts: string[] = [];
  const before = command.configureOutput();
  command.configureOutput({ writeOut: (part) => parts.push(part) });
  command.outputHelp();
  command.configureOutput(before);
  return parts.slice(1).join("").trim();
}
