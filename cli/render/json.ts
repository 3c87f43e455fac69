/**
 * JSON as scripts read it: one line a value; 64-bit addresses and features are hexadecimal strings,
 * counts and lengths numbers.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";

/** The first member of every object that the command line prints. */
export type Schema = `guestmem/${string}/${number}`;

/** One line of JSON. Every bigint in it is an address or a bit mask and becomes a `0x` string. */
export function jsonLine(schema: Schema, value: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(
    { schema, ...value },
    (_, item: unknown) => typeof item === "bigint" ? hex(item) : item,
  );
}

/** A time as ISO 8601, UTC, to the millisecond. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
