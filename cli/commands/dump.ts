/**
 * `guestmem dump`: a table of its own, as each thing to dump has its own file.
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { addCommands, type CommandEntry, from } from "../commands.ts";
import type { Context } from "../context.ts";

const THINGS: readonly CommandEntry[] = [
  {
    name: "mem",
    summary: "guest memory: hexadecimal, raw, words, strings or JSON",
    load: from<typeof import("./dump_mem.ts")>(
      "./commands/dump_mem.ts",
      (file) => file.dumpMemCommand,
    ),
  },
  {
    name: "ring",
    summary: "rings: indices, flags, suppression, chains, decoded requests",
    load: from<typeof import("./dump_ring.ts")>(
      "./commands/dump_ring.ts",
      (file) => file.dumpRingCommand,
    ),
  },
  {
    name: "table",
    summary: "the memory table",
    load: from<typeof import("./dump_table.ts")>(
      "./commands/dump_table.ts",
      (file) => file.dumpTableCommand,
    ),
  },
  {
    name: "grants",
    summary: "a Xen domain's grant table: who shares what with whom",
    load: from<typeof import("./dump_grants.ts")>(
      "./commands/dump_grants.ts",
      (file) => file.dumpGrantsCommand,
    ),
  },
  {
    name: "config",
    summary: "devices: status, features, queues, notifications",
    load: from<typeof import("./dump_config.ts")>(
      "./commands/dump_config.ts",
      (file) => file.dumpConfigCommand,
    ),
  },
  {
    name: "search",
    summary: "where bytes or a text stand in guest memory",
    load: from<typeof import("./dump_search.ts")>(
      "./commands/dump_search.ts",
      (file) => file.dumpSearchCommand,
    ),
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
