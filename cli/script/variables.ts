/**
 * Variables of a script: what commands printed, as text and, where it is that, as JSON.
 *
 * @module
 */
import { plain, ScriptError, type Variable, type Word } from "./parse.ts";

/** Values by name. */
export type Variables = Map<string, Value>;

/** What a command printed. */
export interface Value {
  /** Without the last line end. */
  readonly text: string;
  /** The JSON in it (an array where each line is some); undefined where it is no JSON. */
  readonly json: unknown;
}

/** The value of a printed text. */
export function valueOf(printed: string): Value {
  const text = printed.replace(/\n+$/, "");
  return { text, json: /^[[{]/.test(text) ? parsed(text) : undefined };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const lines = text.split("\n").map(tryLine);
    return lines.includes(undefined) ? undefined : lines;
  }
}

function tryLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** A word with its variables filled in. Throws {@linkcode ScriptError}. */
export function expand(word: Word, line: number, variables: Variables): string {
  const text = plain(word);
  if (text !== null) return text;
  return word.parts.map((part) =>
    typeof part === "string" ? part : expandVariable(part, line, variables)
  ).join("");
}

/** The error for a variable that there is not. */
export function unknownVariable(
  { name, column }: Variable,
  line: number,
  known: Iterable<string>,
): ScriptError {
  const names = [...known].map((one) => `$${one}`);
  const remedy = names.length === 0 ? "`let NAME = COMMAND` sets one" : `set: ${names.join(", ")}`;
  return new ScriptError(line, column, `no variable $${name}`, remedy);
}

function expandVariable(variable: Variable, line: number, variables: Variables): string {
  const { name, path, column } = variable;
  const value = variables.get(name);
  if (value === undefined) throw unknownVariable(variable, line, variables.keys());
  if (path.length === 0) return value.text;
  if (value.json === undefined) {
    const remedy = `give its command --json; for the text and a dot write \${${name}}.${path[0]}`;
    throw new ScriptError(line, column, `$${name} is text, and has no fields`, remedy);
  }
  return asText(field(variable, line, value.json));
}

function field({ name, path, column }: Variable, line: number, root: unknown): unknown {
  let value = root;
  let way = `$${name}`;
  for (const key of path) {
    const isObject = typeof value === "object" && value !== null;
    if (!isObject || !Object.hasOwn(value as object, key)) {
      const known = isObject ? fieldNames(Object.keys(value as object)) : "none";
      const text = `${way} has no ${typeof key === "number" ? `[${key}]` : `field "${key}"`}`;
      throw new ScriptError(line, column, text, `its fields: ${known}`);
    }
    value = (value as Record<string | number, unknown>)[key];
    way += typeof key === "number" ? `[${key}]` : `.${key}`;
  }
  return value;
}

/** Field names that are told at most. */
const TOLD = 40;

function fieldNames(names: readonly string[]): string {
  return names.slice(0, TOLD).join(", ") + (names.length > TOLD ? ", …" : "");
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
