/**
 * `guestmem dump`: a table of its own, as each thing to dump has its own file.
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { addCommands, type CommandEntry } from "../commands.ts";
import type { Context } from "../context.ts";

const THINGS: readonly CommandEntry[] = [
  {
    name: "mem",
    summary: "guest memory: hexadecimal, raw, words, strings or JSON",
    load: async (context) => (await import("./dump_mem.ts")).dumpMemCommand(context),
  },
  {
    name: "ring",
    summary: "rings: indices, flags, suppression, chains, decoded requests",
    load: async (context) => (await import("./dump_ring.ts")).dumpRingCommand(context),
  },
  {
    name: "table",
    summary: "the memory table",
    load: async (context) => (await import("./dump_table.ts")).dumpTableCommand(context),
  },
  {
    name: "grants",
    summary: "a Xen domain's grant table: who shares what with whom",
    load: async (context) => (await import("./dump_grants.ts")).dumpGrantsCommand(context),
  },
  {
    name: "config",
    summary: "devices: status, features, queues, notifications",
    load: async (context) => (await import("./dump_config.ts")).dumpConfigCommand(context),
  },
  {
    name: "search",
    summary: "where bytes or a text stand in guest memory",
    load: async (context) => (await import("./dump_search.ts")).dumpSearchCommand(context),
  },
];

/** `dump`, with the thing that `words` names. */
export async function dumpCommand(
  context: Context,
  words: readonly string[],
): Promise<CommandUnknownOpts> {
  const command = new Command("dump")
    .helpCommand(false)
    .summary("show memory, rings, tables, device states, or search memory")
    .description("Show what is in a guest's memory. `guestmem dump THING --help` has examples.");
  await addCommands(command, THINGS, context, words);
  return command;
}
