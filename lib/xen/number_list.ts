/**
 * Lists of frames and grant references as operators write them.
 *
 * @module
 */
import { parseNumber } from "../address.ts";

/** Numbers that one list may name. */
export const LIST_LIMIT = 1 << 20;

/**
 * `8,9,10-20` as numbers, both ends of a range included, in the order given. Decimal or `0x`. Throws
 * SyntaxError for what is no list, for a number above `highest`, and for more than 1 Mi numbers.
 */
export function parseNumberList(text: string, highest: number): number[] {
  const numbers: number[] = [];
  for (const part of text.split(",")) {
    const match = /^\s*([0-9a-fx]+)\s*(?:-\s*([0-9a-fx]+)\s*)?$/i.exec(part);
    if (!match) throw new SyntaxError(`not a list: "${text.slice(0, 100)}" (want 8,9,10-20)`);
    const first = checked(match[1], highest);
    const last = match[2] === undefined ? first : checked(match[2], highest);
    if (last < first) throw new SyntaxError(`range ${part.trim()} runs backwards`);
    if (numbers.length + last - first + 1 > LIST_LIMIT) {
      throw new SyntaxError(`more than ${LIST_LIMIT} numbers in one list`);
    }
    for (let number = first; number <= last; number++) numbers.push(number);
  }
  return numbers;
}

function checked(text: string, highest: number): number {
  const number = parseNumber(text);
  if (number > BigInt(highest)) throw new SyntaxError(`${text} is above ${highest}`);
  return Number(number);
}
