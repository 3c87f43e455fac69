/**
 * Arguments as operators write them. Each parser throws commander's `InvalidArgumentError`, which
 * names the argument and ends in exit code 2.
 *
 * @module
 */
import { InvalidArgumentError } from "commander";
import { parseNumber } from "../lib/address.ts";

const UNIT: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Longest duration, in milliseconds: what a timer can wait. */
const LONGEST = 2 ** 31 - 1;

/** `20s`, `500ms`, `1.5m`, `2h`. Gives milliseconds. */
export function parseDuration(text: string): number {
  // A number alone is seconds to sleep(1) and milliseconds to others: nobody shall have to guess.
  if (/^[0-9.]+$/.test(text.trim()) && Number(text) > 0) {
    throw new InvalidArgumentError(`Want a unit: ${text.trim()}s, or ${text.trim()}ms.`);
  }
  return milliseconds(text);
}

/** How long to look: a duration of at least 1 ms. */
export function parseSpan(text: string): number {
  return atLeastOne(parseDuration(text));
}

/** A duration of at least 1 ms; a number alone is milliseconds. */
export function parseInterval(text: string): number {
  return atLeastOne(milliseconds(text));
}

function milliseconds(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?$/.exec(text.trim());
  if (!match) throw new InvalidArgumentError("Want a duration such as 500ms, 20s, 5m or 1h.");
  const value = Number(match[1]) * UNIT[match[2] ?? "ms"];
  if (value > LONGEST) throw new InvalidArgumentError("That is longer than 24 days.");
  return value;
}

function atLeastOne(value: number): number {
  if (value < 1) throw new InvalidArgumentError("Want at least 1ms.");
  return value;
}

/** A guest address: decimal, `0x` hexadecimal, or with K, M, G, T. */
export function parseAddress(text: string): bigint {
  try {
    return parseNumber(text);
  } catch (error) {
    throw new InvalidArgumentError(capital((error as Error).message));
  }
}

/** A length in bytes, at least 1. */
export function parseLength(text: string): bigint {
  const length = parseAddress(text);
  if (length === 0n) throw new InvalidArgumentError("A length of 0 shows nothing.");
  return length;
}

/** `PORT` on loopback, or `ADDRESS:PORT`. */
export function parseAddressPort(text: string): { hostname: string; port: number } {
  const match = /^(?:(\[[0-9a-f:]+\]|[^:[\]]+):)?([0-9]{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65535) throw new InvalidArgumentError("Want a port, or 127.0.0.1:9469.");
  return { hostname: match[1]?.replace(/^\[|\]$/g, "") ?? "127.0.0.1", port };
}

/** `START-END` (END exclusive) or `START+LENGTH`. */
export function parseRange(text: string): { start: bigint; end: bigint } {
  const match = /^([^+-]+)([+-])([^+-]+)$/.exec(text);
  if (!match) throw new InvalidArgumentError("Want START-END or START+LENGTH.");
  const start = parseAddress(match[1]);
  const end = match[2] === "-" ? parseAddress(match[3]) : start + parseAddress(match[3]);
  if (end <= start) throw new InvalidArgumentError("The range is empty.");
  return { start, end };
}

/** A whole number of at least 1, below 2^31. */
export function parseCount(text: string): number {
  return wholeNumber(text, 1);
}

/** How many to show: a whole number, 0 for all. Gives Infinity for 0. */
export function parseLimit(text: string): number {
  return wholeNumber(text, 0) || Infinity;
}

function wholeNumber(text: string, least: number): number {
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || number < least || number >= 2 ** 31) {
    throw new InvalidArgumentError(`Want a whole number of at least ${least}.`);
  }
  return number;
}

/** A score from 0 to 1. */
export function parseScore(text: string): number {
  const score = Number(text);
  if (text.trim() === "" || !(score >= 0 && score <= 1)) {
    throw new InvalidArgumentError("Want a score from 0 to 1.");
  }
  return score;
}

/** Bytes in hexadecimal: `deadbeef`, `de ad be ef`, `de:ad:be:ef`, with or without `0x`. */
export function parseHexBytes(text: string): Uint8Array {
  const digits = text.replace(/^0x/i, "").replace(/[\s:_-]/g, "");
  if (!/^([0-9a-f]{2})+$/i.test(digits)) {
    throw new InvalidArgumentError("Want pairs of hexadecimal digits, such as 55aa or 'de ad'.");
  }
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function capital(text: string): string {
  return text[0].toUpperCase() + text.slice(1) + ".";
}
