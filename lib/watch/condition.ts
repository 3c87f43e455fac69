/**
 * What a script waits for: a condition over the names of a report.
 *
 * ```text
 * condition   [any|all] term {, term}          any is the default; all terms must hold of one queue
 * term        WORD                             moving, idle, lost-kick …: the verdict; stuck; gone, up
 *             NAME OP VALUE                    inFlight>=200, usedRate>0, oldest>5s, verdict!=idle
 * OP          = != < <= > >=
 * ```
 *
 * What is not known (null) is neither equal nor unequal to anything, and holds nowhere. While a guest
 * is gone, nothing holds of its queues.
 *
 * @module
 */
import type { RingConfig } from "../ring/config.ts";
import { type Verdict, VERDICTS } from "../ring/stall.ts";
import type { QueueRates } from "./queue_row.ts";
import type { WatchReport } from "./follow.ts";

/** A condition that was understood. */
export interface Condition {
  /** As it was written. */
  readonly text: string;
  /** Target of the queue of which it holds, or of the first where it is to hold of all; null for none. */
  holds(report: WatchReport): string | null;
  /** Why it can not hold of any of these rings; null where it can. */
  impossible(rings: readonly RingConfig[]): string | null;
}

/** A condition that makes no sense. `word` is what was not understood, of `known` ones; or empty. */
export class ConditionError extends Error {
  override readonly name = "ConditionError";
  constructor(message: string, readonly word = "", readonly known: readonly string[] = []) {
    super(message);
  }
}

const OPERATORS = ["<=", ">=", "!=", "=", "<", ">"] as const;
type Operator = (typeof OPERATORS)[number];

/** Numbers of a report, what they are counted in, and the most they can be where a ring bounds them. */
interface Quantity {
  readonly unit: "count" | "milliseconds";
  read(queue: QueueRates): number | null;
  readonly most?: (ring: RingConfig) => number;
}

const inRing = ({ size }: RingConfig) => size;
const index = ({ format, size }: RingConfig) => format === "split" ? 0xffff : size - 1;

const QUANTITIES: Readonly<Record<string, Quantity>> = {
  available: {
    unit: "count",
    read: ({ indices }) => indices?.available.index ?? null,
    most: index,
  },
  used: { unit: "count", read: ({ indices }) => indices?.used.index ?? null, most: index },
  inFlight: { unit: "count", read: ({ indices }) => indices?.inFlight ?? null, most: inRing },
  inFlightWorst: { unit: "count", read: ({ inFlightWorst }) => inFlightWorst, most: inRing },
  availableRate: { unit: "count", read: ({ availableRate }) => availableRate },
  usedRate: { unit: "count", read: ({ usedRate }) => usedRate },
  usedAverage: { unit: "count", read: ({ usedAverage }) => usedAverage },
  samples: { unit: "count", read: ({ samples }) => samples },
  waiting: { unit: "milliseconds", read: ({ waiting }) => waiting },
  oldest: { unit: "milliseconds", read: ({ oldest }) => oldest },
  elapsed: { unit: "milliseconds", read: ({ elapsed }) => elapsed },
};

/** Verdicts as one word each. */
const VERDICT_WORDS: ReadonlyMap<string, Verdict> = new Map(
  VERDICTS.map((verdict) => [verdict.replaceAll(" ", "-"), verdict]),
);
const WELL: readonly (Verdict | null)[] = ["moving", "idle"];

/** Words about the guest, not about a queue. */
const GUEST_WORDS = ["up", "gone"];
const WORDS = [...VERDICT_WORDS.keys(), "stuck", ...GUEST_WORDS];
const NAMES = [...Object.keys(QUANTITIES), "verdict"];

/** A term: of a queue, or of the guest. */
interface Term {
  readonly of: "queue" | "guest";
  holds(queue: QueueRates | null, report: WatchReport): boolean;
  /** What it leaves possible: verdicts, or a range of a quantity; for contradictions. */
  readonly verdicts?: readonly (Verdict | null)[];
  readonly range?: Range;
}

interface Range {
  readonly name: string;
  readonly operator: Operator;
  readonly value: number;
  readonly text: string;
}

/** Understands a condition. Throws {@linkcode ConditionError} for one that is none or can never hold. */
export function parseCondition(text: string): Condition {
  const match = /^\s*(?:(any|all)\s+)?(.*)$/.exec(text);
  const all = match?.[1] === "all";
  const terms = (match?.[2] ?? "").split(",").map((part) => parseTerm(part.trim()));
  checkTogether(terms);
  const ofQueue = terms.filter((term) => term.of === "queue");
  const ofGuest = terms.filter((term) => term.of === "guest");
  return {
    text: text.trim(),
    holds(report) {
      if (!ofGuest.every((term) => term.holds(null, report))) return null;
      const { queues, guest } = report;
      if (ofQueue.length === 0) return queues[0]?.target ?? "the guest";
      const good = (queue: QueueRates) => ofQueue.every((term) => term.holds(queue, report));
      if (!guest.up || queues.length === 0) return null;
      if (all) return queues.every(good) ? queues[0].target : null;
      return queues.find(good)?.target ?? null;
    },
    impossible: (rings) => beyond(terms, rings),
  };
}

function parseTerm(text: string): Term {
  if (text === "") throw new ConditionError("a term is missing");
  const match = /^([A-Za-z-]+)\s*(<=|>=|!=|==|=|<|>)\s*(\S+)$/.exec(text);
  if (match === null) return wordTerm(text);
  const [, name, sign, value] = match;
  const operator = (sign === "==" ? "=" : sign) as Operator;
  if (name === "verdict") return verdictTerm(operator, value);
  const quantity = Object.hasOwn(QUANTITIES, name) ? QUANTITIES[name] : null;
  if (quantity === null) throw new ConditionError(`no report has a "${name}"`, name, NAMES);
  return quantityTerm(quantity, { name, operator, value: parseValue(value, quantity.unit), text });
}

function wordTerm(word: string): Term {
  if (word === "up") return { of: "guest", holds: (_, { guest }) => guest.up };
  if (word === "gone") return { of: "guest", holds: (_, { guest }) => !guest.up };
  if (word === "stuck") return oneOf(VERDICTS.filter((verdict) => !WELL.includes(verdict)));
  const verdict = VERDICT_WORDS.get(word);
  if (verdict !== undefined) return oneOf([verdict]);
  if (NAMES.includes(word)) {
    throw new ConditionError(`"${word}" wants a comparison, such as ${word}>0`);
  }
  throw new ConditionError(`"${word}" is nothing to wait for`, word, [...WORDS, ...NAMES]);
}

function verdictTerm(operator: Operator, word: string): Term {
  const verdict = VERDICT_WORDS.get(word);
  if (verdict === undefined) {
    throw new ConditionError(`"${word}" is no verdict`, word, [...VERDICT_WORDS.keys()]);
  }
  if (operator === "=") return oneOf([verdict]);
  if (operator === "!=") return oneOf(VERDICTS.filter((other) => other !== verdict));
  throw new ConditionError(`a verdict is only = or !=, not ${operator}`);
}

function oneOf(verdicts: readonly Verdict[]): Term {
  const holds = (queue: QueueRates | null) =>
    queue !== null && queue.verdict !== null && verdicts.includes(queue.verdict);
  return { of: "queue", holds, verdicts };
}

function quantityTerm({ read, most }: Quantity, range: Range): Term {
  const { operator, value, text } = range;
  if (operator === "=" && most !== undefined && !Number.isInteger(value)) {
    throw new ConditionError(`"${text}": it is a whole number`);
  }
  if (operator === "<" && value === 0) throw new ConditionError(`"${text}": nothing is below 0`);
  return {
    of: "queue",
    range,
    holds(queue) {
      const now = queue === null ? null : read(queue);
      return now !== null && compare(now, operator, value);
    },
  };
}

function compare(left: number, operator: Operator, right: number): boolean {
  switch (operator) {
    case "=":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
  }
}

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function parseValue(text: string, unit: Quantity["unit"]): number {
  const match = /^(-?[0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new ConditionError(`"${text}" is no number`);
  if (match[1].startsWith("-")) {
    throw new ConditionError(`"${text}": nothing in a report is negative`);
  }
  if (match[2] !== undefined && unit !== "milliseconds") {
    throw new ConditionError(`"${text}": a count has no unit "${match[2]}"`);
  }
  return Number(match[1]) * MILLISECONDS[match[2] ?? "ms"];
}

/** Throws where terms that must hold at once can not. */
function checkTogether(terms: readonly Term[]): void {
  let verdicts: readonly (Verdict | null)[] = VERDICTS;
  for (const term of terms) {
    const possible = term.verdicts;
    if (possible !== undefined) verdicts = verdicts.filter((one) => possible.includes(one));
  }
  if (verdicts.length === 0) throw new ConditionError("a queue has one verdict at a time");
  const ranges = terms.flatMap(({ range }) => range ?? []);
  for (const a of ranges) {
    const b = ranges.find((other) => other.name === a.name && excludes(a, other));
    if (b !== undefined) {
      throw new ConditionError(`"${a.text}" and "${b.text}" are never both true`);
    }
  }
  if (terms.some((one) => one.of === "guest") && terms.length > 1) {
    throw new ConditionError("up and gone are of the guest, and stand alone");
  }
}

/** Whether what `a` allows at most lies below what `b` wants at least. */
function excludes(a: Range, b: Range): boolean {
  const [most, strictMost] = [bound(a, ["<", "<=", "="]), a.operator === "<"];
  const [least, strictLeast] = [bound(b, [">", ">=", "="]), b.operator === ">"];
  if (most === null || least === null) return false;
  return most < least || most === least && (strictMost || strictLeast);
}

function bound({ operator, value }: Range, of: readonly Operator[]): number | null {
  return of.includes(operator) ? value : null;
}

/** Why a quantity can not get so far in any ring. */
function beyond(terms: readonly Term[], rings: readonly RingConfig[]): string | null {
  for (const { range } of terms) {
    const most = range === undefined ? undefined : QUANTITIES[range.name].most;
    if (range === undefined || most === undefined || rings.length === 0) continue;
    const limit = Math.max(...rings.map(most));
    const least = bound(range, [">", ">=", "="]);
    if (least === null || least < limit || least === limit && range.operator !== ">") continue;
    return `${range.text} can never be: ${range.name} is at most ${limit} in the rings watched`;
  }
  return null;
}
