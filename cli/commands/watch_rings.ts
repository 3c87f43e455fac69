/**
 * `guestmem watch` of rings: on the whole terminal, or a line per queue and interval.
 *
 * @module
 */
import { type OpenOptions, openTarget } from "../../lib/source/attach.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { followGuest, type WatchReport } from "../../lib/watch/follow.ts";
import type { Context } from "../context.ts";
import { rateText } from "../render/size.ts";
import { watchHeading, watchPlain, watchText } from "../render/watch.ts";
import { WatchJson } from "../render/watch_json.ts";
import { type EndOptions, type WatchEnd, watchEnd } from "./watch_end.ts";

/** What of the options of `watch` applies here. */
export interface RingOptions extends EndOptions {
  readonly target: string;
  readonly open: OpenOptions;
  readonly fast?: true | undefined;
  readonly keepGoing?: true | undefined;
  readonly json?: true | undefined;
  readonly plain?: true | undefined;
}

/** Watches until told to stop. The attachment is disposed here. */
export async function watchRings(
  context: Context,
  attachment: Attachment,
  options: RingOptions,
): Promise<void> {
  const interval = Math.min(options.interval, options.for ?? Infinity);
  const end = watchEnd(context, { ...options, interval });
  const able = context.terminal && context.takeScreen !== undefined;
  const whole = able && !options.json && !options.plain;
  const readings = new Readings();
  const counted = {
    isLast(report: WatchReport) {
      if (options.fast) readings.count(report);
      return end.isLast(report);
    },
  };
  const guest = new AttachedGuest(attachment, options, interval);
  await (whole ? screen : lines)(context, guest, counted, options);
  if (options.fast) context.warn(`guestmem: ${readings.text()}`);
  end.tell();
}

/** The guest, attached anew whenever it is back. */
class AttachedGuest {
  #first: Attachment | null;
  #now: Attachment | null = null;

  constructor(attachment: Attachment, readonly options: RingOptions, readonly interval: number) {
    this.#first = attachment;
  }

  /** As it is attached now; null while it is gone. */
  get now(): Attachment | null {
    return this.#now;
  }

  async *reports(
    wait: "never" | "gone",
    signal: AbortSignal,
    log: (line: string) => void,
  ): AsyncGenerator<WatchReport> {
    const { fast } = this.options;
    const onAttach = (attachment: Attachment) => this.#now = attachment;
    const how = { wait, interval: this.interval, signal, log, fast, onAttach };
    for await (const report of followGuest({ ...how, open: () => this.#open() })) {
      if (!report.guest.up) this.#now = null;
      yield report;
    }
  }

  #open(): Promise<Attachment> {
    const first = this.#first;
    this.#first = null;
    const { target, open } = this.options;
    return first === null ? openTarget(target, open) : Promise.resolve(first);
  }
}

type Last = Pick<WatchEnd, "isLast">;

/** The full-screen view. What it saw last stays on the terminal, unless somebody quit. */
async function screen(
  context: Context,
  guest: AttachedGuest,
  { isLast }: Last,
  { target }: RingOptions,
): Promise<void> {
  const { watchScreen } = await import("./watch_screen.ts");
  const last = await watchScreen(context, {
    target,
    interval: guest.interval,
    isLast,
    attachment: () => guest.now,
    reports: (signal, log) => guest.reports("gone", signal, log),
  });
  if (last !== null) {
    await context.print(
      watchText(last, Math.max(1, context.size().rows - 3), context.size().columns),
    );
  }
}

/** Lines that are printed at once: with thousands of queues all together weigh megabytes. */
const PIECE = 256;

/** A line per queue and interval. */
async function lines(
  context: Context,
  guest: AttachedGuest,
  { isLast }: Last,
  { json, plain, keepGoing, open: { log = () => {} } }: RingOptions,
): Promise<void> {
  if (!json && !plain) context.warn(watchHeading());
  const wait = keepGoing ? "gone" : "never";
  const asJson = new WatchJson();
  for await (const report of guest.reports(wait, context.signal, log)) {
    const { queues } = report;
    for (let first = 0; first < queues.length; first += PIECE) {
      const end = first + PIECE;
      await context.print(
        json
          ? asJson.lines(report, first, end)
          : watchPlain({ ...report, queues: queues.slice(first, end) }),
      );
    }
    if (isLast(report)) break;
  }
}

/** How often rings were read. */
class Readings {
  #rings = 0;
  #samples = 0;
  #elapsed = 0;

  count({ queues }: WatchReport): void {
    this.#rings = queues.length;
    for (const { samples } of queues) this.#samples += samples;
    this.#elapsed += queues[0]?.elapsed ?? 0;
  }

  text(): string {
    const rate = this.#elapsed > 0 ? this.#samples * 1000 / this.#elapsed : 0;
    const of = this.#rings === 1 ? "one ring" : `${this.#rings} rings`;
    return `${this.#samples} readings of ${of}, ${rateText(rate)} a second`;
  }
}
