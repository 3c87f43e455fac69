/**
 * What happens to a command that runs until it is told to end, as lines: one after the other, in the
 * order in which it happened, however slow the reader is.
 *
 * @module
 */
import type { Context } from "./context.ts";
import { jsonLine, type Schema, timeText } from "./render/json.ts";
import { renderPlain } from "./render/table.ts";

/** One thing that happened. */
export interface CommandEvent {
  readonly kind: string;
  /** Whom it is about: `connection 3`; null where it is about nobody. */
  readonly about: number | null;
  /** For a person. */
  readonly text: string;
  /** Members of its JSON, beside `schema`, `time` and `text`. */
  readonly members: Readonly<Record<string, unknown>>;
}

/** How lines are wanted. */
export interface EventFlags {
  readonly json?: true | undefined;
  readonly plain?: true | undefined;
}

/** Prints events. */
export interface EventPrinter {
  say(event: CommandEvent): void;
  /** Fulfilled when all has been printed. */
  written(): Promise<void>;
}

/** Prints as JSON of a schema, between tabs (time, kind, whom it is about, text), or as text. */
export function eventPrinter(
  { print }: Pick<Context, "print">,
  schema: Schema,
  flags: EventFlags,
): EventPrinter {
  let last = Promise.resolve();
  return {
    say(event) {
      const line = lineOf(event, schema, flags);
      last = last.then(() => print(line));
    },
    written: () => last,
  };
}

function lineOf(event: CommandEvent, schema: Schema, { json, plain }: EventFlags): string {
  const { kind, about, text, members } = event;
  const time = timeText(Date.now());
  if (json) return jsonLine(schema, { time, ...members, text });
  return plain
    ? renderPlain({ columns: [], rows: [[time, kind, about === null ? "" : `${about}`, text]] })
    : text;
}
