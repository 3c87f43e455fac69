/**
 * When which ring is read. Rings that stand still are read in rounds, as often as a small part of one
 * processor allows; those that move so fast that an index could lap between two rounds have rounds of
 * their own. Times between readings of a ring are short and long in turn, as `sampler.ts` wants them.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import type { RingBoard } from "./board.ts";
import { distance } from "./distance.ts";
import { restUntil, takeTurns } from "./rest.ts";

/** How rounds are timed. */
export interface RoundOptions {
  /** Milliseconds between two reports. */
  readonly interval: number;
  /** Read without a pause instead. */
  readonly fast: boolean;
  readonly signal: AbortSignal;
  readonly sys: Pick<Sys, "nap">;
}

/** Rounds in an interval, where they are cheap enough. */
const ROUNDS = 20;
/** Longest time between two rounds, in milliseconds, and where rings are so many that it costs much. */
const LONGEST = 50;
const LONGEST_MANY = 100;
/** Part of one processor that rounds of all rings may take, and those of the fast ones. */
const SHARE = 0.02;
const FAST_SHARE = 0.1;
/** Readings between two looks at the clock, where nothing else is wanted, and milliseconds of them. */
const PER_CLOCK = 16;
const STRETCH = 4;

/** Reads rings until it is time for a report. */
export class Rounds {
  readonly #longest: number;
  /** Places of the rings that have rounds of their own. */
  #hot: number[] = [];
  #turn = 0;
  #hotTurn = 0;
  #next = 0;
  #hotNext = Infinity;

  constructor(readonly options: RoundOptions) {
    this.#longest = Math.min(LONGEST, options.interval / ROUNDS);
  }

  /** Reads the rings of `board` until `end` of `performance.now()` or the signal. */
  async until(end: number, board: RingBoard): Promise<void> {
    const { signal, sys, fast } = this.options;
    // Where reports take all the time there is no wait, and yet others must have their turn.
    await takeTurns();
    if (fast) return await this.#withoutPause(end, board);
    while (!signal.aborted) {
      const now = performance.now();
      if (now >= this.#next) this.#round(board, now);
      if (now >= this.#hotNext) this.#hotRound(board, now);
      if (performance.now() >= end) return;
      await restUntil(Math.min(end, this.#next, this.#hotNext), signal, sys);
    }
  }

  #round(board: RingBoard, now: number): void {
    board.round(now);
    const cost = performance.now() - now;
    const long = Math.max(this.#longest, Math.min(LONGEST_MANY, cost / SHARE));
    this.#next = now + Math.max(distance(this.#turn++, long), cost / FAST_SHARE);
    this.#hot = board.awake.filter((place) => board.rings[place].sampler.pace() < long);
    if (this.#hot.length === 0) this.#hotNext = Infinity;
    else if (this.#hotNext === Infinity) this.#hotNext = now + this.#pace(board, 0);
  }

  #hotRound(board: RingBoard, now: number): void {
    board.observe(this.#hot, now);
    this.#hotNext = now + this.#pace(board, performance.now() - now);
  }

  /** Milliseconds until the next round of the fast rings. */
  #pace({ rings }: RingBoard, cost: number): number {
    let pace = LONGEST;
    for (const place of this.#hot) pace = Math.min(pace, rings[place].sampler.pace());
    return Math.max(distance(this.#hotTurn++, pace), cost / FAST_SHARE);
  }

  async #withoutPause(end: number, board: RingBoard): Promise<void> {
    const times = Math.max(1, Math.floor(PER_CLOCK / board.rings.length));
    let now = performance.now();
    while (!this.options.signal.aborted) {
      for (const stretch = now + STRETCH; now < stretch && now < end; now = performance.now()) {
        for (let n = 0; n < times; n++) board.round(now);
      }
      if (now >= end) return;
      await takeTurns();
    }
  }
}
