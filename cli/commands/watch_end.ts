/**
 * When `guestmem watch` has seen enough: `--count`, `--for`, `--until`.
 *
 * @module
 */
import { InvalidArgumentError } from "commander";
import { type Condition, ConditionError, parseCondition } from "../../lib/watch/condition.ts";
import type { WatchReport } from "../../lib/watch/follow.ts";
import { type Context, UsageError } from "../context.ts";
import { EXIT } from "../failure.ts";
import { nearestWord } from "../../lib/nearest.ts";
import { durationText } from "../render/size.ts";

/** The options that say so. */
export interface EndOptions {
  /** Milliseconds between two reports. */
  readonly interval: number;
  readonly count?: number | undefined;
  /** Milliseconds. */
  readonly for?: number | undefined;
  readonly until?: Condition | undefined;
}

/** Counts reports and looks at what they say. */
export interface WatchEnd {
  /** Whether a report is the last that is wanted. Throws `UsageError` for what can never come. */
  isLast(report: WatchReport): boolean;
  /** Tells what came of it: for `--until` on stderr, and by the exit code. */
  tell(): void;
}

/** An argument of `--until`. Throws commander's `InvalidArgumentError`, with what was meant. */
export function parseUntil(text: string): Condition {
  try {
    return parseCondition(text);
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    const meant = nearestWord(error.word, error.known);
    const hint = error.known.length === 0
      ? ""
      : meant === null
      ? ` Known: ${error.known.join(", ")}.`
      : ` Did you mean ${meant}?`;
    throw new InvalidArgumentError(`${capital(error.message)}.${hint}`);
  }
}

/** Begins now. */
export function watchEnd(context: Context, options: EndOptions): WatchEnd {
  const { interval, count = Infinity, for: duration = Infinity, until } = options;
  const begin = performance.now();
  // Reports may be late, or rarer while a guest is gone: then time ends it, not their number.
  const end = begin + duration + interval / 2;
  let left = Math.min(count, Math.max(1, Math.round(duration / interval)));
  let met: string | null = null;
  let checked = until === undefined;
  return {
    isLast(report) {
      if (!checked && report.queues.length > 0) {
        checked = true;
        check(until as Condition, report);
      }
      met = until?.holds(report) ?? null;
      return met !== null || --left <= 0 || performance.now() >= end;
    },
    tell() {
      if (until === undefined || context.signal.aborted) return;
      const time = durationText(performance.now() - begin);
      if (met !== null) return context.warn(`guestmem: ${met}: ${until.text}, after ${time}`);
      context.warn(`guestmem: never ${until.text}, in ${time}`);
      context.exit(EXIT.failed);
    },
  };
}

function check(until: Condition, { queues }: WatchReport): void {
  const why = until.impossible(queues.map(({ config }) => config));
  if (why !== null) throw new UsageError(why, "`guestmem help watch` tells what to wait for");
}

function capital(text: string): string {
  return text === "" ? "" : text[0].toUpperCase() + text.slice(1);
}
