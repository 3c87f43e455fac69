/**
 * Typed access to answers, which are JSON from a peer: every member is checked when it is read.
 *
 * @module
 */
import { ADDRESS_LIMIT } from "../../address.ts";
import { ProtocolError } from "../../errors.ts";
import { isRecord } from "./message.ts";

/** An answer's object, with the command it answers for error messages. */
export interface Answer {
  readonly command: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** The object itself. Throws `ProtocolError` for anything else. */
export function answer(command: string, value: unknown): Answer {
  if (!isRecord(value)) throw mismatch(command, "answer", "an object", value);
  return { command, value };
}

/** A list of objects, at most `limit` of them. */
export function answers(command: string, value: unknown, limit = 4096): Answer[] {
  if (!Array.isArray(value)) throw mismatch(command, "answer", "a list", value);
  if (value.length > limit) {
    throw mismatch(command, "answer", `at most ${limit} items`, value.length);
  }
  return value.map((item) => answer(command, item));
}

/** A string member. */
export function text(from: Answer, name: string): string {
  const value = from.value[name];
  if (typeof value !== "string") throw mismatch(from.command, name, "a string", value);
  return value;
}

/** A boolean member; `false` where it is absent. */
export function flag(from: Answer, name: string): boolean {
  return from.value[name] === true;
}

/** A non-negative integer member of at most `limit`. */
export function count(from: Answer, name: string, limit: number): number {
  const value = from.value[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= limit) {
    return value;
  }
  throw mismatch(from.command, name, `a number from 0 to ${limit}`, value);
}

/** The same, or null where it is absent. */
export function optionalCount(from: Answer, name: string, limit: number): number | null {
  return from.value[name] === undefined ? null : count(from, name, limit);
}

/** An unsigned 64-bit member: an address, a size. */
export function unsigned64(from: Answer, name: string): bigint {
  const value = from.value[name];
  const whole = typeof value === "bigint" ||
    (typeof value === "number" && Number.isSafeInteger(value));
  if (whole && value >= 0 && value < ADDRESS_LIMIT) return BigInt(value);
  throw mismatch(from.command, name, "an unsigned 64-bit number", value);
}

function mismatch(command: string, item: string, wanted: string, got: unknown): ProtocolError {
  return new ProtocolError("qmp", `${command} ${item}`, wanted, show(got));
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 60));
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "{…}";
  return String(value);
}
