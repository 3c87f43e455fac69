/**
 * Counters that the demo's two sides and its owner share.
 *
 * @module
 */
import { BREAK_NAMES, type BreakName } from "./breaks.ts";

/** What is counted per queue, in this order. */
const FIELDS = [
  "submitted",
  "completed",
  "errors",
  "inFlight",
  "mostInFlight",
  "kicks",
  "calls",
] as const;

/** Name of a counter. */
export type Counter = (typeof FIELDS)[number];

/** Counters of one queue. */
export type QueueCounters = Readonly<Record<Counter, number>>;

/** Words before the counters: the break in force, and how far the sides are with it. */
const HEADER = 2;

/** A view of the shared counters. */
export class Counters {
  readonly #words: Int32Array<SharedArrayBuffer>;

  /** Over memory that another thread made, or new for so many queues. */
  constructor(readonly shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
  }

  /** New ones, all 0. */
  static make(queues: number): Counters {
    return new Counters(new SharedArrayBuffer((HEADER + queues * FIELDS.length) * 4));
  }

  /** Adds to a counter. */
  add(queue: number, field: Counter, amount = 1): void {
    Atomics.add(this.#words, this.#index(queue, field), amount);
  }

  /** Notes how many are in flight. */
  flight(queue: number, now: number): void {
    Atomics.store(this.#words, this.#index(queue, "inFlight"), now);
    const most = this.#index(queue, "mostInFlight");
    if (now > Atomics.load(this.#words, most)) Atomics.store(this.#words, most, now);
  }

  /** All counters of a queue. */
  queue(queue: number): QueueCounters {
    const read = (field: Counter) => Atomics.load(this.#words, this.#index(queue, field));
    return Object.fromEntries(FIELDS.map((field) => [field, read(field)])) as QueueCounters;
  }

  /** The break in force. */
  get broken(): BreakName | null {
    return BREAK_NAMES[Atomics.load(this.#words, 0) - 1] ?? null;
  }

  /** Breaks something, for good. */
  set broken(name: BreakName | null) {
    Atomics.store(this.#words, 0, name === null ? 0 : BREAK_NAMES.indexOf(name) + 1);
  }

  /** How far the two sides are with a break that takes both: 0 at first. */
  get phase(): number {
    return Atomics.load(this.#words, 1);
  }

  /** Goes on to the next step. */
  set phase(phase: number) {
    Atomics.store(this.#words, 1, phase);
  }

  #index(queue: number, field: Counter): number {
    return HEADER + queue * FIELDS.length + FIELDS.indexOf(field);
  }
}
