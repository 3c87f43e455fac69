/**
 * What may follow on a line of a script: what may follow on a command line (`complete/candidates.ts`),
 * and what the language adds to it.
 *
 * @module
 */
import type { Device } from "../../lib/guest/guest.ts";
import { expand, livePaths } from "../../lib/source/live.ts";
import { type Candidate, complete } from "../complete/candidates.ts";
import { BUILTINS, type Interpreter } from "./interpreter.ts";

/** Candidates for the end of a line, and the end that they take the place of. */
export type Completion = [candidates: string[], fragment: string];

/** Gives the completion of a line up to the cursor. Never rejects. */
export type Completer = (line: string) => Promise<Completion>;

/** Words that end a shell. */
export const ENDINGS: readonly string[] = ["exit", "quit"];

/** The completer of a shell. */
export function completer(interpreter: Interpreter): Completer {
  let busy = false;
  return async (line) => {
    const words = line.trimStart().split(/[ \t]+/);
    const fragment = words.pop() ?? "";
    // A second Tab before the first has its answer would put that in twice.
    if (busy) return [[], fragment];
    busy = true;
    try {
      const all = await candidates(interpreter, words, fragment);
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
): Promise<string[]> {
  if (fragment.startsWith("$")) {
    return [...interpreter.variables.keys()].map((name) => `$${name}`);
  }
  const words = before[0] === "let" && before[2] === "=" ? before.slice(3) : before;
  if ((BUILTINS as readonly string[]).includes(words[0])) return [];
  const own = words.length === 0 ? [...BUILTINS, ...ENDINGS] : [];
  const found = await complete(
    interpreter.context,
    words,
    fragment,
    (text) => held(interpreter, text),
  );
  const files = found.files ? livePaths(fragment) : [];
  return [...own, ...found.words.map(({ word }) => word), ...files];
}

/** What the session of this shell holds. */
function held({ holder }: Interpreter, fragment: string): Candidate[] {
  const families = holder.list().map(({ name, kind, of }) => ({
    target: `${name}@${holder.session}`,
    text: of,
    devices: kind === "tap" ? [] as Device[] : holder.get(name).attachment.devices,
  }));
  return expand(families, fragment).map(({ target, text }) => ({ word: target, text }));
}
