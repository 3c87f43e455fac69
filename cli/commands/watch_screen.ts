/**
 * `guestmem watch` on a terminal: runs the full-screen view. What is shown and what keys do is pure
 * (`cli/screen`, `cli/render/watch_screen*.ts`); here it meets the guest and the terminal.
 *
 * @module
 */
import type { WatchReport } from "../../lib/watch/follow.ts";
import { type Context, pause, type Screen } from "../context.ts";
import { describeFailure, EXIT } from "../failure.ts";
import { type Event, initialState, type State } from "../screen/state.ts";
import { update } from "../screen/update.ts";
import { view } from "../render/watch_screen.ts";
import { type AttachmentOf, readQueue, WatchKick } from "./watch_queue.ts";

/** What to show. */
export interface WatchScreenOptions {
  /** As it was asked for. */
  readonly target: string;
  /** Milliseconds between two reports. */
  readonly interval: number;
  /** The guest as it is attached now; null while it is gone. */
  readonly attachment: AttachmentOf;
  /** Begins to follow; ends with the signal. */
  reports(signal: AbortSignal, log: (line: string) => void): AsyncIterable<WatchReport>;
  /** Whether a report is the last that is wanted. */
  isLast(report: WatchReport): boolean;
}

/** Milliseconds between two pictures at least: a terminal, and an eye, need no more. */
const FRAME = 50;
/** Milliseconds between two readings of an opened queue at least. */
const READ = 100;

/**
 * Shows the view until it is quit, interrupted, or the last report came. Gives that report, where it
 * came. Throws what following the guest throws, and when the terminal is gone.
 */
export async function watchScreen(
  context: Context,
  options: WatchScreenOptions,
): Promise<WatchReport | null> {
  const runner = new Runner(context, options);
  using screen = await context.takeScreen?.({
    key: (key) => runner.send({ kind: "key", key }),
    resize: (size) => runner.send({ kind: "size", size }),
    notice: (text) => runner.send({ kind: "notice", text }),
  });
  if (screen === undefined) throw new Error("there is no terminal to take");
  return await runner.run(screen);
}

/** Sends events through `update`, and does what the state then wants. */
class Runner {
  readonly #context: Context;
  readonly #options: WatchScreenOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #kick: WatchKick;
  #screen: Screen | null = null;
  #state: State;
  /** The picture on the terminal is old. */
  #stale = false;
  #drawing: Promise<void> | null = null;
  /** Why the terminal could not be written to. */
  #broken: { readonly error: unknown } | null = null;
  #reading = false;
  #read = -Infinity;

  constructor(context: Context, options: WatchScreenOptions) {
    this.#context = context;
    this.#options = options;
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal]);
    this.#kick = new WatchKick(options.attachment, this.#signal, (event) => this.send(event));
    const { target, interval } = options;
    const size = context.size();
    this.#state = initialState({ target, interval, size, keys: true, unicode: speaksUnicode() });
  }

  async run(screen: Screen): Promise<WatchReport | null> {
    this.#screen = screen;
    this.#state = { ...this.#state, keys: screen.keys, size: screen.size() };
    this.#draw();
    const notice = (text: string) => this.send({ kind: "notice", text });
    let last: WatchReport | null = null;
    try {
      for await (const report of this.#options.reports(this.#signal, notice)) {
        this.send({ kind: "report", report });
        if (!this.#options.isLast(report)) continue;
        last = report;
        break;
      }
    } finally {
      this.#stop.abort();
      await this.#drawing;
    }
    if (this.#broken !== null) throw this.#broken.error;
    if (this.#state.ended === "interrupted") this.#context.exit(EXIT.interrupted);
    return last;
  }

  send(event: Event): void {
    const before = this.#state;
    this.#state = update(before, event);
    if (this.#state === before) return;
    if (this.#state.ended !== null) this.#stop.abort();
    this.#kick.follow(before.kicking, this.#state.kicking);
    if (event.kind !== "queue") this.#readQueue(before);
    this.#draw();
  }

  /** Draws now, or right after the picture that is being drawn. */
  #draw(): void {
    this.#stale = true;
    this.#drawing ??= this.#drawAll()
      .catch((error) => {
        this.#broken = { error };
        this.#stop.abort();
      })
      .finally(() => this.#drawing = null);
  }

  async #drawAll(): Promise<void> {
    while (this.#stale && !this.#signal.aborted) {
      this.#stale = false;
      await this.#screen?.draw(view(this.#state));
      await pause(FRAME, this.#signal);
    }
  }

  /** Reads the opened queue where what is shown of it is old. */
  async #readQueue(before: State): Promise<void> {
    const { opened, paused, size } = this.#state;
    const due = performance.now() - this.#read >= READ && !paused || opened?.text === "";
    if (opened === null || this.#reading || !due || opened === before.opened && paused) return;
    this.#reading = true;
    this.#read = performance.now();
    const { target, descriptors } = opened;
    const options = { columns: size.columns, descriptors };
    const text = await readQueue(this.#options.attachment(), target, options)
      .catch((error) => describeFailure(error).message);
    this.#reading = false;
    this.send({ kind: "queue", target, text });
  }
}

/** Whether the terminal's text is UTF-8, as the locale says it. */
function speaksUnicode(): boolean {
  const locale = ["LC_ALL", "LC_CTYPE", "LANG"].map((name) => Deno.env.get(name) ?? "");
  return /utf-?8/i.test(locale.find((text) => text !== "") ?? "");
}
