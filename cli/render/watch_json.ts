/**
 * `watch --json`: a line per queue and report. With thousands of queues most of a line is what it was in
 * the report before, so its parts are kept: what a queue is called, what its last whole reading gave, and
 * what is the same of all queues that stand still.
 *
 * @module
 */
import type { QueueRates, WatchReport } from "../../lib/watch/follow.ts";
import { jsonMembers, timeText } from "./json.ts";

/** Parts of a queue's lines: they stand until it is read anew. */
interface Parts {
  readonly readings: number;
  readonly names: string;
  readonly kind: string;
  readonly places: string;
  readonly verdict: string;
}

/** `guestmem/watch/1`: lines of one report after the other. */
export class WatchJson {
  readonly #parts = new WeakMap<QueueRates, Parts>();
  #span = { elapsed: NaN, samples: NaN, text: "" };

  /** A line per queue from `first` to before `end`, without the last line end. */
  lines({ queues, time, guest }: WatchReport, first = 0, end = queues.length): string {
    const moment = `,${jsonMembers({ time: timeText(time) })},`;
    const state = `,${jsonMembers({ guest })}}`;
    const lines: string[] = [];
    for (let place = first; place < Math.min(end, queues.length); place++) {
      lines.push(this.#line(queues[place], moment, state));
    }
    return lines.join("\n");
  }

  #line(queue: QueueRates, moment: string, state: string): string {
    const parts = this.#partsOf(queue);
    const { indices } = queue;
    const average = numberText(queue.usedAverage);
    return parts.names + moment + parts.kind + this.#spanOf(queue) + parts.places + average +
      `,"gap":${queue.gap},"waiting":${numberText(indices === null ? null : queue.waiting)}` +
      `,"oldest":${numberText(queue.oldest)},` + parts.verdict + state;
  }

  #partsOf(queue: QueueRates): Parts {
    const before = this.#parts.get(queue);
    if (before !== undefined && before.readings === queue.readings) return before;
    const parts = partsOf(queue, before);
    this.#parts.set(queue, parts);
    return parts;
  }

  /** The same for all queues that stand still. */
  #spanOf({ elapsed, samples }: QueueRates): string {
    const last = this.#span;
    if (last.elapsed === elapsed && last.samples === samples) return last.text;
    const readRate = elapsed > 0 ? tidy(samples * 1000 / elapsed) : null;
    const text = `,${jsonMembers({ elapsed: tidy(elapsed), samples, readRate })},`;
    this.#span = { elapsed, samples, text };
    return text;
  }
}

function partsOf(queue: QueueRates, before: Parts | undefined): Parts {
  const { target, device, queue: { name, ring }, indices, suppression } = queue;
  return {
    readings: queue.readings,
    names: before?.names ?? `{${jsonMembers({ schema: "guestmem/watch/1", target })}`,
    kind: before?.kind ?? jsonMembers({
      device: device.name,
      queue: name,
      format: ring?.format ?? null,
      size: ring?.size ?? null,
    }),
    places: jsonMembers({
      available: indices?.available.index ?? null,
      used: indices?.used.index ?? null,
      inFlight: indices?.inFlight ?? null,
      inFlightWorst: indices === null ? null : queue.inFlightWorst,
      exact: indices?.exact ?? null,
      raced: indices?.raced ?? null,
      availableRate: tidy(queue.availableRate),
      usedRate: tidy(queue.usedRate),
    }) + ',"usedAverage":',
    verdict: jsonMembers({
      verdict: queue.verdict,
      evidence: queue.evidence,
      kickWanted: indices === null ? null : suppression.kickWanted,
      callWanted: indices === null ? null : suppression.callWanted,
    }),
  };
}

/** Three digits after the point are more than the clock is worth. */
function tidy(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000;
}

function numberText(value: number | null): string {
  return `${tidy(value)}`;
}
