/**
 * When rounds and reports were: all that there is to know of a ring that stood still in them, and the
 * same for each such ring. So nothing is kept ring by ring while they stand (`RingSampler.rest`).
 *
 * ```text
 *   report            round  round   round   report
 *   ────┼───────────────┼──────┼───────┼───────┼──▶   count 3, longest the first of them,
 *       start                          time           short the second: shorter than the one before
 * ```
 *
 * @module
 */

/** What a report says of each ring that stood still. */
export interface StillReport {
  /** When it was made, in milliseconds. */
  time: number;
  /** Milliseconds that it covers. */
  elapsed: number;
  /** Rounds in it. */
  samples: number;
}

/** Rounds since the last report; times in milliseconds of a steady clock. */
export class RoundLog {
  /** The last round, and how long it was after the one before. */
  time = NaN;
  elapsed = 0;
  /** The last report, or else the first round; and how many reports there were. */
  start = NaN;
  reports = 0;
  /** Since the last report: rounds, the longest time between two, and all that were short. */
  count = 0;
  longest = 0;
  short = 0;
  /** The last report. */
  readonly said: StillReport = { time: NaN, elapsed: 0, samples: 0 };

  /** All rings were read at `now`. */
  round(now: number): void {
    const elapsed = now - this.time;
    if (Number.isNaN(this.start)) this.start = now;
    this.count++;
    this.time = now;
    if (!(elapsed > 0)) return;
    if (elapsed < this.elapsed) this.short += elapsed;
    if (elapsed > this.longest) this.longest = elapsed;
    this.elapsed = elapsed;
  }

  /** A report is made at the time of the last round. */
  report(): void {
    const { time, start, count } = this;
    this.said.time = time;
    this.said.elapsed = time - start;
    this.said.samples = count;
    this.start = time;
    this.reports++;
    this.count = this.longest = this.short = 0;
  }
}
