/**
 * Asking before a kick, and telling what came of it.
 *
 * @module
 */
import type { Kicking, State } from "../screen/state.ts";
import { bold, dim, red, yellow } from "./colors.ts";
import { escape } from "./escape.ts";
import { wrap } from "./line.ts";

/** The lines at the foot of the screen; none where no kick is on its way. */
export function kickLines({ kicking, size, unicode }: State): string[] {
  if (kicking === null) return [];
  const rule = dim((unicode ? "─" : "-").repeat(size.columns));
  const lines = textOf(kicking).flatMap((text) => wrap(text, size.columns));
  // The first line names the queue and the last one the keys: what is too much is left out between.
  const most = size.rows - 2;
  const shown = lines.length > most
    ? [...lines.slice(0, most - 1), lines[lines.length - 1]]
    : lines;
  return [rule, ...shown];
}

function textOf(kicking: Kicking): string[] {
  const queue = escape(kicking.target);
  switch (kicking.phase) {
    case "planning":
      return [`${bold("kick")} ${queue}: looking for a way …`, dim("Esc gives up")];
    case "asking":
      return [
        `${bold("kick")} ${queue}?`,
        `by ${escape(kicking.plan.way)}: ${escape(kicking.plan.signals)}`,
        yellow("y kicks, any other key does not"),
      ];
    case "sending":
      return [`${bold("kick")} ${queue}: ${escape(kicking.plan.signals)}`, dim("sent, looking …")];
    case "done": {
      const lines = kicking.lines.map(escape);
      return [
        kicking.failed ? red(`${queue} was not kicked`) : `${bold("kicked")} ${queue}`,
        ...kicking.plan === null ? [] : [escape(kicking.plan.signals)],
        ...kicking.failed ? lines.map(red) : lines,
        dim("any key goes on"),
      ];
    }
  }
}
