/**
 * What may follow on a command line: commands, options, values, and the targets that there are right
 * now. One source for the completions of bash, zsh, fish and of our own shell.
 *
 * @module
 */
import { KICK_WAYS } from "../../lib/kick/ways.ts";
import { liveHeld, liveSessions, liveTargets } from "../../lib/source/live.ts";
import { COMMANDS } from "../commands.ts";
import type { Context } from "../context.ts";
import { besideOf, describeCommand } from "../describe.ts";
import { placeOf } from "./place.ts";

/** A word that could stand there. */
export interface Candidate {
  readonly word: string;
  /** What it is; not escaped. */
  readonly text: string;
}

/** What could stand at the end of a line. */
export interface Candidates {
  /** All of them begin with the fragment. */
  readonly words: readonly Candidate[];
  /** Names of files could stand there, too, which a shell completes better than we do. */
  readonly files: boolean;
}

/** What is known beside what can be found: of the session that a shell has of its own. */
export type Held = (fragment: string) => readonly Candidate[];

/**
 * Characters that no shell takes for more than themselves. Names come from processes and guests that
 * may choose them with care: what a shell would run is not offered.
 */
const HARMLESS = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** Completes `fragment`, which follows `words`; the program's own name is not among them. */
export async function complete(
  context: Context,
  words: readonly string[],
  fragment: string,
  held: Held = () => [],
): Promise<Candidates> {
  const { words: found, files } = await candidates(context, words, fragment, held);
  const fits = found.filter(({ word }) => word.startsWith(fragment) && HARMLESS.test(word));
  return { words: fits, files };
}

const NO_FILES = { files: false } as const;

async function candidates(
  context: Context,
  words: readonly string[],
  fragment: string,
  held: Held,
): Promise<Candidates> {
  const help = words[0] === "help";
  const command = await describeCommand(context, help ? words.slice(1) : words);
  const after = words.slice(command.words.length + (help ? 1 : 0));
  // A word that is no command: what follows it can not be known.
  if (command.commands.length > 0 && after.some((word) => !word.startsWith("-"))) {
    return { words: [], ...NO_FILES };
  }
  const place = help && command.commands.length === 0
    ? { kind: "nothing" } as const
    : placeOf(command, after, fragment);
  switch (place.kind) {
    case "command":
      return { words: commandsOf(command.commands, words.length === 0), ...NO_FILES };
    case "option":
      return { words: place.options.map(({ long, text }) => ({ word: long, text })), ...NO_FILES };
    case "value": {
      const { name, choices, before } = place;
      const found = await values({ context, name, choices, held }, fragment.slice(before.length));
      const whole = found.words.map(({ word, text }) => ({ word: before + word, text }));
      const beside = after.length === 0 ? commandsOf(besideOf(command.words), false) : [];
      return { words: [...whole, ...beside], files: found.files };
    }
    case "nothing":
      return { words: [], ...NO_FILES };
  }
}

function commandsOf(
  commands: readonly { readonly name: string; readonly summary: string }[],
  top: boolean,
): Candidate[] {
  const all = commands.map(({ name, summary }) => ({ word: name, text: summary }));
  return top ? [...all, { word: "help", text: "show the manual of a command" }] : all;
}

interface Value {
  readonly context: Context;
  readonly name: string;
  readonly choices: readonly string[] | null;
  readonly held: Held;
}

/** By what stands in the <> of the help: `<file>` is a file, `<target>` a target. */
async function values(
  { name, choices, held }: Value,
  fragment: string,
): Promise<Candidates> {
  if (choices !== null) return plain(choices);
  switch (name) {
    case "target":
      return { words: [...held(fragment), ...await targets(fragment)], ...NO_FILES };
    case "name@session": {
      const kept = await liveHeld(fragment);
      const words = kept.map(({ target, text }) => ({ word: target, text }));
      return { words: [...held(fragment), ...words], ...NO_FILES };
    }
    case "segment":
      return { words: await segments(fragment), ...NO_FILES };
    case "session": {
      const sessions = await liveSessions();
      const words = sessions.map(({ name, pid }) => ({ word: name, text: `process ${pid}` }));
      return { words, ...NO_FILES };
    }
    case "way":
      return plain(KICK_WAYS);
    case "command":
      return plain(COMMANDS.map(({ name }) => name));
    case "file":
    case "script":
    case "socket":
    case "listen":
    case "connect":
      return { words: [], files: true };
    default:
      return { words: [], ...NO_FILES };
  }
}

async function targets(fragment: string): Promise<Candidate[]> {
  return (await liveTargets(fragment)).map(({ target, text }) => ({ word: target, text }));
}

/** `GPA=TARGET`: the target after the `=`. */
async function segments(fragment: string): Promise<Candidate[]> {
  const equals = fragment.indexOf("=") + 1;
  if (equals === 0) return [];
  const [place, target] = [fragment.slice(0, equals), fragment.slice(equals)];
  return (await targets(target)).map(({ word, text }) => ({ word: place + word, text }));
}

function plain(words: readonly string[]): Candidates {
  return { words: words.map((word) => ({ word, text: "" })), ...NO_FILES };
}
