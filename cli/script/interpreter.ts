/**
 * Runs statements of a script in a session of their own.
 *
 * @module
 */
import type { Holder } from "../../lib/session/holder.ts";
import { COMMANDS } from "../commands.ts";
import type { Context } from "../context.ts";
import { dispatch, isCommand } from "../dispatch.ts";
import { EXIT, type Failure } from "../failure.ts";
import { holds, OPERATOR_NAMES } from "./expect.ts";
import { plain, ScriptError, type Statement, type Word } from "./parse.ts";
import { expand, unknownVariable, valueOf, type Variables } from "./variables.ts";

/** What a script runs with. */
export interface Interpreter {
  readonly context: Context;
  readonly holder: Holder;
  readonly variables: Variables;
}

/** Commands of the language itself. */
export const BUILTINS = ["let", "print", "expect"] as const;

/** Commands that a script can not run: they would run one of their own. */
const OUTSIDE: readonly string[] = ["run", "shell"];

/** A statement that failed: why, with the exit code, and where. */
export interface LineFailure extends Failure {
  readonly line: number;
  readonly column: number;
}

/** Runs a statement. Gives why it failed, or null. Throws `OutputClosed` only. */
export async function runStatement(
  interpreter: Interpreter,
  statement: Statement,
): Promise<LineFailure | null> {
  const { line, result } = statement;
  const printed: string[] = [];
  const { context } = interpreter;
  const own = result === null ? context : { ...context, ...capture(printed) };
  try {
    const failure = await runWords({ ...interpreter, context: own }, statement);
    if (failure === null && result !== null) {
      interpreter.variables.set(result, valueOf(printed.join("")));
    }
    return failure;
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    return {
      code: EXIT.usage,
      message: error.message,
      remedy: error.remedy,
      line,
      column: error.column,
    };
  }
}

/** Output that becomes a variable: no colours, and the width of a wide terminal. */
function capture(printed: string[]): Partial<Context> {
  const decoder = new TextDecoder();
  return {
    terminal: false,
    size: () => ({ columns: 200, rows: 1000 }),
    print: (text) => Promise.resolve(void printed.push(text + "\n")),
    write: (bytes) => Promise.resolve(void printed.push(decoder.decode(bytes))),
  };
}

async function runWords(
  { context, holder, variables }: Interpreter,
  { line, words }: Statement,
): Promise<LineFailure | null> {
  const texts = words.map((word) => expand(word, line, variables));
  const [verb, ...rest] = texts;
  const at = (failure: Failure, column = words[0].column) => ({ ...failure, line, column });
  if (verb === "print") {
    await context.print(rest.join(" "));
    return null;
  }
  if (verb === "expect") return expectation(rest, words, line);
  if (OUTSIDE.includes(verb)) {
    const remedy = "put its lines where this one is";
    return at({ code: EXIT.usage, message: `${verb} is not for inside a script`, remedy });
  }
  const { code, text, failure } = await dispatch(texts, { ...context, session: holder });
  if (text !== "") await context.print(text.trimEnd());
  if (code === EXIT.done) return null;
  const message = failure?.message ?? endOf(verb, code);
  const remedy = failure?.remedy ?? "";
  return at({ code, message, remedy }, columnOf({ message, code }, words, texts));
}

function endOf(verb: string, code: number): string {
  if (code === EXIT.interrupted) return `${verb} was interrupted`;
  return code === EXIT.findings
    ? `${verb} reported findings, and was asked to check`
    : `${verb} ended with exit code ${code}`;
}

/** The word that a message quotes; for what is not found, the one that looks like a target. */
function columnOf(
  { message, code }: { readonly message: string; readonly code: number },
  words: readonly Word[],
  texts: readonly string[],
): number {
  const quoted = [...message.matchAll(/["']([^"']+)["']/g)].map(([, text]) => text);
  const target = (text: string) => /^[a-z]+:|@/.test(text);
  const index = texts.findIndex((text) =>
    quoted.some((one) => text === one || text.startsWith(`${one}=`))
  );
  if (index >= 0) return words[index].column;
  const guess = code === EXIT.usage ? -1 : texts.findIndex(target);
  return words[Math.max(0, guess)].column;
}

function expectation(
  [left, operator, right, ...more]: readonly string[],
  words: readonly Word[],
  line: number,
): LineFailure | null {
  const wrong = right === undefined || more.length > 0;
  const met = wrong ? null : holds(left, operator, right);
  if (met === true) return null;
  const [verb] = words;
  if (met === false) {
    const message = `expected ${left} ${operator} ${right}`;
    return { code: EXIT.failed, message, remedy: "", line, column: verb.column };
  }
  const remedy = `want: expect A OPERATOR B, with one of ${OPERATOR_NAMES.join(" ")}`;
  const { column } = wrong ? verb : words[2];
  return { code: EXIT.usage, message: "this is no condition", remedy, line, column };
}

/**
 * What can be known to be wrong before anything runs: commands and variables that there are not.
 * Null where nothing is.
 */
export async function checkStatements(
  context: Context,
  statements: readonly Statement[],
  variables: Iterable<string> = [],
): Promise<LineFailure | null> {
  const known = new Set(variables);
  for (const { line, result, words } of statements) {
    for (const { parts } of words) {
      for (const part of parts) {
        if (typeof part === "string" || known.has(part.name)) continue;
        const { column, message, remedy } = unknownVariable(part, line, known);
        return { code: EXIT.usage, message, remedy, line, column };
      }
    }
    const failure = await checkVerb(context, words[0]);
    if (failure !== null) return { ...failure, line, column: words[0].column };
    if (result !== null) known.add(result);
  }
  return null;
}

async function checkVerb(context: Context, word: Word): Promise<Failure | null> {
  const verb = plain(word);
  const builtin = (BUILTINS as readonly string[]).includes(verb ?? "");
  if (verb === null || builtin || verb === "help" || isCommand(verb)) return null;
  // Runs nothing, as there is no such command: it only says so, and what is like it.
  const outcome = verb.startsWith("-") ? null : await dispatch([verb], context);
  const names = [...COMMANDS.map(({ name }) => name), ...BUILTINS].join(", ");
  return outcome?.failure ??
    { code: EXIT.usage, message: `"${verb}" is no command`, remedy: `commands: ${names}` };
}
