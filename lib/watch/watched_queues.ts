/**
 * All queues under watch, from report to report. A queue whose ring rests needs no whole reading but
 * now and then: for flags and event indices, and where its judgement may be another by then.
 *
 * @module
 */
import { RingBoard } from "./board.ts";
import type { FollowedQueue } from "./followed_queue.ts";
import type { Moment } from "./judge.ts";
import type { QueueRates } from "./queue_row.ts";

/** Milliseconds between two whole readings of a queue at most: a little less than the default interval. */
const WHOLE = 900;
/** Queues that began to rest together are read in so many turns, one after the other. */
const TURNS = 16;

/** Makes reports. */
export class WatchedQueues {
  readonly board: RingBoard<FollowedQueue>;
  readonly #rows: readonly QueueRates[];
  /** Of each queue that rests, when it wants a whole reading. */
  readonly #due: Float64Array;
  #halted: string | null = null;

  constructor(readonly queues: readonly FollowedQueue[]) {
    this.board = new RingBoard(queues);
    this.#rows = queues.map(({ row }) => row);
    this.#due = new Float64Array(queues.length);
  }

  /** All queues at that moment: the same objects each time, that say something else then. */
  report(moment: Moment): readonly QueueRates[] {
    const { board, queues } = this;
    if (moment.halted !== this.#halted) this.#due.fill(0);
    this.#halted = moment.halted;
    board.wakeMoved();
    this.#wakeDue(moment.now);
    for (const place of board.awake) queues[place].report(moment);
    for (const place of board.settle(moment.now)) this.#due[place] = this.#next(place, moment.now);
    return this.#rows;
  }

  /** Something is known of these queues that their next report is to say. */
  expect(places: readonly number[]): void {
    for (const place of places) this.#due[place] = 0;
  }

  /** Lets no ring rest: for what is to be followed in another way from now on. */
  wakeAll(): void {
    for (let place = 0; place < this.queues.length; place++) this.board.wake(place);
  }

  #wakeDue(now: number): void {
    const due = this.#due;
    for (let place = 0; place < due.length; place++) {
      if (due[place] > now) continue;
      if (this.#isAsBefore(place, now)) due[place] = now + WHOLE;
      else this.board.wake(place);
    }
  }

  /** Whether a look at flags and event indices, too, tells nothing new. */
  #isAsBefore(place: number, now: number): boolean {
    const queue = this.queues[place];
    return this.#due[place] > 0 && queue.sampler.resting !== null && queue.judge.due > now &&
      queue.isAsBefore();
  }

  #next(place: number, now: number): number {
    const turn = this.#due[place] === 0 ? (place % TURNS + 1) / TURNS : 1;
    return Math.min(now + WHOLE * turn, this.queues[place].judge.due);
  }
}
