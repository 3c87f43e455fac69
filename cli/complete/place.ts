/**
 * What is expected at the end of a command line: pure, from the words and what the command takes.
 *
 * @module
 */
import type { CommandText, OptionText } from "../describe.ts";

/** What may stand there. */
export type Place =
  | { readonly kind: "command" }
  | { readonly kind: "option"; readonly options: readonly OptionText[] }
  /** A value; `name` is what stands in its <> in the help, and says what it is. */
  | {
    readonly kind: "value";
    readonly name: string;
    readonly choices: readonly string[] | null;
    /** What of the fragment stands before it: `--layout=`, or nothing. */
    readonly before: string;
  }
  | { readonly kind: "nothing" };

/**
 * The place of `fragment`, which follows `words`: those after the command's own name. Options come
 * before a fragment only where it begins with a dash.
 */
export function placeOf(
  command: CommandText,
  words: readonly string[],
  fragment: string,
): Place {
  if (command.commands.length > 0) {
    return fragment.startsWith("-") ? optionPlace(command, words) : { kind: "command" };
  }
  const seen = read(command, words);
  if (seen.waiting !== null) return valuePlace(seen.waiting, "");
  if (!seen.ended && fragment.startsWith("-")) {
    const equals = fragment.indexOf("=");
    if (equals < 0) return optionPlace(command, words);
    const option = optionNamed(command, fragment.slice(0, equals));
    const takes = option !== null && option.value !== null;
    return takes ? valuePlace(option, fragment.slice(0, equals + 1)) : { kind: "nothing" };
  }
  const last = command.arguments.at(-1);
  const argument = command.arguments[seen.arguments] ?? (last?.variadic ? last : undefined);
  if (argument === undefined) return { kind: "nothing" };
  return { kind: "value", name: argument.name, choices: argument.choices, before: "" };
}

interface Seen {
  /** An option that waits for its value. */
  readonly waiting: OptionText | null;
  /** Arguments that are there. */
  readonly arguments: number;
  /** `--` was there: no options any more. */
  readonly ended: boolean;
}

function read(command: CommandText, words: readonly string[]): Seen {
  let [count, waiting] = [0, null as OptionText | null];
  for (const [at, word] of words.entries()) {
    if (waiting !== null) waiting = null;
    else if (word === "--") {
      return { waiting: null, arguments: count + words.length - at - 1, ended: true };
    } else if (word.startsWith("-") && word !== "-") {
      const option = word.includes("=") ? null : optionNamed(command, word);
      if (option !== null && option.value !== null) waiting = option;
    } else count++;
  }
  return { waiting, arguments: count, ended: false };
}

function optionNamed({ options }: CommandText, word: string): OptionText | null {
  return options.find(({ long, short }) => word === long || word === short) ?? null;
}

/** Those that were not given yet, or may be again. */
function optionPlace(command: CommandText, words: readonly string[]): Place {
  const given = new Set(words.map((word) => word.split("=", 1)[0]));
  const left = command.options.filter(({ long, short, repeats }) =>
    repeats || !given.has(long) && (short === null || !given.has(short))
  );
  return { kind: "option", options: left };
}

function valuePlace({ value, choices }: OptionText, before: string): Place {
  return { kind: "value", name: value ?? "", choices, before };
}
