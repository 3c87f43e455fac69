/**
 * One queue in a report.
 *
 * @module
 */
import type { Device, Queue } from "../guest/guest.ts";
import type { SelectedQueue } from "../guest/select.ts";
import type { RingConfig } from "../ring/config.ts";
import type { RingIndices, Suppression } from "../ring/snapshot.ts";
import type { Verdict } from "../ring/stall.ts";
import type { Judgement } from "./judge.ts";
import type { RingRates } from "./ring_rates.ts";
import type { RingSampler } from "./sampler.ts";

/** One queue in a report. */
export interface QueueRates extends RingRates, Judgement {
  /** `qemu:4242/blk0:0`. */
  readonly target: string;
  readonly device: Device;
  readonly queue: Queue;
  /** The ring's; of a shared ring of Xen, what it is in a virtqueue's terms. */
  readonly config: RingConfig;
  readonly suppression: Suppression;
}

/** What a whole reading of a queue gave. */
export interface WholeReading {
  readonly rates: RingRates;
  readonly judgement: Judgement;
  readonly suppression: Suppression;
}

/**
 * A queue as the last report has it: one object for all reports. What time alone changes is worked out
 * when somebody asks, so that a queue whose ring rests costs a report nothing.
 */
export class QueueRow implements QueueRates {
  readonly target: string;
  readonly device: Device;
  readonly queue: Queue;
  readonly #sampler: RingSampler;
  #last: WholeReading;

  constructor(
    { target, device, queue }: SelectedQueue,
    readonly config: RingConfig,
    sampler: RingSampler,
    first: WholeReading,
  ) {
    this.target = target;
    this.device = device;
    this.queue = queue;
    this.#sampler = sampler;
    this.#last = first;
  }

  /** Takes another reading. */
  set last(reading: WholeReading) {
    this.#last = reading;
  }

  get elapsed(): number {
    return this.#sampler.resting?.elapsed ?? this.#last.rates.elapsed;
  }

  get samples(): number {
    return this.#sampler.resting?.samples ?? this.#last.rates.samples;
  }

  get indices(): RingIndices | null {
    return this.#last.rates.indices;
  }

  get availableRate(): number | null {
    return this.#last.rates.availableRate;
  }

  get usedRate(): number | null {
    return this.#last.rates.usedRate;
  }

  get usedAverage(): number | null {
    return this.#sampler.resting === null
      ? this.#last.rates.usedAverage
      : this.#sampler.usedAverage;
  }

  get inFlightWorst(): number {
    return this.#last.rates.inFlightWorst;
  }

  get gap(): boolean {
    return this.#last.rates.gap;
  }

  get waiting(): number {
    const { resting } = this.#sampler;
    return resting === null ? this.#last.rates.waiting : this.#sampler.waiting(resting.time);
  }

  get oldest(): number | null {
    const { resting } = this.#sampler;
    return resting === null ? this.#last.rates.oldest : this.#sampler.oldest(resting.time);
  }

  get verdict(): Verdict | null {
    return this.#last.judgement.verdict;
  }

  get evidence(): readonly string[] {
    return this.#last.judgement.evidence;
  }

  get suppression(): Suppression {
    return this.#last.suppression;
  }
}

/** A queue as it is in this report, for whoever keeps it beyond. */
export function copyOfQueue(queue: QueueRates): QueueRates {
  return {
    target: queue.target,
    device: queue.device,
    queue: queue.queue,
    config: queue.config,
    suppression: queue.suppression,
    elapsed: queue.elapsed,
    samples: queue.samples,
    indices: queue.indices,
    availableRate: queue.availableRate,
    usedRate: queue.usedRate,
    usedAverage: queue.usedAverage,
    inFlightWorst: queue.inFlightWorst,
    gap: queue.gap,
    waiting: queue.waiting,
    oldest: queue.oldest,
    verdict: queue.verdict,
    evidence: queue.evidence,
  };
}
