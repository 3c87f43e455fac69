/**
 * Serves one queue of the demo from the device's side, and stops as a break says.
 *
 * @module
 */
import type { DeviceQueue, TakenBuffer } from "../ring/device_queue.ts";
import { type BreakName, PHASE } from "./breaks.ts";
import type { QueueFds, QueuePlan } from "./plan.ts";
import type { Engine, SideContext } from "./side.ts";
import type { Service } from "./workload.ts";

/** Ticks without a kick after which none is under way: a driver may be held up between look and kick. */
const QUIET = 5;

/** The device of one queue. Buffers are served in the order in which they were taken. */
export class DeviceEngine implements Engine {
  readonly #fds: QueueFds;
  readonly #taken: { buffer: TakenBuffer; due: number }[] = [];
  readonly #latency: number;
  /** Takes nothing more. */
  #deaf = false;
  /** Serves nothing more. */
  #dead = false;
  /** Has asked for no kicks; those under way are still heard. */
  #suppressed = false;
  /** Ticks since then, or since the last of those. */
  #quiet = 0;

  constructor(
    readonly context: SideContext,
    readonly plan: QueuePlan,
    readonly queue: DeviceQueue,
    readonly service: Service,
  ) {
    this.#fds = context.start.fds[plan.number];
    this.#latency = service.latency(context.start.rate);
    queue.enableKicks();
  }

  get wakeFd(): number | null {
    return this.#deaf ? null : this.#fds.kick;
  }

  woken(now: number): void {
    if (this.#suppressed) {
      this.#quiet = 0;
      return;
    }
    do this.#take(now); while (!this.#deaf && this.queue.enableKicks());
  }

  tick(now: number, broken: BreakName | null): void {
    if (broken === "stop-device" || broken === "not-ready") this.#stop();
    else if (broken === "ring-full") this.#hold();
    else if (broken === "suppress-kicks" && !this.#deaf) this.#suppress(now);
    this.#serve(now);
  }

  #stop(): void {
    this.#deaf = this.#dead = true;
    this.context.counters.phase = PHASE.stopped;
  }

  #hold(): void {
    const { counters } = this.context;
    if (counters.phase !== PHASE.drained) return;
    this.#dead = true;
    counters.phase = PHASE.holding;
  }

  /**
   * First says so; some ticks later, when no kick is under way any more, serves what is there. All that
   * follows is what nobody asked a kick for.
   */
  #suppress(now: number): void {
    if (this.#suppressed && ++this.#quiet >= QUIET) {
      this.#take(now);
      this.#deaf = true;
      this.context.counters.phase = PHASE.stopped;
    }
    this.queue.disableKicks();
    this.#suppressed = true;
  }

  /** A driver that breaks the rules is not served any more. */
  #take(now: number): void {
    for (let buffer = this.queue.take(); buffer !== null; buffer = this.queue.take()) {
      if (buffer.findings.length > 0) this.#deaf = true;
      else this.#taken.push({ buffer, due: now + this.#latency });
      if (this.#deaf) return;
    }
    if (this.queue.broken !== null) this.#deaf = true;
  }

  #serve(now: number): void {
    while (!this.#dead && this.#taken.length > 0 && this.#taken[0].due <= now) {
      const written = this.service.serve(this.#taken[0].buffer);
      if (written === null) break;
      this.queue.giveBack(this.#taken.shift()!.buffer, written);
    }
    if (!this.queue.publish()) return;
    this.context.signal(this.#fds.call);
    this.context.counters.add(this.plan.number, "calls");
  }
}
