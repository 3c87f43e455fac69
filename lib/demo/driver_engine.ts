/**
 * Keeps one queue of the demo busy from the driver's side, and stops as a break says.
 *
 * @module
 */
import type { DriverQueue } from "../ring/driver_queue.ts";
import { type BreakName, PHASE } from "./breaks.ts";
import { corruptNext } from "./corrupt.ts";
import { type QueueFds, type QueuePlan, slotAddress } from "./plan.ts";
import type { Engine, SideContext } from "./side.ts";
import { type Job, Slot, type Workload } from "./workload.ts";

interface Sent {
  readonly slot: number;
  readonly job: Job;
}

/** The driver of one queue. */
export class DriverEngine implements Engine {
  readonly #fds: QueueFds;
  readonly #slots: number[];
  readonly #perSecond: number;
  #last = NaN;
  /** Requests that the clock has granted and that are not sent yet. */
  #due = 0;
  #reaping = true;
  /** A break has done its work: nothing is submitted any more. */
  #stuck = false;

  constructor(
    readonly context: SideContext,
    readonly plan: QueuePlan,
    readonly queue: DriverQueue<Sent>,
    readonly workload: Workload,
  ) {
    this.#fds = context.start.fds[plan.number];
    this.#slots = Array.from({ length: plan.config.size }, (_, n) => n);
    this.#perSecond = workload.perSecond(context.start.rate);
  }

  get wakeFd(): number | null {
    return this.#reaping ? this.#fds.call : null;
  }

  woken(): void {
    do {
      this.queue.disableCalls();
      for (let back = this.queue.reap(); back !== null; back = this.queue.reap()) {
        const { slot, job } = back.token;
        if (!job.verify(back.written)) this.#count("errors");
        this.#count("completed");
        this.#slots.push(slot);
      }
    } while (this.queue.enableCalls());
    if (this.queue.broken !== null) this.#count("errors");
  }

  tick(now: number, broken: BreakName | null): void {
    this.#earn(now);
    if (broken === "stop-reaping") this.#reaping = false;
    if (broken === "lose-kick" || broken === "corrupt-chain") this.#breakOnce(broken);
    else if (broken === "ring-full") this.#fill();
    else this.#submit(Math.min(this.#due, this.#depth(broken) - this.queue.inFlight));
    this.#notify();
    this.context.counters.flight(this.plan.number, this.queue.inFlight);
  }

  /** A little more once the device has stopped, so that there is something it was not told of. */
  #depth(broken: BreakName | null): number {
    const stopped = broken !== null && this.context.counters.phase === PHASE.stopped;
    return this.workload.depth + (stopped ? 4 : 0);
  }

  #earn(now: number): void {
    const elapsed = Number.isNaN(this.#last) ? 0 : now - this.#last;
    this.#last = now;
    const earned = this.#perSecond === Infinity ? Infinity : elapsed * this.#perSecond / 1000;
    this.#due = Math.min(this.workload.depth, this.#due + earned);
  }

  #submit(most: number): void {
    for (let n = 1; n <= most && this.#add(false); n++) this.#due--;
  }

  /** Waits until the ring is empty, so that the device has asked for a kick; then does it. */
  #breakOnce(broken: "lose-kick" | "corrupt-chain"): void {
    if (this.#stuck || this.queue.inFlight > 0) return;
    this.#stuck = true;
    this.#add(false);
    if (broken === "lose-kick") {
      this.#add(false);
      this.queue.publish();
    } else if (corruptNext(this.context.memory, this.plan.config, () => this.#add(false, true))) {
      this.#add(false);
    }
  }

  /** One descriptor each, until there is none. */
  #fill(): void {
    const { counters } = this.context;
    if (counters.phase === PHASE.start && this.queue.inFlight === 0) {
      counters.phase = PHASE.drained;
    }
    while (counters.phase === PHASE.holding && this.#add(true));
  }

  #add(indirect: boolean, direct = false): boolean {
    const number = this.#slots[0];
    if (number === undefined || this.queue.free < 8 && !indirect) return false;
    const slot = new Slot(this.context.memory, slotAddress(this.plan.number, number));
    const job = this.workload.next(slot);
    const added = this.queue.add(job.segments, { slot: number, job }, {
      indirect: (job.indirect || indirect) && !direct,
    });
    if (!added) return false;
    this.#slots.shift();
    this.#count("submitted");
    return true;
  }

  #notify(): void {
    if (!this.queue.publish()) return;
    this.context.signal(this.#fds.kick);
    this.#count("kicks");
  }

  #count(field: "submitted" | "completed" | "errors" | "kicks"): void {
    this.context.counters.add(this.plan.number, field);
  }
}
