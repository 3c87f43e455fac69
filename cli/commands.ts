/**
 * The table of commands. A command's file is loaded when it runs, and not before: start-up is time
 * that an operator waits.
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Context } from "./context.ts";

/** A line of the table. */
export interface CommandEntry {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Commands that begin with its name and are not listed with it, since a target can follow it. */
  readonly beside?: readonly { readonly name: string; readonly summary: string }[];
  /** Makes the command. `words` are what follows its name on the command line. */
  load(context: Context, words: readonly string[]): Promise<CommandUnknownOpts>;
}

/** What a command's file exports: it makes the command. */
type Maker = (
  context: Context,
  words: readonly string[],
) => CommandUnknownOpts | Promise<CommandUnknownOpts>;

/**
 * Loads a command from its file, named from this folder. Deno reads every file that an `import()` names before it runs
 * anything, and all of theirs; a name that it can not see is only read when it is asked for.
 */
export function from<T>(path: string, maker: (file: T) => Maker): CommandEntry["load"] {
  return async (context, words) => {
    const file: T = await import(path);
    return await maker(file)(context, words);
  };
}

/** Every verb, in the order of the manual. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "find",
    summary: "list guests, their devices and queues on this host",
    load: from<typeof import("./commands/find.ts")>(
      "./commands/find.ts",
      (file) => file.findCommand,
    ),
  },
  {
    name: "map",
    summary: "map a guest's memory, print and verify the memory table",
    load: from<typeof import("./commands/map.ts")>("./commands/map.ts", (file) => file.mapCommand),
  },
  {
    name: "dump",
    summary: "show memory, rings, tables, device states, or search memory",
    load: from<typeof import("./commands/dump.ts")>(
      "./commands/dump.ts",
      (file) => file.dumpCommand,
    ),
  },
  {
    name: "watch",
    summary: "show ring indices and rates live",
    beside: [{ name: "mem", summary: "what changes in a range of guest memory" }],
    load: from<typeof import("./commands/watch.ts")>(
      "./commands/watch.ts",
      (file) => file.watchCommand,
    ),
  },
  {
    name: "kick",
    summary: "notify one queue",
    load: from<typeof import("./commands/kick.ts")>(
      "./commands/kick.ts",
      (file) => file.kickCommand,
    ),
  },
  {
    name: "diagnose",
    summary: "name what a guest's queues are stuck on",
    load: from<typeof import("./commands/diagnose.ts")>(
      "./commands/diagnose.ts",
      (file) => file.diagnoseCommand,
    ),
  },
  {
    name: "ivshmem-server",
    summary: "share memory and doorbells between guests",
    load: from<typeof import("./commands/ivshmem_server.ts")>(
      "./commands/ivshmem_server.ts",
      (file) => file.ivshmemServerCommand,
    ),
  },
  {
    name: "tap",
    summary: "stand between a vhost-user front-end and back-end",
    load: from<typeof import("./commands/tap.ts")>("./commands/tap.ts", (file) => file.tapCommand),
  },
  {
    name: "session",
    summary: "hold mappings and taps for other commands",
    load: from<typeof import("./commands/session.ts")>(
      "./commands/session.ts",
      (file) => file.sessionCommand,
    ),
  },
  {
    name: "unmap",
    summary: "drop something that a session holds",
    load: from<typeof import("./commands/unmap.ts")>(
      "./commands/unmap.ts",
      (file) => file.unmapCommand,
    ),
  },
  {
    name: "run",
    summary: "run a file of commands in a session of its own",
    load: from<typeof import("./commands/run.ts")>("./commands/run.ts", (file) => file.runCommand),
  },
  {
    name: "shell",
    summary: "type commands, with mappings that stay, history and completion",
    load: from<typeof import("./commands/shell.ts")>(
      "./commands/shell.ts",
      (file) => file.shellCommand,
    ),
  },
  {
    name: "completion",
    summary: "complete commands and live targets in bash, zsh and fish",
    load: from<typeof import("./commands/completion.ts")>(
      "./commands/completion.ts",
      (file) => file.completionCommand,
    ),
  },
  {
    name: "demo",
    summary: "run a guest of our own, to try everything on",
    load: from<typeof import("./commands/demo.ts")>(
      "./commands/demo.ts",
      (file) => file.demoCommand,
    ),
  },
  {
    name: "doctor",
    summary: "show what this machine allows, and what to do about the rest",
    load: from<typeof import("./commands/doctor.ts")>(
      "./commands/doctor.ts",
      (file) => file.doctorCommand,
    ),
  },
];

/**
 * Adds the command that `words` names to `parent`, or where they name none all of the table's, with
 * name and summary only: what help and did-you-mean need.
 */
export async function addCommands(
  parent: CommandUnknownOpts,
  table: readonly CommandEntry[],
  context: Context,
  words: readonly string[],
): Promise<void> {
  const named = table.find(({ name }) => name === words[0]);
  const commands = named === undefined
    ? table.map(({ name, summary }) => new Command(name).summary(summary))
    : [await named.load(context, words.slice(1))];
  for (const command of commands) {
    parent.addCommand(command);
    inherit(command, parent);
  }
}

/** How to print help and errors, and not to exit, comes from the program. */
function inherit(command: CommandUnknownOpts, parent: CommandUnknownOpts): void {
  command.copyInheritedSettings(parent);
  command.commands.forEach((child) => inherit(child, command));
}
