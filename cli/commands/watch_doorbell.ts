/**
 * `guestmem watch` of a target whose peers ring us: a line per interrupt, and per peer that comes or
 * goes.
 *
 * @module
 */
import type { Attachment, Interrupts } from "../../lib/source/source.ts";
import { type DoorbellEvent, followInterrupts } from "../../lib/watch/follow_interrupts.ts";
import type { Context } from "../context.ts";
import { jsonLine, timeText } from "../render/json.ts";

/** What of the options of `watch` applies here. */
export interface DoorbellFlags {
  readonly json?: true | undefined;
  /** Lines to print at most. */
  readonly count?: number | undefined;
  /** Milliseconds. */
  readonly for?: number | undefined;
}

/** Longest time in which a peer that comes or goes is not noticed, in milliseconds. */
const INTERVAL = 200;

/** Prints events until Ctrl-C, `--for` or `--count`. */
export async function watchDoorbell(
  context: Context,
  attachment: Attachment,
  interrupts: Interrupts,
  { json, count = Infinity, for: duration }: DoorbellFlags,
): Promise<void> {
  const own = new AbortController();
  const stop = () => own.abort();
  context.signal.addEventListener("abort", stop, { once: true });
  const timer = duration === undefined ? undefined : setTimeout(stop, duration);
  try {
    let left = count;
    const options = { interval: INTERVAL, signal: own.signal };
    for await (const event of followInterrupts(attachment, interrupts, options)) {
      const time = timeText(Date.now());
      const line = json
        ? jsonLine("guestmem/doorbell/1", { time, target: attachment.target.text, ...event })
        : `${time}  ${eventText(event)}`;
      await context.print(line);
      if (--left <= 0) break;
    }
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener("abort", stop);
  }
}

function eventText(event: DoorbellEvent): string {
  switch (event.kind) {
    case "interrupt":
      return `vector ${event.vector} rung ${times(event.count)}, ${event.total} in all`;
    case "ended":
      return event.text;
    default:
      return `peer ${event.peer} ${event.kind} (${event.vectors} vectors)`;
  }
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
