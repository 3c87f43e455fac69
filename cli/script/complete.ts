/**
 * What may follow on a line: commands, their options, and the targets that there are right now.
 *
 * @module
 */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Device } from "../../lib/guest/guest.ts";
import { listSessions } from "../../lib/session/client.ts";
import { findGuests } from "../../lib/source/attach.ts";
import { COMMANDS } from "../commands.ts";
import { openOptions } from "../options.ts";
import { BUILTINS, type Interpreter } from "./interpreter.ts";

/** Candidates for the end of a line, and the end that they take the place of. */
export type Completion = [candidates: string[], fragment: string];

/** Gives the completion of a line up to the cursor. Never rejects. */
export type Completer = (line: string) => Promise<Completion>;

/** How long what was found counts as what there is, in milliseconds. */
const FRESH_MS = 3000;

/** Words that end a shell. */
export const ENDINGS: readonly string[] = ["exit", "quit"];

/** The completer of a shell. */
export function completer(interpreter: Interpreter): Completer {
  const targets = targetFinder(interpreter);
  let busy = false;
  return async (line) => {
    const words = line.trimStart().split(/[ \t]+/);
    const fragment = words.pop() ?? "";
    // A second Tab before the first has its answer would put that in twice.
    if (busy) return [[], fragment];
    busy = true;
    try {
      const all = await candidates(interpreter, words, fragment, targets);
      return [all.filter((word) => word.startsWith(fragment)), fragment];
    } finally {
      busy = false;
    }
  };
}

async function candidates(
  interpreter: Interpreter,
  before: readonly string[],
  fragment: string,
  targets: () => Promise<string[]>,
): Promise<string[]> {
  if (fragment.startsWith("$")) {
    return [...interpreter.variables.keys()].map((name) => `$${name}`);
  }
  const words = before[0] === "let" && before[2] === "=" ? before.slice(3) : before;
  if (words.length === 0) {
    return [...COMMANDS.map(({ name }) => name), ...BUILTINS, "help", ...ENDINGS];
  }
  const command = await commandOf(interpreter, words[0] === "help" ? words.slice(1) : words);
  if (command === null) return words[0] === "help" ? COMMANDS.map(({ name }) => name) : [];
  if (command.commands.length > 0) return command.commands.map((child) => child.name());
  if (fragment.startsWith("-")) return command.options.flatMap(({ long }) => long ?? []);
  const choices = choicesOf(command, words.at(-1) ?? "");
  return choices ?? await targets();
}

/** The command, at any depth, that words name; null for none. */
async function commandOf(
  { context }: Interpreter,
  [verb, ...rest]: readonly string[],
): Promise<CommandUnknownOpts | null> {
  const entry = COMMANDS.find(({ name }) => name === verb);
  if (entry === undefined) return null;
  let command = await entry.load(context, rest);
  for (const word of rest) {
    const child = command.commands.find((one) => one.name() === word);
    if (child === undefined) break;
    command = child;
  }
  return command;
}

/** What an option takes, where that is one of a few words. */
function choicesOf(command: CommandUnknownOpts, word: string): string[] | null {
  const option = command.options.find(({ long, short }) => word === long || word === short);
  return option?.argChoices === undefined ? null : [...option.argChoices];
}

/** Names of all targets: what this session and others hold, and what can be found on this host. */
function targetFinder(interpreter: Interpreter): () => Promise<string[]> {
  let found: string[] = [];
  let until = 0;
  return async () => {
    if (performance.now() > until) {
      found = await elsewhere(interpreter);
      until = performance.now() + FRESH_MS;
    }
    return [...held(interpreter), ...found];
  };
}

function held({ holder }: Interpreter): string[] {
  return holder.list().flatMap(({ name, kind }) => {
    const target = `${name}@${holder.session}`;
    return kind === "tap" ? [target] : [target, ...queuesOf(target, holder.get(name).attachment)];
  });
}

function queuesOf(target: string, { devices }: { readonly devices: readonly Device[] }): string[] {
  return devices.flatMap(({ name, queues }) => [
    `${target}/${name}`,
    ...queues.map(({ index }) => `${target}/${name}:${index}`),
  ]);
}

/** Whatever goes wrong in looking is no reason to disturb who types. */
async function elsewhere({ context }: Interpreter): Promise<string[]> {
  try {
    const { guests } = await findGuests(openOptions(context, {}));
    const sessions = await listSessions(context.signal);
    return [
      ...guests.flatMap((guest) => [guest.target, ...queuesOf(guest.target, guest)]),
      ...sessions.flatMap(({ name, held }) => held.map((one) => `${one.name}@${name}`)),
    ];
  } catch {
    return [];
  }
}
