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
  /** Makes the command. `words` are what follows its name on the command line. */
  load(context: Context, words: readonly string[]): Promise<CommandUnknownOpts>;
}

/** Every verb, in the order of the manual. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "find",
    summary: "list guests, their devices and queues on this host",
    load: async (context) => (await import("./commands/find.ts")).findCommand(context),
  },
  {
    name: "map",
    summary: "map a guest's memory, print and verify the memory table",
    load: async (context) => (await import("./commands/map.ts")).mapCommand(context),
  },
  {
    name: "dump",
    summary: "show memory, rings, tables, device states, or search memory",
    load: async (context, words) =>
      await (await import("./commands/dump.ts")).dumpCommand(context, words),
  },
  {
    name: "watch",
    summary: "show ring indices and rates live",
    load: async (context) => (await import("./commands/watch.ts")).watchCommand(context),
  },
  {
    name: "kick",
    summary: "notify one queue",
    load: async (context) => (await import("./commands/kick.ts")).kickCommand(context),
  },
  {
    name: "diagnose",
    summary: "name what a guest's queues are stuck on",
    load: async (context) => (await import("./commands/diagnose.ts")).diagnoseCommand(context),
  },
  {
    name: "ivshmem-server",
    summary: "share memory and doorbells between guests",
    load: async (context) =>
      (await import("./commands/ivshmem_server.ts")).ivshmemServerCommand(context),
  },
  {
    name: "tap",
    summary: "stand between a vhost-user front-end and back-end",
    load: async (context) => (await import("./commands/tap.ts")).tapCommand(context),
  },
  {
    name: "demo",
    summary: "run a guest of our own, to try everything on",
    load: async (context) => (await import("./commands/demo.ts")).demoCommand(context),
  },
  {
    name: "doctor",
    summary: "show what this machine allows, and what to do about the rest",
    load: async (context) => (await import("./commands/doctor.ts")).doctorCommand(context),
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
