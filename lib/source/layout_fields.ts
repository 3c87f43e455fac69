/**
 * Checked readers of JSON fields. Each failure names the JSON path of the field at fault.
 *
 * @module
 */
import { ADDRESS_LIMIT } from "../address.ts";
import { ProtocolError } from "../errors.ts";

/** A JSON object with the path it stands at, so that its fields can be named in errors. */
export interface Node {
  /** `memory[1]`; empty for the file's root. */
  readonly path: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Path of a field of a node: `memory[1].gpa`. */
export function pathOf(node: Node, name: string): string {
  return node.path === "" ? name : `${node.path}.${name}`;
}

/** The error for a field that is not what it should be. */
export function wrong(path: string, wanted: string, value: unknown): ProtocolError {
  return new ProtocolError("layout", path, wanted, shown(value));
}

/** Parses JSON text into its root object. Throws {@linkcode ProtocolError}. */
export function parseRoot(text: string): Node {
  try {
    return node("", JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // It quotes the file, line ends included.
    throw new ProtocolError("layout", "file", "JSON", error.message.replace(/\s+/g, " "));
  }
}

/** A value as an object. */
export function node(path: string, value: unknown): Node {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(path === "" ? "file" : path, "an object {…}", value);
  }
  return { path, fields: value as Record<string, unknown> };
}

/** A field that is an array of objects; absent: null. */
export function nodes(parent: Node, name: string): Node[] | null {
  const value = parent.fields[name];
  if (value === undefined) return null;
  const path = pathOf(parent, name);
  if (!Array.isArray(value)) throw wrong(path, "an array […]", value);
  return value.map((item, index) => node(`${path}[${index}]`, item));
}

/**
 * A 64-bit quantity: `0x` hexadecimal or decimal digits in a string, or a JSON number that is exact.
 * `missing` is given for an absent field; without it absence is an error.
 */
export function quantity<T = never>(parent: Node, name: string, missing?: T): bigint | T {
  const value = parent.fields[name];
  const wanted = "a 64-bit number such as 0x1000";
  if (value === undefined && missing !== undefined) return missing;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === "string" && /^(0x[0-9a-f]{1,16}|[0-9]{1,20})$/i.test(value)) {
    const number = BigInt(value);
    if (number < ADDRESS_LIMIT) return number;
  }
  throw wrong(pathOf(parent, name), wanted, value);
}

/** An integer in [0, limit]. */
export function integer<T = never>(
  parent: Node,
  name: string,
  limit: number,
  missing?: T,
): number | T {
  const value = parent.fields[name];
  if (value === undefined && missing !== undefined) return missing;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= limit) {
    return value;
  }
  throw wrong(pathOf(parent, name), `an integer from 0 to ${limit}`, value);
}

/** A string, not empty unless that is allowed. */
export function string<T = never>(
  parent: Node,
  name: string,
  missing?: T,
  mayBeEmpty = false,
): string | T {
  const value = parent.fields[name];
  if (value === undefined && missing !== undefined) return missing;
  if (typeof value === "string" && (mayBeEmpty || value !== "")) return value;
  throw wrong(pathOf(parent, name), "a string", value);
}

/** One of a few words. */
export function word<W extends string, T = never>(
  parent: Node,
  name: string,
  words: readonly W[],
  missing?: T,
): W | T {
  const value = parent.fields[name];
  if (value === undefined && missing !== undefined) return missing;
  const found = words.find((item) => item === value);
  if (found !== undefined) return found;
  throw wrong(pathOf(parent, name), words.map((item) => `"${item}"`).join(" or "), value);
}

/** true, false, 1 or 0. */
export function bit<T = never>(parent: Node, name: string, missing?: T): boolean | T {
  const value = parent.fields[name];
  if (value === undefined && missing !== undefined) return missing;
  if (value === true || value === 1) return true;
  if (value === false || value === 0) return false;
  throw wrong(pathOf(parent, name), "0 or 1", value);
}

/** A value for an error message: short, and as JSON so that control characters are escaped. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
