/**
 * JSON as scripts read it: one line a value; 64-bit addresses and features are hexadecimal strings,
 * counts and lengths numbers.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";

/** The first member of every object that the command line prints. */
export type Schema = `guestmem/${string}/${number}`;

/**
 * One line of JSON. Every bigint in it is an address or a bit mask and becomes a `0x` string. What a
 * terminal might act on is escaped, which changes no value: JSON itself asks that of C0 only.
 */
export function jsonLine(schema: Schema, value: Readonly<Record<string, unknown>>): string {
  return jsonText({ schema, ...value });
}

/** Members of an object as they stand in its line, without the braces: at least one. */
export function jsonMembers(value: Readonly<Record<string, unknown>>): string {
  return jsonText(value).slice(1, -1);
}

function jsonText(value: unknown): string {
  return shown(JSON.stringify(
    value,
    (_, item: unknown) => typeof item === "bigint" ? hex(item) : item,
  ));
}

/**
 * The same of what holds no bigint, and with a last member that is a list: it is made item by item, so
 * that nothing of an item is kept when the next one is made.
 */
export function listJsonLine(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  name: string,
  items: Iterable<unknown>,
): string {
  const texts: string[] = [];
  for (const item of items) texts.push(JSON.stringify(item));
  const head = JSON.stringify({ schema, ...value });
  return shown(`${head.slice(0, -1)},${JSON.stringify(name)}:[${texts.join(",")}]}`);
}

function shown(text: string): string {
  return ASCII.test(text) ? text : text.replace(UNSAFE, escaped);
}

const ASCII = /^[ -~]*$/;

/** The classes of `escape.ts` without the backslash, which JSON has taken care of. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, n) => character.charCodeAt(n));
  return units.map((unit) => "\\u" + unit.toString(16).padStart(4, "0")).join("");
}

/** A time as ISO 8601, UTC, to the millisecond. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
